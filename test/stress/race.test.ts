// SPDX-License-Identifier: GPL-2.0-only
// The story in one command: the same guest and seed on both sides of the fix, told around the same checkpoint.
import { describe, expect, it } from 'vitest';
import type { Watch } from '../../src/toolstack/limits.ts';
import { race } from '../../src/toolstack/race.ts';
import { ManualClock } from '../../src/util/clock.ts';

const watch: Watch = {
  signal: new AbortController().signal,
  tick: () => undefined,
  clock: new ManualClock(),
  idle: (_ms, then) => then(),
};

describe('race', () => {
  it.each([1, 26, 112])('seed %i: lost without the fix, kept with it', async (seed) => {
    const { without, with: fixed } = await race({ seed, checkpoints: 400 }, watch);
    expect(without).toMatchObject({ outcome: 'failure', duplicated: 1 });
    expect(without.lost).toBeGreaterThan(0);
    expect(fixed).toMatchObject({ outcome: 'success', lost: 0, duplicated: 0, checkpoints: 400 });
    // The guest's own values tell the same: one is missing, and only on one side.
    expect(without.got).toBe((without.expected ?? 0) + without.lost);
    expect(fixed.values).toEqual(fixed.values.map((_, i) => (fixed.values[0] ?? 0) + i));
  });

  it('tells both stories around the same shutdown', async () => {
    const { without, with: fixed } = await race({ seed: 112, checkpoints: 400 }, watch);
    const landed = (events: typeof without.events): string | undefined =>
      events.find(({ event }) => event.startsWith('domain_shutdown(SUSPEND) lands'))?.event;
    expect(landed(without.events)).toBeDefined();
    expect(landed(fixed.events)).toBe(landed(without.events));
    const answers = (events: typeof without.events): number =>
      events.filter(({ event }) => event.startsWith('answers ')).length;
    expect(answers(without.events)).toBe(2);
    expect(answers(fixed.events)).toBe(1);
    expect(without.events.at(-1)?.event).toContain('retires');
    expect(fixed.events.at(-1)?.event).toContain('retires');
  });
});
