// SPDX-License-Identifier: GPL-2.0-only
// What leaves orders out must leave out nothing else: with and without it the same runs end, event by event, and the
// same is broken; for every museum bug, its cure, and the further actors. And how much it leaves out.
import { expect, it, vi } from 'vitest';
import { Dfs } from '../../src/explore/dfs.ts';
import { makeArena } from '../../src/explore/make-arena.ts';
import type { Scenario } from '../../src/explore/scenario.ts';
import { MUSEUM } from '../../src/toolstack/museum/index.ts';
import { scenario } from './helpers.ts';

// Many runs each, on a machine that may have other work.
vi.setConfig({ testTimeout: 120_000 });

interface Ends {
  /** Hashes of all events of each run that came to its end. */
  histories: Set<number>;
  broken: Set<string>;
  schedules: number;
  /** Steps of all runs, those cut short included. */
  decisions: number;
}

function endsOf(of: Scenario, preemptions: number, prune: boolean): Ends {
  using arena = makeArena(of);
  arena.hashing = prune;
  const dfs = new Dfs(preemptions, prune);
  const ends: Ends = { histories: new Set(), broken: new Set(), schedules: 0, decisions: 0 };
  do {
    const { end, decisions } = arena.run(dfs.choose);
    ends.decisions += decisions;
    if (end === 'cut') continue;
    ends.schedules++;
    ends.histories.add(arena.world.history.key());
    for (const { invariant } of arena.findings) ends.broken.add(invariant);
  } while (dfs.next());
  return ends;
}

function same(of: Scenario, preemptions: number): [all: Ends, some: Ends] {
  const all = endsOf(of, preemptions, false);
  const some = endsOf(of, preemptions, true);
  expect(some.histories).toEqual(all.histories);
  expect(some.broken).toEqual(all.broken);
  return [all, some];
}

it.each(MUSEUM.map((bug) => [bug.id, bug] as const))('%s, and its cure', (_id, bug) => {
  const world = { ...scenario(bug.guest, bug.base, 2, 1), bug };
  const [all] = same(world, 1);
  expect(all.broken.size).toBeGreaterThan(0);
  const [cured] = same({ ...world, revision: bug.cure, bug: null }, 1);
  expect([...cured.broken]).toEqual([]);
});

it.each([
  ['counter', 'exact', { kills: 1 }, 1],
  ['counter', 'fixed', { kills: 1 }, 1],
  ['irq-counter', 'exact', { irqs: 1 }, 1],
  ['smp-counter', 'exact', { vcpus: 2 }, 0],
  ['smp-counter', 'before-b7e0d8978810', { vcpus: 2 }, 1],
] as const)('%s, %s, %j, %i preemptions', (guest, revision, extras, preemptions) => {
  same({ ...scenario(guest, revision, 1, 1), ...extras }, preemptions);
});

it('leaves out most of the orders', () => {
  const [all, some] = same(scenario('counter', 'exact', 2, 1), 2);
  expect(some.schedules * 4).toBeLessThan(all.schedules);
  expect(some.decisions).toBeLessThan(all.decisions);
});
