// SPDX-License-Identifier: GPL-2.0-only
import { expect, it } from 'vitest';
import type { BenchHooks } from '../../../src/toolstack/bench/sampler.ts';
import {
  quantile,
  sampleTogether,
  sizeSlice,
  statistics,
  timeSlice,
  yardstick,
} from '../../../src/toolstack/bench/sampler.ts';
import { ManualClock } from '../../../src/util/clock.ts';

/** A workload whose cost is known: it turns the clock itself. */
function costing(clock: ManualClock, nsPerUnit: () => number): (units: number) => number {
  return (units) => {
    clock.advance((units * nsPerUnit()) / 1e6);
    return units;
  };
}

function hooks(abort = new AbortController()): BenchHooks {
  return { signal: abort.signal, tick: () => undefined };
}

it('quantiles are interpolated between neighbours', () => {
  expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
  expect(quantile([10], 0.9)).toBe(10);
  expect(quantile([0, 10], 0.1)).toBe(1);
});

it('statistics do not depend on the order of the samples', () => {
  const values = [9, 1, 5, 3, 7, 2, 8, 4, 6, 10, 0];
  expect(statistics(values)).toEqual({ median: 5, low: 1, high: 9, samples: 11 });
  expect(values[0]).toBe(9);
});

it('a slice costs what it costs, by the units it really did', () => {
  const clock = new ManualClock();
  const slow = costing(clock, () => 40);
  expect(timeSlice(clock, slow, 1000)).toBeCloseTo(40);
  // A batch that did twice what was asked for.
  expect(timeSlice(clock, (units) => 2 * slow(units), 1000)).toBeCloseTo(20);
});

it('slices are sized to the wanted time, after the warm-up', () => {
  const clock = new ManualClock();
  const units = sizeSlice(
    clock,
    costing(clock, () => 100),
    20,
    5,
  );
  expect(units).toBe(50_000);
  expect(clock.nowMs()).toBeGreaterThanOrEqual(20);
});

it('a slice is at least one unit, however slow', () => {
  const clock = new ManualClock();
  expect(
    sizeSlice(
      clock,
      costing(clock, () => 1e9),
      1,
      0.01,
    ),
  ).toBe(1);
});

it('what is measured side by side comes out as differences of rounds', async () => {
  const clock = new ManualClock();
  // Every round is slower than the last: medians of the parts drift, their difference does not.
  let drift = 0;
  const first = costing(clock, () => 100 + drift++);
  const second = costing(clock, () => 130 + drift);
  const options = { clock, timeMs: 200, hooks: hooks(), known: costing(clock, () => 2) };
  const [base, difference] = await sampleTogether(options, [first, second], (round) => [
    round[0] as number,
    (round[1] as number) - (round[0] as number),
  ]);
  expect(difference?.time.samples).toBeGreaterThan(10);
  expect(difference?.time.median).toBeCloseTo(31, 5);
  // The work beside it costs 2 ns per unit.
  expect(base?.ratio).toBeCloseTo((base?.time.low ?? 0) / 2);
  expect(base?.time.high).toBeGreaterThan((base?.time.low ?? 0) + 5);
});

it('ends when the time is used up, and tells how far it is', async () => {
  const clock = new ManualClock();
  const seen: (readonly [number, number | null])[] = [];
  const tick: BenchHooks['tick'] = (done, total) => {
    seen.push([done, total]);
    return undefined;
  };
  const options = {
    clock,
    timeMs: 100,
    hooks: { ...hooks(), tick },
    known: costing(clock, () => 2),
  };
  await sampleTogether(options, [costing(clock, () => 50)], (round) => round);
  expect(seen.at(-1)).toEqual([100, 100]);
  expect(seen.slice(0, -1).every(([done]) => done < 100)).toBe(true);
  expect(clock.nowMs()).toBeLessThan(200);
});

it('stops between two rounds when asked to, with what it has', async () => {
  const clock = new ManualClock();
  const abort = new AbortController();
  const tick: BenchHooks['tick'] = () => {
    abort.abort();
    return undefined;
  };
  const options = {
    clock,
    timeMs: 100,
    hooks: { signal: abort.signal, tick },
    known: costing(clock, () => 2),
  };
  const [one] = await sampleTogether(options, [costing(clock, () => 50)], (round) => round);
  expect(one?.time.samples).toBe(1);
  expect(await sampleTogether(options, [costing(clock, () => 50)], (round) => round)).toEqual([]);
});

it('the yardstick does what it says', () => {
  expect(yardstick(1234)).toBe(1234);
});
