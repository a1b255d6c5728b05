// SPDX-License-Identifier: GPL-2.0-only
// `trapline restore`: the guest of an image goes on, as `run` runs one.
import { booksOf } from '../books.ts';
import type { Watch } from '../limits.ts';
import { runMachine } from '../run.ts';
import type { RunReport, RunTerminal } from '../run-report.ts';
import { runThreads } from '../threads/run-threads.ts';
import type { ThreadsOptions } from '../threads/threads-options.ts';
import { HeldOutput, holds } from './held-output.ts';
import { type ImageSource, loadImage } from './read.ts';
import { restoreMachine } from './restore.ts';
import { type RunImageOptions, RunImages } from './run-images.ts';

/** What is asked for. */
export interface RestoreOptions {
  source: ImageSource;
  lastGood: boolean;
  /** What the guest wrote to its folder goes there at the end, if its run was asked to; else it stays in memory. */
  writable: boolean;
  /** Of the whole history; null: what the guest's manifest says. */
  maxInstructions: number | null;
  timeoutMs: number | null;
  image: RunImageOptions | null;
  /** The ledger file that the image knows of; null: no books are kept from here on. */
  ledgerPath: string | null;
  /** vCPUs and device models are threads; null: everything is on one. */
  threads: ThreadsOptions | null;
}

export interface RestoreReport extends RunReport {
  /** Where it went on. */
  from: { checkpoint: number; instructions: number; dropped: string | null };
}

/** @throws HvmError HVM_IMAGE before anything runs */
export async function restoreRun(
  options: RestoreOptions,
  watch: Watch & RunTerminal,
): Promise<RestoreReport> {
  const loaded = await loadImage(options.source, { lastGood: options.lastGood });
  const { dropped, state } = loaded;
  const { revision, checkpoint, vcpus } = state;
  const from = { checkpoint, instructions: vcpus[0].icount, dropped };
  const { threads } = options;
  if (threads !== null) {
    const request = { ...options, revision, guest: '', load: {}, devices: [] };
    return { ...(await runThreads(request, threads, loaded, watch)), from };
  }
  using output = new HeldOutput(watch.output, holds(options.image));
  using books = booksOf(options.ledgerPath, loaded);
  const { machine, snapshot } = restoreMachine(loaded, {
    output: output.put,
    ledger: books?.ledger ?? null,
    ...(watch.input === undefined ? {} : { input: watch.input }),
  });
  using _machine = machine;
  // An image names a folder of this machine, and may come from anywhere.
  if (!options.writable) machine.pc?.keepFolder();
  books?.open(machine, revision, loaded);
  using images =
    options.image === null
      ? null
      : new RunImages(machine, options.image, revision, output, books, { snapshot, checkpoint });
  const report = await runMachine({ machine, images, books }, { ...options, revision }, watch);
  return { ...report, from };
}
