// SPDX-License-Identifier: GPL-2.0-only
// The clocks.
import { expect, it } from 'vitest';
import { hostClock, ManualClock, processClock } from '../../../src/util/clock.ts';

it('hostClock never runs backwards', () => {
  let last = hostClock.nowMs();
  for (let i = 0; i < 1000; i++) {
    const now = hostClock.nowMs();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
  }
});

it('processClock moves by computing', () => {
  const start = processClock.nowMs();
  let rounds = 0;
  while (processClock.nowMs() - start < 1 && rounds < 1e7) rounds++;
  expect(rounds).toBeLessThan(1e7);
});

it('ManualClock moves only when told, and only forwards', () => {
  const clock = new ManualClock(5);
  expect(clock.nowMs()).toBe(5);
  clock.advance(2.5);
  expect(clock.nowMs()).toBe(7.5);
  expect(() => clock.advance(-1)).toThrow(RangeError);
  expect(() => clock.advance(Number.NaN)).toThrow(RangeError);
  expect(clock.nowMs()).toBe(7.5);
});
