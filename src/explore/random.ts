// SPDX-License-Identifier: GPL-2.0-only
// Orders drawn at random: a walk with few preemptions, and PCT: priorities that change at few places.
// PCT: Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010.
import { Random } from '../util/random.ts';
import type { Chooser, Decision, RunSoFar } from './decision.ts';

/** Draws one schedule after another; everything follows from the seed. */
export interface Sampler {
  /** The chooser of the next run. */
  next(): Chooser;
  /** The run made so many decisions. */
  ran(decisions: number): void;
}

/** Preempts with a probability that makes about `preemptions` of them fall into a run, and never more. */
export class RandomWalk implements Sampler {
  readonly #random: Random;
  readonly #preemptions: number;
  #expected = 1;

  constructor(seed: number, preemptions: number) {
    this.#random = new Random(seed);
    this.#preemptions = preemptions;
  }
  next(): Chooser {
    return this.#choose;
  }
  readonly #choose = (decision: Decision, run: RunSoFar): number => {
    const { options, count, preempting, preemptions } = decision;
    const standard = options[0] as number;
    if (run.findings.length > 0) return standard;
    if (!preempting) return options[this.#random.below(count)] as number;
    if (preemptions >= this.#preemptions) return standard;
    if (this.#random.below(this.#expected) >= this.#preemptions) return standard;
    return options[1 + this.#random.below(count - 1)] as number;
  };
  ran(decisions: number): void {
    this.#expected = Math.max(this.#expected, decisions, 1);
  }
}

/** The runnable actor with the highest priority goes on; at `depth` - 1 drawn decisions the one running falls behind. */
export class Pct implements Sampler {
  readonly #random: Random;
  readonly #depth: number;
  readonly #actors: number;
  #decisions = 1;
  #priority: number[] = [];
  #changes = new Map<number, number>();

  constructor(seed: number, depth: number, actors: number) {
    this.#random = new Random(seed);
    this.#depth = depth;
    this.#actors = actors;
  }
  next(): Chooser {
    const random = this.#random;
    const order = Array.from({ length: this.#actors }, (_, i) => this.#depth + i);
    for (let i = order.length - 1; i > 0; i--) {
      const k = random.below(i + 1);
      [order[i], order[k]] = [order[k] as number, order[i] as number];
    }
    this.#priority = order;
    this.#changes = new Map();
    for (let i = 1; i < this.#depth; i++) this.#changes.set(random.below(this.#decisions), i);
    return this.#choose;
  }
  readonly #choose = (decision: Decision, run: RunSoFar): number => {
    const { options, count, current, n } = decision;
    if (run.findings.length > 0) return options[0] as number;
    const low = this.#changes.get(n);
    if (low !== undefined) this.#priority[current] = low;
    let best = options[0] as number;
    for (let i = 1; i < count; i++) {
      const actor = options[i] as number;
      if ((this.#priority[actor] ?? 0) > (this.#priority[best] ?? 0)) best = actor;
    }
    return best;
  };
  ran(decisions: number): void {
    this.#decisions = Math.max(this.#decisions, decisions, 1);
  }
}
