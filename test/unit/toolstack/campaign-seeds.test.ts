// SPDX-License-Identifier: GPL-2.0-only
// Seeds of a campaign: every seed falls to one shard, and what is missing is what a plain search finds.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SeedRange, Shard } from '../../../src/toolstack/campaign/seeds.ts';
import {
  hasSeed,
  joinRanges,
  missingSeeds,
  parseSeedRange,
  parseShard,
  seedCount,
  seedRangeText,
  seedsOf,
} from '../../../src/toolstack/campaign/seeds.ts';

const range = fc
  .tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 }))
  .map(([first, more]): SeedRange => ({ first, last: first + more }));
const count = fc.integer({ min: 1, max: 9 });

describe('what is written', () => {
  it.each([
    ['1-1000', { first: 1, last: 1000 }],
    ['0x10-0x1f', { first: 16, last: 31 }],
    ['1-1K', { first: 1, last: 1024 }],
    ['7-7', { first: 7, last: 7 }],
    ['5-', { first: 5, last: null }],
    ['0-4294967295', { first: 0, last: 0xffffffff }],
  ])('%s is a range', (text, expected) => {
    expect(parseSeedRange(text)).toEqual(expected);
    expect(parseSeedRange(seedRangeText(expected)) ?? parseSeedRange('7-7')).toEqual(expected);
  });

  it.each([
    '',
    '5',
    '-',
    '-5',
    '9-1',
    '1-2-3',
    '1..9',
    'a-b',
    '0-4294967296',
    '4294967296-',
    '1 - 2',
  ])("'%s' is none", (text) => expect(parseSeedRange(text)).toBeNull());

  it('shards count from 1', () => {
    expect(parseShard('2/8')).toEqual({ index: 2, count: 8 });
    for (const text of ['0/8', '9/8', '1', '1/0', '/', '1/', '-1/2', '1.5/2', '1/2/3', '']) {
      expect(parseShard(text), text).toBeNull();
    }
  });
});

describe('shards', () => {
  it('have every seed once, and as many as they say', () => {
    fc.assert(
      fc.property(range, count, (seeds, n) => {
        const dealt: number[] = [];
        for (let index = 1; index <= n; index++) {
          const shard: Shard = { index, count: n };
          const own = [...seedsOf(seeds, shard)];
          expect(own).toHaveLength(seedCount(seeds, shard) ?? -1);
          for (const seed of seedsOf(seeds, null)) {
            expect(hasSeed(seeds, shard, seed)).toBe(own.includes(seed));
          }
          dealt.push(...own);
        }
        expect(dealt.sort((a, b) => a - b)).toEqual([...seedsOf(seeds, null)]);
      }),
    );
  });

  it('differ by at most one seed, and lie over the whole range', () => {
    const sizes = [1, 2, 3].map((index) => seedCount({ first: 1, last: 10 }, { index, count: 3 }));
    expect(sizes).toEqual([4, 3, 3]);
    expect([...seedsOf({ first: 1, last: 10 }, { index: 2, count: 3 })]).toEqual([2, 5, 8]);
  });

  it('reach the last seed there is, and end there', () => {
    expect([...seedsOf({ first: 0xfffffffe, last: null }, null)]).toEqual([0xfffffffe, 0xffffffff]);
    expect(seedCount({ first: 0, last: 0xffffffff }, null)).toBe(2 ** 32);
  });
});

it('ranges join as sets do', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 6 }), (ranges) => {
      const joined = joinRanges(ranges);
      const set = new Set(ranges.flatMap((one) => [...seedsOf(one, null)]));
      expect(joined.flatMap((one) => [...seedsOf(one, null)])).toEqual(
        [...set].sort((a, b) => a - b),
      );
      for (const [i, one] of joined.entries()) {
        if (i > 0) expect(one.first).toBeGreaterThan((joined[i - 1]?.last ?? 0) + 1);
      }
    }),
  );
  expect(
    joinRanges([
      { first: 9, last: 12 },
      { first: 3, last: null },
    ]),
  ).toEqual([{ first: 3, last: null }]);
});

describe('missing seeds', () => {
  it('are those that a search finds', () => {
    fc.assert(
      fc.property(
        fc.array(range, { maxLength: 3 }),
        count,
        fc.func(fc.boolean()),
        (raw, n, has) => {
          const ranges = joinRanges(raw);
          // Only a single range is divided.
          const shard = ranges.length === 1 ? { index: 1 + (n % 2), count: n + 1 } : null;
          const asked = ranges.flatMap((one) => [...seedsOf(one, shard)]);
          const done = asked.filter((seed) => has(seed));
          const missing = missingSeeds(ranges, shard, done);
          expect(missing.count).toBe(asked.length - done.length);
          const step = shard?.count ?? 1;
          const listed = missing.ranges.flatMap(({ first, last }) =>
            Array.from({ length: (last - first) / step + 1 }, (_, i) => first + i * step),
          );
          const all = asked.filter((seed) => !done.includes(seed));
          expect(listed).toEqual(missing.ranges.length < 20 ? all : all.slice(0, listed.length));
        },
      ),
    );
  });

  it('are counted without a look at each', () => {
    expect(missingSeeds([{ first: 0, last: 0xffffffff }], null, [5])).toEqual({
      count: 2 ** 32 - 1,
      ranges: [
        { first: 0, last: 4 },
        { first: 6, last: 0xffffffff },
      ],
    });
    expect(missingSeeds([{ first: 3, last: null }], null, [])).toEqual({ count: 0, ranges: [] });
  });
});
