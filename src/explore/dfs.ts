// SPDX-License-Identifier: GPL-2.0-only
// Exhaustive search, depth first: every order within the bound on preemptions, states met before not again.
import { CUT, type Decision, type RunSoFar } from './decision.ts';
import { ACTORS } from './scenario.ts';

/** One decision on the way to where the search stands. */
export interface DfsNode {
  /** Actors still to be tried, the one being tried first. */
  left: number[];
}

/**
 * A state is met again. Who ran last decides only whether the next switch counts as a preemption, so whatever can follow
 * with `budget` preemptions left when `current` ran last can follow with one more left whoever ran last. What is kept: the
 * most preemptions that were left, and which actors had run last then; a visit with fewer left shows nothing new.
 * @param visits - 0: none yet
 * @returns the same if this visit can show nothing new
 */
export function withVisit(visits: number, current: number, budget: number): number {
  const best = Math.floor(visits / BUDGET_UNIT) - 1;
  const actors = visits % BUDGET_UNIT;
  if (budget < best) return visits;
  const bit = 2 ** current;
  if (budget > best) return (budget + 1) * BUDGET_UNIT + bit;
  if (Math.floor(actors / bit) % 2 === 1) return visits;
  return visits + bit;
}
/** Actors are bits below it. */
const BUDGET_UNIT: number = 2 ** ACTORS;

/** The search's position: `Arena.run(dfs.choose, dfs.shared)`, then `next()`, until that is false. */
export class Dfs {
  /** Complete runs. */
  schedules = 0;
  /** Runs cut short in a state met before. */
  pruned = 0;
  /** Path to the run under way. */
  readonly stack: DfsNode[] = [];
  /** By state key: the visits that decide, see `withVisit`. */
  readonly visited: Map<number, number>;
  readonly #preemptions: number;
  readonly #prune: boolean;

  /** @param prune - false: states are told apart by their histories, and every order is run */
  constructor(preemptions: number, prune = true, visited: Map<number, number> = new Map()) {
    this.#preemptions = preemptions;
    this.#prune = prune;
    this.visited = visited;
  }

  get states(): number {
    return this.visited.size;
  }

  /** Decisions at the beginning of the path under way that are those of the run before. */
  get shared(): number {
    return Math.max(0, this.stack.length - 1);
  }

  /** For `Arena.run()`. */
  readonly choose = (decision: Decision, run: RunSoFar): number => {
    const node = this.stack[decision.n];
    if (node !== undefined) return node.left[0] as number;
    // What comes after a violation is not searched: it is known to be wrong.
    if (run.findings.length > 0) return decision.options[0] as number;
    const budget = this.#preemptions - decision.preemptions;
    if (this.#prune) {
      const key = run.stateKey();
      const before = this.visited.get(key) ?? 0;
      const after = withVisit(before, decision.current, budget);
      if (after === before) throw CUT;
      this.visited.set(key, after);
    }
    const all = !decision.preempting || budget > 0;
    const left = all ? decision.options.slice(0, decision.count) : [decision.options[0] as number];
    this.stack.push({ left });
    return left[0] as number;
  };

  /** Goes to the next path, after a run. @returns false when the search is complete */
  next(): boolean {
    const { stack } = this;
    for (;;) {
      const node = stack[stack.length - 1];
      if (node === undefined) return false;
      node.left.shift();
      if (node.left.length > 0) return true;
      stack.pop();
    }
  }

  /** How much is done, 0 to 1: each decision's share is split evenly among its choices. A guess. */
  get progress(): number {
    let share = 1;
    let done = 0;
    for (const { left } of this.stack) {
      // Choices already tried are gone from the list; most decisions have two.
      const all = Math.max(left.length, 2);
      done += (share * (all - left.length)) / all;
      share /= all;
    }
    return Math.min(1, done);
  }
}
