// SPDX-License-Identifier: GPL-2.0-only
// Locks of the port. On one thread they are free: nothing they protect has a preemption point inside.

/** A lock that is not taken twice by the same thread. */
export interface spinlock {
  lock(): void;
  unlock(): void;
}

/** Where only one thread can be. */
export const NO_LOCK: spinlock = { lock: () => {}, unlock: () => {} };

/** Tries before a waiter goes to sleep: its holder may have lost its CPU. */
const SPINS = 1000;
const FREE = 0;
const HELD = 1;
/** Held, and somebody may sleep. */
const CONTENDED = 2;

/** A lock in a word that several threads see. */
export class word_lock implements spinlock {
  readonly #words: Int32Array;
  readonly #index: number;

  /** @param words - shared; @param index - the lock's word, 0 when free */
  constructor(words: Int32Array, index: number) {
    this.#words = words;
    this.#index = index;
  }
  lock(): void {
    const w = this.#words;
    const i = this.#index;
    for (let n = 0; n < SPINS; n++) {
      if (Atomics.compareExchange(w, i, FREE, HELD) === FREE) return;
    }
    while (Atomics.exchange(w, i, CONTENDED) !== FREE) Atomics.wait(w, i, CONTENDED);
  }
  unlock(): void {
    if (Atomics.exchange(this.#words, this.#index, FREE) === CONTENDED) {
      Atomics.notify(this.#words, this.#index, 1);
    }
  }
}
