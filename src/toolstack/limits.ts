// SPDX-License-Identifier: GPL-2.0-only
// When a run has to end although the guest would go on.

import type { Clock } from '../util/clock.ts';
import { HvmError } from '../util/errors.ts';

/** What a run is given to be watched and stopped by, besides its clock. */
export interface Watch {
  readonly signal: AbortSignal;
  /** @returns a promise to await before going on, or undefined */
  tick(done: number, total: number | null): Promise<void> | undefined;
  readonly clock: Clock;
  /** Calls `then` after `ms`: the only waiting there is. */
  idle(ms: number, then: () => void): void;
}

/** Instruction and time bounds of one run. */
export class Limits {
  readonly maxInstructions: number;
  readonly #endMs: number;
  readonly #watch: Watch;
  readonly #timeoutMs: number | null;

  /** @param maxInstructions - null: none */
  constructor(watch: Watch, maxInstructions: number | null, timeoutMs: number | null) {
    if (maxInstructions !== null && !(maxInstructions > 0)) {
      throw new HvmError('HVM_USAGE', `${maxInstructions} instructions: expected at least 1`);
    }
    this.maxInstructions = maxInstructions ?? Number.MAX_SAFE_INTEGER;
    this.#watch = watch;
    this.#timeoutMs = timeoutMs;
    this.#endMs = timeoutMs === null ? Number.POSITIVE_INFINITY : watch.clock.nowMs() + timeoutMs;
  }

  /** Which limit is reached, in words; null: none. */
  reached(icount: number): string | null {
    if (icount >= this.maxInstructions) return `${this.maxInstructions} instructions`;
    if (this.#watch.clock.nowMs() >= this.#endMs) return `${this.#timeoutMs} ms`;
    return null;
  }
  get interrupted(): boolean {
    return this.#watch.signal.aborted;
  }
}
