// SPDX-License-Identifier: GPL-2.0-only
// No damage gets through: flips, cuts, records out of place, lengths that cannot be. npm run image:damage does more.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_BODY } from '../../src/image/layout.ts';
import { StreamReader } from '../../src/image/reader.ts';
import { Random } from '../../src/util/random.ts';
import {
  changed,
  cutOutcomes,
  flips,
  join,
  judge,
  parts,
  smallContinuous,
  smallImage,
} from './damage.ts';

const image = smallImage();
const whole = judge(image);
const continuous = smallContinuous();
const last = judge(continuous);
/** Where PAGE_DATA ends: behind it every bit is tried, inside one of each byte. */
const PAGES_END = 0x30 + 8 + 8 + 8 * 8 + 8 * 4096;

describe('a damaged image', () => {
  it('is refused whatever bit is flipped', { timeout: 120_000 }, () => {
    function* bits(): Generator<number> {
      const random = new Random(3);
      for (let at = 0; at < image.length; at++) {
        const inside = at >= 0x80 && at < PAGES_END;
        if (inside && at % 4 === 0) yield 8 * at + random.below(8);
        if (!inside) for (let bit = 0; bit < 8; bit += 1 + (at % 3)) yield 8 * at + bit;
      }
    }
    expect(whole).toMatch(/^[0-9a-f]{64}$/);
    // Every one of them: no bit of an image is without meaning.
    expect(flips(image, bits(), [])).toEqual([]);
  });

  it('is refused wherever it is cut off', () => {
    for (let end = 0; end < image.length; end += end < 300 || end > PAGES_END ? 1 : 13) {
      expect(judge(image.subarray(0, end))).toBe('refused');
    }
  });

  it('gives the last whole checkpoint when cut off behind one, and says so', {
    timeout: 120_000,
  }, () => {
    const ends: number[] = [];
    let at = 0;
    for (const part of parts(continuous)) {
      at += part.length;
      if (part[0] === 0x0e && part.length === 8) ends.push(at);
    }
    expect(ends).toHaveLength(3);
    const checkpoints = ends.map((end) =>
      judge(join([continuous.slice(0, end), new Uint8Array(8)])),
    );
    expect(new Set(checkpoints).size).toBe(3);
    expect(checkpoints[2]).toBe(last);
    for (let end = (ends[0] ?? 0) - 20; end < continuous.length; ) {
      const n = ends.filter((e) => e <= end).length;
      const expected = n === 0 ? 'refused' : `${checkpoints[n - 1]} cut`;
      expect(judge(continuous.subarray(0, end)), `cut at ${end}`).toBe(expected);
      end += ends.some((e) => Math.abs(e - end) < 20) ? 1 : 19;
    }
  });

  it('is refused with a bit flipped in an increment', () => {
    // A length that now reaches past the end looks like a cut: an earlier checkpoint, and it is said.
    const cuts = cutOutcomes(continuous);
    expect(cuts.every((text) => text.endsWith(' cut'))).toBe(true);
    const random = new Random(5);
    const bits = Array.from({ length: 4000 }, () => random.below(8 * continuous.length));
    expect(flips(continuous, bits, cuts)).toEqual([]);
  });

  it.each([
    ['an image', image, whole],
    ['a continuous image', continuous, last],
  ])(
    'is refused with records of %s doubled, swapped, dropped or strange',
    { timeout: 120_000 },
    (_, bytes, same) => {
      const all = parts(bytes);
      const index = fc.nat({ max: all.length - 1 });
      const change = fc.oneof(
        fc.record({ what: fc.constant('double' as const), a: index, b: index }),
        fc.record({ what: fc.constant('swap' as const), a: index, b: index }),
        fc.record({ what: fc.constant('drop' as const), a: index, b: index }),
        fc.record({ what: fc.constant('type' as const), a: index, b: fc.nat({ max: 0xffffffff }) }),
        fc.record({
          what: fc.constant('length' as const),
          a: index,
          b: fc.nat({ max: 0xffffffff }),
        }),
      );
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (list) => {
          let next: Uint8Array[] = all.map((part) => part.slice());
          for (const { what, a, b } of list) next = changed(next, what, a, b);
          const result = join(next);
          const outcome = judge(result);
          if (Buffer.compare(result, bytes) === 0) return outcome === same;
          // Dropped at the end of a continuous image is a cut, and the last checkpoint is what it was.
          return outcome === 'refused' || outcome.endsWith(' cut') || outcome === same;
        }),
        { seed: 1, numRuns: 400 },
      );
    },
  );

  it('is refused as noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (noise, headed) => {
        const bytes = headed ? join([image.subarray(0, 48), noise]) : noise;
        return judge(bytes) === 'refused';
      }),
      { seed: 2, numRuns: 2000 },
    );
  });
});

it('bytes in any pieces are the same image', () => {
  const random = new Random(9);
  for (let round = 0; round < 5; round++) {
    const seen: string[] = [];
    const reader = new StreamReader({
      headers: () => seen.push('headers'),
      record: ({ type, place, digest }) =>
        seen.push(
          `${type}@${place.offset} ${digest === null ? '' : Buffer.from(digest).toString('hex')}`,
        ),
    });
    for (let at = 0; at < image.length; ) {
      const end = Math.min(
        image.length,
        at + 1 + random.below([1, 7, 100, 5000, 100_000][round] ?? 1),
      );
      reader.push(image.subarray(at, end));
      at = end;
    }
    reader.finish();
    expect(seen).toHaveLength(7);
    expect(seen.at(-2)).toContain(Buffer.from(image.slice(-40, -8)).toString('hex'));
  }
});

it('a length in the stream never decides more memory than its limit', () => {
  const most = Math.max(...Object.values(MAX_BODY));
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 2000; i++) {
    const bytes = image.slice(0, 56);
    new DataView(bytes.buffer).setUint32(0x34, 0xffffffff - i * 1_000_000, true);
    expect(judge(bytes)).toBe('refused');
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * most);
});
