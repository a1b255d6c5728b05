// SPDX-License-Identifier: GPL-2.0-only
// Do the measurements measure what they say? Counts, not times: on the real CPU with a clock of our own.
import { describe, expect, it } from 'vitest';
import { MEASUREMENTS, METHOD, rateAll } from '../../../src/toolstack/bench/bench.ts';
import { CheckpointSubject } from '../../../src/toolstack/bench/checkpoint-subject.ts';
import { ACCESS_PROGRAMS, LOOP_PROGRAMS } from '../../../src/toolstack/bench/programs.ts';
import { STAGES } from '../../../src/toolstack/bench/stages.ts';
import { ANSWERED_BY, MachineSubject } from '../../../src/toolstack/bench/subject.ts';
import type { Clock } from '../../../src/util/clock.ts';

/** A millisecond passes whenever somebody looks. */
function tickingClock(): Clock {
  let now = 0;
  return { nowMs: () => now++ };
}

const hooks = { signal: new AbortController().signal, tick: () => undefined };

/** What reached the devices, by the devices themselves. */
function reached(subject: MachineSubject): { reads: number; writes: number } {
  let reads = 0;
  let writes = 0;
  for (const witness of Object.values(subject.machine.witnesses())) {
    reads += witness.reads;
    writes += witness.writes;
  }
  return { reads, writes };
}

describe.each(ACCESS_PROGRAMS)('$name', (program) => {
  it.each(['server', 'server+ledger'] as const)('%s: a unit is one access', (by) => {
    using subject = new MachineSubject(program, by);
    // The first slice begins with the instructions before the loop.
    subject.run(program.roundUnits);
    const before = reached(subject);
    const done = subject.run(5 * program.roundUnits);
    const after = reached(subject);
    const accesses = after.reads - before.reads + after.writes - before.writes;
    // Where a slice begins and ends inside a batch, the count of instructions is a little off.
    expect(Math.abs(accesses - done) / done).toBeLessThan(program.unit === 'byte' ? 0.25 : 0.001);
    const isRead = /^(in|insb|mmioRead)$/.test(program.name);
    expect(isRead ? after.writes : after.reads).toBe(0);
    expect(subject.machine.unclaimed).toBe(0);
    expect(subject.machine.books === null).toBe(by === 'server');
  });

  it.each(['bare', 'monitor'] as const)('%s: no device model is asked', (by) => {
    using subject = new MachineSubject(program, by);
    expect(subject.run(5 * program.roundUnits)).toBeGreaterThanOrEqual(5 * program.roundUnits);
    expect(reached(subject)).toEqual({ reads: 0, writes: 0 });
    expect(subject.machine.unclaimed).toBe(0);
  });
});

it.each(LOOP_PROGRAMS)('loop $name leaves the guest for nothing but its deadline', (program) => {
  using subject = new MachineSubject(program, 'server');
  const done = subject.run(10 * program.roundUnits);
  expect(done).toBeGreaterThanOrEqual(10 * program.roundUnits);
  expect(subject.loop.exits.reduce((sum, n) => sum + n, 0)).toBe(1);
});

it('one unit of the checkpoint measurement is one checkpoint', () => {
  using subject = new CheckpointSubject();
  expect(subject.run(7)).toBe(7);
});

it('every way of answering is measured for every access', () => {
  const names = MEASUREMENTS.map(([name]) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const by of ANSWERED_BY) {
    for (const { name } of ACCESS_PROGRAMS) expect(names).toContain(`${name}/${by}`);
  }
  expect(names.filter((name) => name.startsWith('loop/'))).toHaveLength(7);
  expect(names).toContain('checkpoint/1MiB');
});

describe('a run', () => {
  it('gives what was asked for, with a ratio to compare by', async () => {
    const rated = await rateAll(tickingClock(), { name: 'out/', timeMs: 40 }, hooks);
    expect(rated.results.map((row) => row.name)).toEqual(ANSWERED_BY.map((by) => `out/${by}`));
    expect(rated.stages).toEqual([]);
    expect(Object.keys(rated.ratios)).toEqual(rated.results.map((row) => row.name));
    for (const { low, median, high, perSecond, samples, name } of rated.results) {
      expect(samples).toBeGreaterThan(5);
      expect(low).toBeGreaterThan(0);
      expect(median).toBeGreaterThanOrEqual(low);
      expect(high).toBeGreaterThanOrEqual(median);
      expect(perSecond).toBeCloseTo(1e9 / median);
      expect(rated.ratios[name]).toBeGreaterThan(0);
    }
  });

  it('names every stage of one IN', async () => {
    const request = { name: 'stages', timeMs: 40 };
    const { method, results, stages } = await rateAll(tickingClock(), request, hooks);
    expect(method).toBe(METHOD);
    expect(results).toEqual([]);
    expect(stages.map((row) => row.name)).toEqual(STAGES.map(([name]) => name));
    expect(stages.every((row) => Number.isFinite(row.median))).toBe(true);
  });

  it('stopped before it began it gives nothing', async () => {
    const signal = AbortSignal.abort();
    const rated = await rateAll(tickingClock(), { name: null, timeMs: 40 }, { ...hooks, signal });
    expect([rated.results, rated.stages]).toEqual([[], []]);
  });
});
