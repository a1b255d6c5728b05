// SPDX-License-Identifier: GPL-2.0-only
// The benchmark: which measurements there are, and all of them, or those asked for, one after the other.
import type { Clock } from '../../util/clock.ts';
import { CHECKPOINT_EVERY, CheckpointSubject } from './checkpoint-subject.ts';
import { ImageSubject } from './image-subject.ts';
import { ACCESS_PROGRAMS, LOOP_PROGRAMS, STAYING_PROGRAMS } from './programs.ts';
import { type BenchHooks, type Measured, sampleTogether } from './sampler.ts';
import { measureStages, STAGES } from './stages.ts';
import { ANSWERED_BY, MachineSubject, type Subject } from './subject.ts';

export interface BenchRequest {
  /** Only measurements whose name contains this; null: all. The stages are called `stages`. */
  name: string | null;
  /** For each measurement. */
  timeMs: number;
}

/** One line of the result, ns per unit. */
export interface BenchRow {
  name: string;
  unit: 'ns';
  median: number;
  low: number;
  high: number;
  perSecond: number;
  samples: number;
}

export interface BenchResult {
  method: string;
  results: BenchRow[];
  stages: BenchRow[];
}

/** The same with what can be compared with another run. */
export interface RatedResult extends BenchResult {
  /** By name: the time divided by that of the yardstick measured beside it, both at the 10th percentile. */
  ratios: Record<string, number>;
}

/** Ten machines take turns. */
const STAGES_TIME = 8;

/** What can be measured: name, and what makes it. */
export const MEASUREMENTS: readonly (readonly [name: string, make: () => Subject])[] = [
  ...ANSWERED_BY.flatMap((by) =>
    ACCESS_PROGRAMS.map((p) => [`${p.name}/${by}`, () => new MachineSubject(p, by)] as const),
  ),
  ...(['server', 'server+ledger'] as const).flatMap((by) =>
    STAYING_PROGRAMS.map((p) => [`${p.name}/${by}`, () => new MachineSubject(p, by)] as const),
  ),
  ...LOOP_PROGRAMS.map((p) => [`loop/${p.name}`, () => new MachineSubject(p, 'server')] as const),
  ['checkpoint/1MiB', () => new CheckpointSubject()],
  ['checkpoint/16-pages', () => new ImageSubject('capture')],
  ['reset/16-pages', () => new ImageSubject('reset')],
  ['image/increment', () => new ImageSubject('file')],
];

export const METHOD: string =
  'ns per access (insb, outsb: per byte, 1024 to an instruction; loop: per instruction; checkpoint: per ' +
  `checkpoint, ${CHECKPOINT_EVERY} instructions apart; 16-pages and image/increment: per checkpoint or reset with 16 dirty pages, on disk without fsync), CPU time of one thread, revision exact`;

function row(name: string, { time }: Measured): BenchRow {
  const perSecond = time.median > 0 ? 1e9 / time.median : 0;
  return { name, unit: 'ns', ...time, perSecond };
}

/** Measures with `clock`; see `BenchRequest`. Stopped by the signal, it returns what is complete. */
export async function rateAll(
  clock: Clock,
  { name, timeMs }: BenchRequest,
  hooks: BenchHooks,
): Promise<RatedResult> {
  const wanted = (candidate: string): boolean => name === null || candidate.includes(name);
  const chosen = MEASUREMENTS.filter(([candidate]) => wanted(candidate));
  const withStages = wanted('stages');
  const total = timeMs * (chosen.length + (withStages ? STAGES_TIME : 0));
  let before = 0;
  // One progress for the whole, whatever a part says about itself.
  const part: BenchHooks = {
    signal: hooks.signal,
    tick: (done) => hooks.tick(Math.min(before + done, total), total),
  };
  const result: RatedResult = { method: METHOD, results: [], stages: [], ratios: {} };
  for (const [candidate, make] of chosen) {
    if (hooks.signal.aborted) return result;
    using subject = make();
    const measured = await sampleTogether(
      { clock, timeMs, hooks: part },
      [(units) => subject.run(units)],
      (round) => round,
    );
    for (const one of measured) {
      result.results.push(row(candidate, one));
      result.ratios[candidate] = one.ratio;
    }
    before += timeMs;
  }
  if (withStages && !hooks.signal.aborted) {
    const measured = await measureStages({ clock, timeMs: timeMs * STAGES_TIME, hooks: part });
    result.stages = measured.map((one, i) => row(STAGES[i]?.[0] ?? '', one));
  }
  return result;
}
