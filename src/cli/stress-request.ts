// SPDX-License-Identifier: GPL-2.0-only
// What `trapline stress` asks for, and what comes of it.
import type { MuseumBug } from '../toolstack/museum/index.ts';
import type { ThreadsOptions } from '../toolstack/threads/threads-options.ts';
import type { RevisionName } from '../xen/hvm/revision.ts';
import type { RunHooks } from './command.ts';
import type { GuestRequest } from './options.ts';
import type { StressDocument } from './stress-schemas.ts';

/** What was asked for on the command line, with every default filled in. */
export interface StressRequest extends GuestRequest {
  revision: RevisionName;
  /** In place of `revision`, or null. */
  bug: MuseumBug | null;
  seed: number;
  checkpoints: number;
  /** null: what suits the machine. */
  spacing: number | null;
  /** null: what the guest's manifest says, else no bound. */
  maxInstructions: number | null;
  timeoutMs: number | null;
  /** null: the history is judged but not written. */
  ledgerPath: string | null;
  /** By the clock, for --json and --report. */
  measure: boolean;
  /** null: everything on one thread. */
  threads: ThreadsOptions | null;
}

/** Everything of the document that the run knows. */
export type StressResult = Omit<
  StressDocument,
  'schema' | 'durationAskedMs' | 'durationMs' | 'checkpointsPerSecond'
>;

/** @throws HvmError before anything is written when the request makes no sense */
export type StressRunner = (
  request: StressRequest,
  hooks: RunHooks,
) => Promise<StressResult> | StressResult;
