// SPDX-License-Identifier: GPL-2.0-only
// What a chain and its processes say to each other.
import type { Verdict } from '../../dm/device.ts';
import type { LoadOptions } from '../../machine/loader.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import type { ThreadsOptions } from '../threads/threads-options.ts';

/** What a process of the chain is told. Plain JSON. */
export interface ChainLink {
  guest: string;
  load: LoadOptions;
  /** As on the command line. */
  devices: readonly string[];
  revision: RevisionName;
  /** Where the checkpoints of this process land. */
  seed: number;
  image: string;
  ledger: string;
  /** Starts from the image; false: it is the first. */
  resume: boolean;
  /** Ends, whole, at this checkpoint. */
  until: number;
  /** Most instructions from one checkpoint to where the next one is begun; few, for a guest that ends soon. */
  linger: number;
  fsync: boolean;
  /** vCPUs and device models are threads; null: everything is on one. */
  threads: ThreadsOptions | null;
}

/** What it says: after each commit, and at the end. */
export type ChainWord =
  | { what: 'committed'; checkpoint: number }
  | {
      what: 'ended';
      /** Why before its time; null: it was not. */
      end: string | null;
      failed: string | null;
      verdict: Verdict | null;
      checkpoint: number;
    };
