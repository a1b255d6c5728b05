// SPDX-License-Identifier: GPL-2.0-only
// A tick on interrupt line 0 every so many instructions: time that is the same in every run.

/** Counts in instructions of the CPU; a halted CPU skips to the next tick. */
export class VirtualTimer {
  /** Instructions from tick to tick; 0: never. */
  readonly every: number;
  /** Instruction count of the next tick. */
  next: number;

  /** @param every - a whole number of instructions, 0 for no timer */
  constructor(every: number) {
    this.every = every;
    this.next = every > 0 ? every : Number.MAX_SAFE_INTEGER;
  }

  /** @returns whether a tick was due at `icount`; the next one is set then */
  due(icount: number): boolean {
    if (icount < this.next) return false;
    this.next += this.every;
    return true;
  }
}
