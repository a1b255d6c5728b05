// SPDX-License-Identifier: GPL-2.0-only
// --duration of a single run: asks whatever runs for a clean stop when the time is over.
import type { Clock } from '../util/clock.ts';
import type { RunHooks } from './command.ts';

/** Hooks that stop a run by themselves. */
export interface TimedHooks extends RunHooks {
  /** Whether it was the time that ended the run, and nobody else. */
  readonly timeIsOver: boolean;
}

/** `hooks`, and a stop after `durationMs` from now. */
export function timedHooks(hooks: RunHooks, clock: Clock, durationMs: number): TimedHooks {
  const time = new AbortController();
  const endMs = clock.nowMs() + durationMs;
  return {
    signal: AbortSignal.any([hooks.signal, time.signal]),
    tick(done) {
      if (clock.nowMs() >= endMs) time.abort();
      // There is no number of checkpoints to be reached.
      return hooks.tick(done, null);
    },
    get timeIsOver() {
      return time.signal.aborted && !hooks.signal.aborted;
    },
  };
}
