// SPDX-License-Identifier: GPL-2.0-only
// Time as a dependency: the host's clock for the program, a hand-turned one for tests.
import { performance } from 'node:perf_hooks';

/** A clock that never runs backwards. Its zero is arbitrary: only differences mean something. */
export interface Clock {
  /** Milliseconds, with a fraction. */
  nowMs(): number;
}

/** The host's monotonic clock. */
export const hostClock: Clock = { nowMs: () => performance.now() };

/** Time this process has spent computing, all its threads: for measuring on a machine that others use, too. */
export const processClock: Clock = {
  nowMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

/** A clock that stands still until it is advanced. */
export class ManualClock implements Clock {
  #nowMs: number;

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** @param ms - not negative */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`a clock cannot run backwards (${ms} ms)`);
    this.#nowMs += ms;
  }
}
