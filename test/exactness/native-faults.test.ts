// SPDX-License-Identifier: GPL-2.0-only
// The matrix sees faults of the native layer: the addon is built once for each of them, and a part of
// `trapline exactness` run on it has to fail. Built without a fault by the same means, nothing fails.
import { afterAll, describe, expect, test } from 'vitest';
import { type Ended, type Mutant, mutated, Workshop } from './native-build.ts';
import { MUTANTS } from './native-mutants.ts';

const workshop = new Workshop();
afterAll(() => workshop[Symbol.dispose]());

/** Two at a time. */
function inPairs<T>(jobs: readonly (() => Promise<T>)[]): Promise<T>[] {
  const lanes: Promise<unknown>[] = [Promise.resolve(), Promise.resolve()];
  return jobs.map((job, i) => {
    const before = lanes[i % 2] as Promise<unknown>;
    const result = before.then(job);
    lanes[i % 2] = result.catch(() => {});
    return result;
  });
}

/** What `trapline exactness` said about a mutant. */
async function trial(mutant: Mutant): Promise<Ended> {
  return workshop.run(await workshop.build(mutant), mutant);
}

describe('native faults', () => {
  const results = new Map<Mutant, Promise<Ended>>();
  // Started by the first test, so that a run of another test of this file builds nothing.
  function resultOf(mutant: Mutant): Promise<Ended> {
    if (results.size === 0) {
      const started = inPairs(MUTANTS.map((m) => () => trial(m)));
      MUTANTS.forEach((m, i) => {
        const result = started[i] as Promise<Ended>;
        result.catch(() => {});
        results.set(m, result);
      });
    }
    return results.get(mutant) as Promise<Ended>;
  }

  test.each(MUTANTS.map((m) => [m.name, m] as const))(
    'caught: %s',
    async (_, mutant) => {
      const { exit, signal, document, stderr } = await resultOf(mutant);
      // Caught by the matrix: no crash, no hang, no refusal.
      expect({ exit, signal }, stderr).toEqual({ exit: 1, signal: null });
      expect(document?.outcome).toBe('failure');
      expect(document?.failuresTotal).toBeGreaterThan(0);
      // Something that differs, not only a run that broke off.
      expect(document?.failures.some((f) => f.field !== 'run')).toBe(true);
    },
    900_000,
  );

  test('without a fault, built in the same way, nothing fails', async () => {
    const addon = await workshop.build(null);
    const parts = new Map(MUTANTS.map((m) => [`${m.cells} ${m.full} ${m.stop}`, m]));
    const runs = inPairs([...parts.values()].map((m) => () => workshop.run(addon, m)));
    for (const { exit, signal, document, stderr } of await Promise.all(runs)) {
      expect({ exit, signal }, stderr).toEqual({ exit: 0, signal: null });
      expect(document?.failures).toEqual([]);
      const runs = (document?.combinations ?? 0) + (document?.staying.runs ?? 0);
      expect(runs).toBeGreaterThan(0);
    }
  }, 900_000);
});

describe('the list of native faults', () => {
  test('each has a name of its own, and changes something', () => {
    expect(new Set(MUTANTS.map((m) => m.name)).size).toBe(MUTANTS.length);
    for (const m of MUTANTS) expect(m.replace).not.toBe(m.find);
    expect(MUTANTS.length).toBeGreaterThanOrEqual(12);
  });

  const mutant = { name: 'one', file: 'a.cc', find: 'x = 1;', replace: '$&', cells: '' };
  test('a text that is not there exactly once is an error that says so', () => {
    expect(mutated('a; x = 1; b;', mutant)).toBe('a; $& b;');
    expect(() => mutated('y = 1;', mutant)).toThrow(
      "'one': the text to change occurs 0 times in native/a.cc, expected once: x = 1;",
    );
    expect(() => mutated('x = 1; x = 1;', mutant)).toThrow('occurs 2 times');
  });
});
