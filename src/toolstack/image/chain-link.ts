// SPDX-License-Identifier: GPL-2.0-only
// One process of a chain: goes on from the image, takes checkpoints into it, until it is killed or the chain is long enough.

import type { Verdict } from '../../dm/device.ts';
import { parseDeviceSpec } from '../../dm/registry.ts';
import type { LoadOptions } from '../../machine/loader.ts';
import { Random } from '../../util/random.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import type { Watch } from '../limits.ts';
import { CheckpointSession } from '../session.ts';
import type { ThreadsOptions } from '../stress.ts';
import { isShort, standStill } from './chain-pace.ts';
import { runThreadedLink } from './chain-threads.ts';
import { Checkpointer } from './checkpointer.ts';
import { fileSource, loadImage } from './read.ts';

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

/** Runs until the chain's end, a violation, or SIGKILL. @throws HvmError as restore and stress do */
export async function runLink(
  link: ChainLink,
  say: (word: ChainWord) => void,
  watch: Watch,
): Promise<void> {
  const from = link.resume ? await loadImage(fileSource(link.image)) : null;
  if (link.threads !== null) return await runThreadedLink(link, link.threads, from, say, watch);
  const random = new Random(link.seed);
  using file = new Checkpointer(link.image, link.fsync);
  using session = new CheckpointSession({
    guest: link.guest,
    load: link.load,
    devices: link.devices.map(parseDeviceSpec),
    revision: link.revision,
    seed: link.seed,
    ledgerPath: link.ledger,
    from,
    between: isShort(link.linger) ? link.linger : null,
    onCaptured: (s) => {
      file.commit(s.machine, s.snapshot, {
        revision: from?.state.revision ?? link.revision,
        checkpoint: s.checkpoints,
        ledger: s.ledgerPosition(link.fsync),
        log: s.log.position,
        output: s.outputPosition,
      });
      say({ what: 'committed', checkpoint: s.checkpoints });
    },
  });
  let end: string | null = null;
  while (session.checkpoints < link.until && !session.failed && end === null) {
    if (!isShort(link.linger)) {
      // Behind a commit: accesses that the next process takes back, unless a checkpoint comes first.
      session.loop.deadline = session.machine.cpu.icount + 1 + random.below(link.linger);
      const stop = session.loop.run();
      if (stop !== 'deadline') end = stop;
    }
    end ??= session.next(Number.MAX_SAFE_INTEGER);
    await standStill(link.linger, random, watch);
  }
  const first = session.checker.first?.message ?? null;
  const failed = session.failed ? (first ?? 'the guest or its log noticed') : null;
  session.finish(end === null, end ?? 'the chain is long enough');
  const { verdict } = session.machine;
  say({ what: 'ended', end, failed, verdict, checkpoint: session.checkpoints });
}
