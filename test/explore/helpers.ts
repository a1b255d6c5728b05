// SPDX-License-Identifier: GPL-2.0-only
// What the explorer's tests share: scenarios in one line, searches without a clock.

import { Dfs } from '../../src/explore/dfs.ts';
import type { ExploreOptions } from '../../src/explore/explorer.ts';
import { makeArena } from '../../src/explore/make-arena.ts';
import type { Scenario } from '../../src/explore/scenario.ts';
import type { Watch } from '../../src/toolstack/limits.ts';
import type { RevisionName } from '../../src/xen/hvm/revision.ts';

export function scenario(
  guest: string,
  revision: RevisionName,
  ios: number,
  checkpoints: number,
): Scenario {
  return { guest, load: {}, devices: [], revision, cpu: 'real', ios, checkpoints };
}

export interface Searched {
  schedules: number;
  pruned: number;
  states: number;
  /** Sets of broken invariants, each once. */
  broken: string[];
}

/** Everything within the bound. */
export function searchAll(of: Scenario, preemptions: number, prune = true): Searched {
  using arena = makeArena(of);
  arena.hashing = prune;
  const dfs = new Dfs(preemptions, prune);
  const broken = new Set<string>();
  let schedules = 0;
  let pruned = 0;
  do {
    if (arena.run(dfs.choose, dfs.shared).end === 'cut') pruned++;
    else {
      schedules++;
      const names = arena.findings.map((f) => f.invariant).sort();
      if (names.length > 0) broken.add(names.join());
    }
  } while (dfs.next());
  return { schedules, pruned, states: dfs.states, broken: [...broken].sort() };
}

/** Nobody looks on, and time stands still. */
export const WATCH: Watch = {
  signal: new AbortController().signal,
  tick: () => undefined,
  clock: { nowMs: () => 0 },
  idle: () => {},
};

export function options(of: Scenario, more: Partial<ExploreOptions> = {}): ExploreOptions {
  return {
    scenario: of,
    strategy: 'dfs',
    bounds: { preemptions: 3, schedules: null, timeMs: null },
    seed: 1,
    depth: 3,
    prune: true,
    keepGoing: false,
    determinism: false,
    from: null,
    ...more,
  };
}
