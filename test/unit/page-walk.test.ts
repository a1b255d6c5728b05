// SPDX-License-Identifier: GPL-2.0-only
// Page tables of every shape, and who may write through them.
import { expect, test } from 'vitest';
import { markAccess, mayWrite, type PagingState } from '../../src/cpu/page-walk.ts';

const PG_WP = 0x80010001;
const state = (more: Partial<PagingState>): PagingState => ({
  cr0: PG_WP,
  cr3: 0x1000,
  cr4: 0,
  user: false,
  ...more,
});
const memory = (words: Record<number, number>) => (gpa: number) => words[gpa] ?? 0;
/** Linear 00403000 under two levels. */
const two = (directory: number, entry: number) =>
  memory({ 4100: 0x2000 | directory, 8204: 0x5000 | entry });
/** Linear 40201000 under three. */
const three = (directory: number, entry: number) =>
  memory({ 4104: 0x2001, 8200: 0x3000 | directory, 12296: 0x5000 | entry });

test.each([
  [{}, 3, 3, true],
  [{}, 3, 1, false],
  [{}, 1, 3, false],
  [{ cr0: 0x80000001 }, 1, 1, true],
  [{ cr0: 1 }, 1, 1, true],
  [{ cr0: 0x80000001, user: true }, 7, 5, false],
  [{ user: true }, 7, 7, true],
  [{ user: true }, 7, 3, false],
  [{ cr4: 0x10 }, 0x83, 0, true],
  [{ cr4: 0x10 }, 0x81, 0, false],
  [{ cr4: 0 }, 0x83, 1, false],
] as const)('two levels: %j, directory %i, entry %i', (more, directory, entry, allowed) => {
  expect(mayWrite(state(more), 0x403000, two(directory, entry))).toBe(allowed);
});

test.each([
  [{}, 3, 3, true],
  [{}, 3, 1, false],
  [{}, 0x83, 0, true],
  [{}, 0x81, 0, false],
  [{ user: true }, 7, 3, false],
] as const)('three levels: %j, directory %i, entry %i', (more, directory, entry, allowed) => {
  expect(mayWrite(state({ cr4: 0x20, ...more }), 0x40201000, three(directory, entry))).toBe(
    allowed,
  );
});

test.each([
  ['two levels', {}, { 4100: 0x2003, 8204: 0x5003 }, 0x403000, { 4100: 0x20, 8204: 0x60 }],
  ['a large page', { cr4: 0x10 }, { 4100: 0x400083 }, 0x403000, { 4100: 0x60 }],
  [
    'three levels',
    { cr4: 0x20 },
    { 4104: 0x2001, 8200: 0x3003, 12296: 0x5003 },
    0x40201000,
    { 8200: 0x20, 12296: 0x60 },
  ],
  ['no paging', { cr0: 1 }, {}, 0x403000, {}],
] as const)(
  'a write leaves accessed and dirty in %s, a read no dirty',
  (_, more, words, at, left) => {
    for (const write of [true, false]) {
      const marked: Record<number, number> = {};
      const mark = (gpa: number, bits: number): void => {
        marked[gpa] = bits;
      };
      markAccess(state(more), at, write, { read: memory(words), mark });
      const wanted = Object.entries(left).map(([gpa, bits]) => [gpa, write ? bits : bits & ~0x40]);
      expect(marked).toEqual(Object.fromEntries(wanted));
    }
  },
);
