// SPDX-License-Identifier: GPL-2.0-only
// `trapline restore`: the guest of an image goes on, as `run` runs one.
import type { Watch } from '../limits.ts';
import { type RunReport, type RunTerminal, runMachine } from '../run.ts';
import { HeldOutput, holds } from './held-output.ts';
import { type ImageSource, loadImage } from './read.ts';
import { restoreMachine } from './restore.ts';
import { type RunImageOptions, RunImages } from './run-images.ts';

/** What is asked for. */
export interface RestoreOptions {
  source: ImageSource;
  lastGood: boolean;
  /** Of the whole history; null: what the guest's manifest says. */
  maxInstructions: number | null;
  timeoutMs: number | null;
  image: RunImageOptions | null;
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
  const { revision, checkpoint, vcpus } = loaded.state;
  const { icount } = vcpus[0];
  using output = new HeldOutput(watch.output, holds(options.image));
  const { machine, snapshot } = restoreMachine(loaded, {
    output: output.put,
    ...(watch.input === undefined ? {} : { input: watch.input }),
  });
  using _machine = machine;
  using images =
    options.image === null
      ? null
      : new RunImages(machine, options.image, revision, output, { snapshot, checkpoint });
  const report = await runMachine(machine, images, { ...options, revision }, watch);
  return { ...report, from: { checkpoint, instructions: icount, dropped: loaded.dropped } };
}
