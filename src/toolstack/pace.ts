// SPDX-License-Identifier: GPL-2.0-only
// Real time for a PC: its own time, which follows from instructions, does not run ahead of the host's clock.
import type { PcClock } from '../machine/pc/clock.ts';
import type { Watch } from './limits.ts';

/** Less than this is not worth waiting for. */
const SHORTEST_MS = 2;
/** A host that was busy for longer is not caught up with. */
const MOST_BEHIND_MS = 200;

export class Pace {
  readonly #guest: PcClock;
  readonly #watch: Watch;
  /** Host time at which the guest's time was 0, ms. */
  #startMs: number;

  constructor(guest: PcClock, watch: Watch) {
    this.#guest = guest;
    this.#watch = watch;
    this.#startMs = watch.clock.nowMs() - guest.nowNs() / 1e6;
  }

  /** Waits until the host's clock has come as far as the guest's. */
  async keep(): Promise<void> {
    const hostMs = this.#watch.clock.nowMs() - this.#startMs;
    const ahead = this.#guest.nowNs() / 1e6 - hostMs;
    if (ahead < -MOST_BEHIND_MS) this.#startMs -= ahead + MOST_BEHIND_MS;
    if (ahead < SHORTEST_MS) return;
    await new Promise<void>((resolve) => this.#watch.idle(ahead, resolve));
  }
}
