// SPDX-License-Identifier: GPL-2.0-only
// Nobody watches and nobody interrupts.
import type { Watch } from '../../src/toolstack/limits.ts';
import { ManualClock } from '../../src/util/clock.ts';

export const watch: Watch = {
  signal: new AbortController().signal,
  tick: () => undefined,
  clock: new ManualClock(),
  idle: (_, then) => then(),
};
