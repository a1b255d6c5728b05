// SPDX-License-Identifier: GPL-2.0-only
// The short way of IN and OUT and the ordinary one leave the same behind and show the same on the way: random guests,
// checkpoints, and device models that do what they should not, with everything compared at every access and every stop.
import { describe, expect, test } from 'vitest';
import { runSide } from './pair.ts';

const SEEDS = Number(process.env.TRAPLINE_STRAIGHT_SEEDS ?? 20);

describe.each([
  ['with books', true],
  ['without books', false],
] as const)('%s', (_, books) => {
  test(`${SEEDS} random machines: the short way cannot be told from the ordinary one`, () => {
    let taken = 0;
    let strings = 0;
    let again = 0;
    let seen = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const short = runSide(seed, true, books);
      const ordinary = runSide(seed, false, books);
      expect(ordinary.taken).toBe(0);
      const at = short.seen.findIndex((line, i) => line !== ordinary.seen[i]);
      expect(at < 0 ? null : short.seen[at], `seed ${seed}, line ${at}`).toBe(
        at < 0 ? null : ordinary.seen[at],
      );
      expect(short.seen.length).toBe(ordinary.seen.length);
      taken += short.taken;
      strings += short.strings;
      again += short.again;
      seen += short.seen.length;
    }
    // It is the short way that was looked at.
    expect(taken).toBeGreaterThan(SEEDS * 15);
    // Books want to hear of each element.
    if (books) expect(strings).toBe(0);
    else expect(strings).toBeGreaterThan(SEEDS);
    if (books) expect(again).toBe(0);
    else expect(again).toBeGreaterThan(SEEDS * 10);
    expect(seen).toBeGreaterThan(SEEDS * 100);
  }, 120_000);
});
