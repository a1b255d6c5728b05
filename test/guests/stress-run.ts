// SPDX-License-Identifier: GPL-2.0-only
// One third-party guest under checkpoints, then over processes that are killed, and its line of the table.
import { join } from 'node:path';
import type { LoadOptions } from '../../src/machine/loader.ts';
import type { ChainOptions, ChainReport } from '../../src/toolstack/image/chain.ts';
import type { Watch } from '../../src/toolstack/limits.ts';
import { stress } from '../../src/toolstack/stress.ts';
import { hostClock } from '../../src/util/clock.ts';
import { prepare } from './prepare.ts';
import type { StressGuest } from './stress-list.ts';

/** As it is printed, and kept from one part of a run to the next. */
export interface StressRow {
  guest: string;
  bios: string;
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
  /** The same guest over processes, each killed and gone on from by the next: checkpoints and processes; null: not run. */
  fresh: { checkpoints: number; processes: number; identical: boolean } | null;
}

/** Starts the processes of a chain. */
export type Chain = (options: Omit<ChainOptions, 'start'>, watch: Watch) => Promise<ChainReport>;

export interface StressWishes {
  /** builtin, seabios. */
  bios: string;
  checkpoints: number;
  /** null: in one process only. */
  chain: Chain | null;
  /** A folder for files that are made. */
  scratch: string;
}

/** Of those checkpoints one in so many is taken over killed processes, each of which commits them to an image. */
const PART = 10;
/** So many times a guest goes on in a fresh process, and instructions at most between two checkpoints besides. */
const PROCESSES = 10;
const LINGER = 10_000;

const watch: Watch = {
  signal: new AbortController().signal,
  tick: () => undefined,
  clock: hostClock,
  idle: (ms: number, then: () => void): void => void setTimeout(then, ms),
};

export async function stressGuest(guest: StressGuest, wishes: StressWishes): Promise<StressRow> {
  const { bios, checkpoints, chain, scratch } = wishes;
  const { image, floppies } = prepare(guest, scratch);
  const script = guest.script();
  const load: LoadOptions = { machine: 'pc', pc: { bios, floppies, script } };
  const report = await stress(
    {
      guest: image,
      load,
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
  const { instructions, accesses, lost, duplicated, end, violations } = report;
  const progress = report.script;
  const identical = end?.identical === true;
  // What a program makes of itself is not about checkpoints where it does the same without them.
  const wrong = violations.find(({ kind }) => kind !== 'guest-verdict' || !identical);
  const over = chain === null ? null : await chained(guest, load, image, chain, wishes);
  return {
    ...{ guest: guest.name, bios },
    script: progress === null ? '' : `${progress.done} of ${progress.steps}`,
    ...{ checkpoints: report.checkpoints, instructions, lost, duplicated },
    accesses: accesses.retired,
    identical,
    problem: wrong?.message ?? over?.problem ?? null,
    fresh: over && {
      ...{ checkpoints: over.checkpoints, processes: over.processes },
      identical: over.end?.identical === true,
    },
  };
}

async function chained(
  guest: StressGuest,
  load: LoadOptions,
  image: string,
  chain: Chain,
  { checkpoints, scratch }: StressWishes,
): Promise<ChainReport | null> {
  // A program that ends by itself is over before there is anything to kill.
  if (guest.spacing !== undefined) return null;
  const folder = join(scratch, 'chain');
  const part = Math.ceil(checkpoints / PART);
  return await chain(
    {
      ...{ guest: image, load, devices: [], revision: 'exact', seed: 1, checkpoints: part, folder },
      perProcess: Math.max(2, Math.floor(part / PROCESSES)),
      ...{ linger: LINGER, fsync: false, threads: null },
    },
    watch,
  );
}
