// SPDX-License-Identifier: GPL-2.0-only
// One third-party guest under checkpoints, and its line of the table.
import { type StressReport, stress } from '../../src/toolstack/stress.ts';
import { hostClock } from '../../src/util/clock.ts';
import { prepare } from './prepare.ts';
import type { StressGuest } from './stress-list.ts';

/** As it is printed, and kept from one part of a run to the next. */
export interface StressRow {
  guest: string;
  /** Steps of its script that are over, of how many. */
  script: string;
  checkpoints: number;
  instructions: number;
  accesses: number;
  lost: number;
  duplicated: number;
  /** Screen, memory, registers, devices, output and accesses are those of an undisturbed run. */
  identical: boolean;
  /** What went wrong first, or null. */
  problem: string | null;
}

const watch = {
  signal: new AbortController().signal,
  tick: () => undefined,
  clock: hostClock,
  idle: (ms: number, then: () => void): void => void setTimeout(then, ms),
};

/** @param scratch - a folder for files that are made */
export async function stressGuest(
  guest: StressGuest,
  checkpoints: number,
  scratch: string,
): Promise<StressRow> {
  const { image, floppies } = prepare(guest, scratch);
  const script = guest.script();
  const report = await stress(
    {
      guest: image,
      load: { machine: 'pc', pc: { floppies, script } },
      devices: [],
      revision: 'exact',
      seed: 1,
      ledgerPath: null,
      // A program that ends by itself ends the run, at about three halves of what is asked for.
      checkpoints: guest.spacing === undefined ? checkpoints : 2 * checkpoints,
      spacing: guest.spacing ?? null,
      maxInstructions: null,
      timeoutMs: null,
    },
    watch,
  );
  return rowOf(guest.name, report);
}

function rowOf(guest: string, report: StressReport): StressRow {
  const { checkpoints, instructions, accesses, lost, duplicated, end, violations } = report;
  const progress = report.script;
  const identical = end?.identical === true;
  // What a program makes of itself is not about checkpoints where it does the same without them.
  const wrong = violations.find(({ kind }) => kind !== 'guest-verdict' || !identical);
  return {
    guest,
    script: progress === null ? '' : `${progress.done} of ${progress.steps}`,
    ...{ checkpoints, instructions, lost, duplicated },
    accesses: accesses.retired,
    identical,
    problem: wrong?.message ?? null,
  };
}
