// SPDX-License-Identifier: GPL-2.0-only
// Virtual time of a PC: instructions times a constant. Devices say when they next act; a halted CPU skips to there.
import type { Timed } from '../../dm/devices/board.ts';
import type { TimeSource } from '../time-source.ts';
import { NS_PER_INSTRUCTION } from './config.ts';

export class PcClock implements TimeSource {
  readonly #icount: () => number;
  readonly #timed: readonly Timed[];
  #reached = 0;
  readonly isMoved = true;

  /** @param timed - asked for their next event before each entry into the guest */
  constructor(icount: () => number, timed: readonly Timed[]) {
    this.#icount = icount;
    this.#timed = timed;
  }

  /** ns since power-on. While the CPU has not yet counted the time a HLT skipped, that time counts. */
  nowNs(): number {
    return Math.max(this.#icount(), this.#reached) * NS_PER_INSTRUCTION;
  }

  get next(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const device of this.#timed) {
      const at = device.nextEventNs();
      if (at < next) next = at;
    }
    return next === Number.POSITIVE_INFINITY
      ? Number.MAX_SAFE_INTEGER
      : Math.ceil(next / NS_PER_INSTRUCTION);
  }

  reached(icount: number): void {
    this.#reached = icount;
    const now = icount * NS_PER_INSTRUCTION;
    for (const device of this.#timed) if (device.nextEventNs() <= now) device.advance(now);
  }

  save(): number {
    return this.#reached;
  }
  restore(state: number): void {
    this.#reached = state;
  }
}
