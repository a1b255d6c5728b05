// SPDX-License-Identifier: GPL-2.0-only
// A tick on interrupt line 0 every so many instructions: time that is the same in every run.
import type { InterruptSource } from './interrupts.ts';
import type { TimeSource } from './time-source.ts';

/** Counts in instructions of the CPU; a halted CPU skips to the next tick. */
export class VirtualTimer implements TimeSource {
  /** Instructions from tick to tick; 0: never. */
  readonly every: number;
  /** Instruction count of the next tick. */
  next: number;
  readonly isMoved = false;
  readonly #interrupts: InterruptSource;

  /** @param every - a whole number of instructions, 0 for no timer */
  constructor(every: number, interrupts: InterruptSource) {
    this.#interrupts = interrupts;
    this.every = every;
    this.next = every > 0 ? every : Number.MAX_SAFE_INTEGER;
  }

  reached(icount: number): void {
    if (icount < this.next) return;
    this.next += this.every;
    this.#interrupts.pulse(0);
  }
  save(): number {
    return this.next;
  }
  restore(state: number): void {
    this.next = state;
  }
}
