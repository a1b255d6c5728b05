// SPDX-License-Identifier: GPL-2.0-only
// Ranges against a model that is a plain set of numbers.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rangeset } from '../../../src/xen/common/rangeset.ts';
import { ENOMEM } from '../../../src/xen/public/errno.ts';

const TOP = 40;
const pair = fc
  .tuple(fc.integer({ min: 0, max: TOP }), fc.integer({ min: 0, max: TOP }))
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

describe('rangeset', () => {
  it('holds what was added and not removed, in disjoint ranges that do not touch', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), pair), { maxLength: 30 }), (steps) => {
        const set = new rangeset(1000);
        const model = new Set<number>();
        for (const [add, [s, e]] of steps) {
          expect(add ? set.add_range(s, e) : set.remove_range(s, e)).toBe(0);
          for (let n = s; n <= e; n++) add ? model.add(n) : model.delete(n);
        }
        for (let n = 0; n <= TOP; n++) expect(set.contains_singleton(n)).toBe(model.has(n));
        const ranges = set.ranges();
        expect(set.size).toBe(ranges.length);
        ranges.forEach(([s, e], i) => {
          expect(s).toBeLessThanOrEqual(e);
          const next = ranges[i + 1];
          if (next !== undefined) expect(next[0]).toBeGreaterThan(e + 1);
        });
      }),
    );
  });

  it('answers contains and overlaps like the model', () => {
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 8 }), pair, (added, [s, e]) => {
        const set = new rangeset(1000);
        const model = new Set<number>();
        for (const [first, last] of added) {
          set.add_range(first, last);
          for (let n = first; n <= last; n++) model.add(n);
        }
        const asked = Array.from({ length: e - s + 1 }, (_, i) => s + i);
        expect(set.contains_range(s, e)).toBe(asked.every((n) => model.has(n)));
        expect(set.overlaps_range(s, e)).toBe(asked.some((n) => model.has(n)));
      }),
    );
  });

  it('is full at its limit: no new range, no split, but growth and merging', () => {
    const set = new rangeset(2);
    expect(set.add_range(0, 9)).toBe(0);
    expect(set.add_range(20, 29)).toBe(0);
    expect(set.add_range(40, 49)).toBe(-ENOMEM);
    expect(set.remove_range(3, 5)).toBe(-ENOMEM);
    expect(set.ranges()).toEqual([
      [0, 9],
      [20, 29],
    ]);
    // Adjacent to the upper range alone: a range of its own is made first, and that fails.
    expect(set.add_range(18, 19)).toBe(-ENOMEM);
    expect(set.add_range(10, 19)).toBe(0);
    expect(set.ranges()).toEqual([[0, 29]]);
    expect(set.remove_range(3, 5)).toBe(0);
  });

  it('judges a start that wrapped around by its last range, as Xen does', () => {
    const set = new rangeset(8);
    set.add_range(0x1000, 0x1fff);
    expect(set.contains_range(2 ** 64 - 8, 0x10)).toBe(true);
    expect(set.contains_range(2 ** 64 - 8, 0x2000)).toBe(false);
  });
});
