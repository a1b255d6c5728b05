// SPDX-License-Identifier: GPL-2.0-only
// How long requests are on their way: from the signal to the device model until its answer is taken in.
import type { RoundTrips } from '../../machine/threads/remote-servers.ts';
import type { Clock } from '../../util/clock.ts';

/** Buckets: number b counts times of at least 2^b ns and less than 2^(b+1) ns. */
export const ROUND_TRIP_BUCKETS = 40;
/** One request of so many is timed: a look at the clock costs as much as the port's work. */
const EVERY = 8;
const NS_PER_MS = 1e6;

export class RoundTripTimes implements RoundTrips {
  /** By bucket. */
  readonly counts: number[] = new Array<number>(ROUND_TRIP_BUCKETS).fill(0);
  readonly #clock: Clock;
  #turn = 0;
  #sentMs = -1;

  constructor(clock: Clock) {
    this.#clock = clock;
  }
  sent(): void {
    this.#turn = (this.#turn + 1) % EVERY;
    this.#sentMs = this.#turn === 0 ? this.#clock.nowMs() : -1;
  }
  answered(): void {
    if (this.#sentMs < 0) return;
    const ns = Math.max(1, (this.#clock.nowMs() - this.#sentMs) * NS_PER_MS);
    this.#sentMs = -1;
    const bucket = Math.min(ROUND_TRIP_BUCKETS - 1, Math.floor(Math.log2(ns)));
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
  }
}
