// SPDX-License-Identifier: GPL-2.0-only
// Seeded random numbers: the same seed gives the same run on every machine.

/** A small generator (splitmix32). Not for secrets. */
export class Random {
  #state: number;

  /** @param seed - any safe integer */
  constructor(seed: number) {
    this.#state = (seed ^ Math.floor(seed / 4294967296)) >>> 0;
  }

  /** 32 random bits, unsigned. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** An integer from 0 to `n` - 1. @param n - 1 to 2^32 */
  below(n: number): number {
    return Math.floor((this.next() / 4294967296) * n);
  }

  /** One element. @param all - not empty */
  pick<T>(all: readonly T[]): T {
    return all[this.below(all.length)] as T;
  }
}
