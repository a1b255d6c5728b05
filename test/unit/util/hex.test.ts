// SPDX-License-Identifier: GPL-2.0-only
// Printing and parsing of numbers, ranges and durations.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  hex,
  hex64,
  hexBytes,
  hexRange,
  parseDuration,
  parseNumber,
  parseRange,
} from '../../../src/util/hex.ts';

describe('printing', () => {
  it('pads, and joins ranges and halves', () => {
    expect(hex(0)).toBe('0x0');
    expect(hex(0x3f8, 4)).toBe('0x03f8');
    expect(hexRange({ first: 0x200, last: 0x207 })).toBe('0x200-0x207');
    expect(hexRange({ first: 0xf4, last: 0xf4 })).toBe('0xf4');
    expect(hex64(1, 0)).toBe('0x1');
    expect(hex64(1, 0x80000000)).toBe('0x8000000000000001');
    expect(hexBytes(Uint8Array.of(0xec, 0x0a))).toBe('ec 0a');
  });
});

describe('parseNumber()', () => {
  it.each([
    ['0', 0],
    ['123', 123],
    ['0x7F', 127],
    ['64K', 65536],
    ['64k', 65536],
    ['1M', 1048576],
    ['2G', 2147483648],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('reads %s', (text, value) => {
    expect(parseNumber(text)).toBe(value);
  });

  it.each(['', ' ', '-1', '+1', '1.5', '0x', '0xg', '1e3', '1KB', '0x1K', 'K', ' 1', '1 ', '१'])(
    'refuses %j',
    (text) => {
      expect(parseNumber(text)).toBeNull();
    },
  );

  it('refuses what a number cannot hold exactly', () => {
    expect(parseNumber('9007199254740992')).toBeNull();
    expect(parseNumber('99999999999G')).toBeNull();
  });

  it('reads back every printed number', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(parseNumber(hex(value))).toBe(value);
        expect(parseNumber(String(value))).toBe(value);
      }),
    );
  });
});

describe('parseRange()', () => {
  it('takes one number or both ends', () => {
    expect(parseRange('0xf4')).toEqual({ first: 0xf4, last: 0xf4 });
    expect(parseRange('0x200-0x207')).toEqual({ first: 0x200, last: 0x207 });
  });

  it.each(['', '-', '1-', '-1', '1-2-3', 'a-b', '0x207-0x200'])('refuses %j', (text) => {
    expect(() => parseRange(text)).toThrow(expect.objectContaining({ code: 'HVM_RANGE' }));
  });
});

describe('parseDuration()', () => {
  it.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['0s', 0],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '10', 's', '-1s', '1 s', '1d', '1.s', '.5s'])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeNull();
  });
});
