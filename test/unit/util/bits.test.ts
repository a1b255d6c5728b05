// SPDX-License-Identifier: GPL-2.0-only
// Unsigned arithmetic helpers.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  alignDown,
  alignUp,
  isAligned,
  isPowerOfTwo,
  signExtend,
  sizeMask,
  truncate,
  u8,
  u16,
  u32,
} from '../../../src/util/bits.ts';

describe('widths', () => {
  it('cut to 8, 16 and 32 bits, never negative', () => {
    expect([u8(0x1ff), u16(0x1ffff), u32(-1), u32(2 ** 32 + 5)]).toEqual([
      0xff, 0xffff, 0xffffffff, 5,
    ]);
  });

  it('have a mask per access size', () => {
    expect([1, 2, 4, 8].map(sizeMask)).toEqual([0xff, 0xffff, 0xffffffff, 0xffffffff]);
  });

  it('truncate() agrees with modulo arithmetic', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.constantFrom(1, 2, 4), (value, size) => {
        expect(truncate(value, size)).toBe(value % 2 ** (8 * size));
      }),
    );
  });

  it('signExtend() undoes truncate() for every number that fits', () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(1, 2, 4), (value, size) => {
        const half = 2 ** (8 * size - 1);
        fc.pre(value >= -half && value < half);
        expect(signExtend(truncate(value, size), size)).toBe(value);
      }),
    );
  });
});

describe('alignment', () => {
  it('encloses the value, also beyond 32 bits', () => {
    const alignment = fc.integer({ min: 0, max: 16 }).map((shift) => 2 ** shift);
    fc.assert(
      fc.property(fc.nat(2 ** 48), alignment, (value, to) => {
        const low = alignDown(value, to);
        const high = alignUp(value, to);
        expect(low <= value && value <= high && value - low < to && high - value < to).toBe(true);
        expect(isAligned(low, to) && isAligned(high, to)).toBe(true);
        expect(isAligned(value, to)).toBe(low === high);
      }),
    );
  });

  it('isPowerOfTwo() knows powers from their neighbours', () => {
    for (let bit = 2; bit < 53; bit++) {
      expect([2 ** bit - 1, 2 ** bit, 2 ** bit + 1].map(isPowerOfTwo)).toEqual([
        false,
        true,
        false,
      ]);
    }
    expect([0, 1, 2, 3].map(isPowerOfTwo)).toEqual([false, true, true, false]);
  });
});
