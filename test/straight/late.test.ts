// SPDX-License-Identifier: GPL-2.0-only
// Accesses that stay in the guest and the same ones leaving it: no guest, no device and no ledger can tell.
import { describe, expect, test } from 'vitest';
import { runLate } from './late.ts';

const SEEDS = Number(process.env.TRAPLINE_STRAIGHT_SEEDS ?? 20);

describe.each([
  ['with books', true],
  ['without books', false],
] as const)('%s', (_, books) => {
  test(`${SEEDS} random machines: a posted write or a published register cannot be told`, () => {
    let taken = 0;
    let seen = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const late = runLate(seed, true, books);
      const leaving = runLate(seed, false, books);
      expect(leaving.taken).toBe(0);
      for (const what of ['seen', 'heard'] as const) {
        const at = late[what].findIndex((line, i) => line !== leaving[what][i]);
        expect(at < 0 ? null : late[what][at], `seed ${seed}, ${what}, line ${at}`).toBe(
          at < 0 ? null : leaving[what][at],
        );
        expect(late[what].length).toBe(leaving[what].length);
      }
      expect(late.output).toBe(leaving.output);
      taken += late.taken;
      seen += late.seen.length;
    }
    // It is these accesses that were looked at.
    expect(taken).toBeGreaterThan(SEEDS * 15);
    expect(seen).toBeGreaterThan(SEEDS * 100);
  }, 120_000);
});
