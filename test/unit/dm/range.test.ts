// SPDX-License-Identifier: GPL-2.0-only
// Ranges as text and back, and what is refused.
import { describe, expect, test } from 'vitest';
import {
  formatIoRange,
  type IoRange,
  parseIoRange,
  rangeLength,
  rangesOverlap,
} from '../../../src/dm/index.ts';

const one = (): number => 1;

describe('parseIoRange()', () => {
  test.each([
    ['0x200-0x207', { space: 'pio', start: 0x200, end: 0x207 }],
    ['0xffff', { space: 'pio', start: 0xffff, end: 0xffff }],
    ['mmio:0xd0000-0xd0fff', { space: 'mmio', start: 0xd0000, end: 0xd0fff }],
  ] as [string, IoRange][])('reads %s, and formatIoRange() gives it back', (text, range) => {
    expect(parseIoRange(text, one)).toEqual(range);
    expect(formatIoRange(range)).toBe(text);
  });

  test('a start alone covers the length that is usual in its space', () => {
    const usual = (space: string): number => (space === 'pio' ? 8 : 4096);
    expect(rangeLength(parseIoRange('0x300', usual))).toBe(8);
    expect(rangeLength(parseIoRange('mmio:0xe0000', usual))).toBe(4096);
  });

  test.each([
    ['0x10000', /past 0xffff, the last port/],
    ['0xfffe-0x10001', /0xfffe-0x10001 ends past 0xffff/],
    ['mmio:0xffffffffff000-0x10000000000000', /past 0xfffffffffffff/],
    ['0x207-0x200', /ends below its start/],
    ['', /is not a range/],
    ['0x200-', /is not a range/],
    ['counter', /is not a range/],
    ['0x1-0x2-0x3', /is not a range/],
  ])('refuses %j', (text, message) => {
    expect(() => parseIoRange(text, one)).toThrowError(
      expect.objectContaining({ code: 'HVM_RANGE', message: expect.stringMatching(message) }),
    );
  });
});

test('ranges overlap when they share an address of the same space', () => {
  const range = (space: 'pio' | 'mmio', start: number, end: number): IoRange => ({
    space,
    start,
    end,
  });
  expect(rangesOverlap(range('pio', 0, 7), range('pio', 7, 9))).toBe(true);
  expect(rangesOverlap(range('pio', 7, 9), range('pio', 0, 7))).toBe(true);
  expect(rangesOverlap(range('pio', 0, 6), range('pio', 7, 9))).toBe(false);
  expect(rangesOverlap(range('pio', 0, 7), range('mmio', 0, 7))).toBe(false);
});
