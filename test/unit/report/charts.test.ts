// SPDX-License-Identifier: GPL-2.0-only
// The charts: scales with round figures, drawings that stay in their frame, and the same as text and table.
import { describe, expect, it } from 'vitest';
import { bars } from '../../../src/report/bars.ts';
import { histogram, quantileNs } from '../../../src/report/histogram.ts';
import { compact, logTicks, roundTicks, shortNs } from '../../../src/report/scale.ts';
import { series, stepsOf } from '../../../src/report/series.ts';
import type { HistogramData } from '../../../src/util/measure.ts';
import { measured } from './data.ts';

/** Every coordinate in a drawing: x and y of texts, and the ends of lines and bars. */
function coordinates(drawing: string, axis: 'x' | 'y'): number[] {
  const size = axis === 'x' ? 'width' : 'height';
  const found: number[] = [];
  for (const [tag] of drawing.matchAll(/<(?:text|line|rect)[^>]*>/g)) {
    const of = (name: string): number | undefined => {
      const value = new RegExp(` ${name}="([^"]*)"`).exec(tag)?.[1];
      return value === undefined ? undefined : Number(value);
    };
    const start = of(axis);
    const all = [start, of(`${axis}1`), of(`${axis}2`)];
    const extent = of(size);
    if (start !== undefined && extent !== undefined) all.push(start + extent);
    found.push(...all.filter((n) => n !== undefined));
  }
  return found;
}

describe('scales', () => {
  it('have round steps that reach the largest value', () => {
    expect(roundTicks(47_000, 4)).toEqual([0, 20_000, 40_000, 60_000]);
    expect(roundTicks(1, 4)).toEqual([0, 0.5, 1]);
    expect(roundTicks(0.3, 3)).toEqual([0, 0.1, 0.2, 0.3]);
    expect(roundTicks(0, 4)).toEqual([0, 1]);
    for (let i = 1; i < 2000; i++) {
      const ticks = roundTicks(i * 0.37, 4);
      expect(ticks.at(-1)).toBeGreaterThanOrEqual(i * 0.37 * 0.999999);
      expect(ticks.length).toBeLessThanOrEqual(6);
    }
  });

  it('have powers of ten, and steps between them when there is room', () => {
    expect(logTicks(1, 1000, false)).toEqual([1, 10, 100, 1000]);
    expect(logTicks(150, 6000, true)).toEqual([200, 500, 1000, 2000, 5000]);
    expect(logTicks(0, 10, true)).toEqual([]);
    expect(logTicks(1, Number.POSITIVE_INFINITY, true)).toEqual([]);
  });

  it('write their values short', () => {
    expect([0, 950, 1500, 20_000, 3e6, 2e9].map(compact)).toEqual([
      '0',
      '950',
      '1.5k',
      '20k',
      '3M',
      '2G',
    ]);
    expect([500, 2000, 1e7, 1e9].map(shortNs)).toEqual(['500 ns', '2 µs', '10 ms', '1 s']);
  });
});

describe('rate over time', () => {
  it('divides by the time each stretch really had', () => {
    expect(stepsOf({ bucketMs: 100, counts: [10, 20, 30], elapsedMs: 280 })).toEqual([
      { fromMs: 0, toMs: 100, perSecond: 100 },
      { fromMs: 100, toMs: 200, perSecond: 200 },
      { fromMs: 200, toMs: 280, perSecond: 375 },
    ]);
  });

  it('lets a last stretch too short for a rate join the one before', () => {
    expect(stepsOf({ bucketMs: 100, counts: [10, 20, 1], elapsedMs: 201 })).toEqual([
      { fromMs: 0, toMs: 100, perSecond: 100 },
      { fromMs: 100, toMs: 201, perSecond: (21 * 1000) / 101 },
    ]);
    expect(stepsOf({ bucketMs: 4, counts: [1], elapsedMs: 0 })).toEqual([]);
  });

  it('is drawn with units, and told in words and figures', () => {
    const text = String(series('Rate', 'checkpoints', measured.rate));
    expect(text).toMatchSnapshot();
    expect(text).toContain('checkpoints per second');
    expect(text).toContain('time since the start, ms');
    expect(text).toContain('aria-label="Rate: 207 per second on average over 290 ms');
  });

  it('says so when there is nothing', () => {
    const empty = { bucketMs: 4, counts: [], elapsedMs: 0 };
    expect(String(series('Rate', 'checkpoints', empty))).toContain('too short');
  });

  it('stays in its frame', () => {
    for (const elapsedMs of [3, 250, 12_345, 9e6, 4e8]) {
      const counts = Array.from({ length: 100 }, (_, i) => i * i);
      const text = String(series('Rate', 'x', { bucketMs: elapsedMs / 100, counts, elapsedMs }));
      const x = coordinates(text, 'x');
      const y = coordinates(text, 'y');
      expect([Math.min(...x) >= 0, Math.max(...x) <= 380]).toEqual([true, true]);
      expect([Math.min(...y) >= 0, Math.max(...y) <= 210]).toEqual([true, true]);
    }
  });
});

describe('histogram', () => {
  it('is drawn with units, and told in words and figures', () => {
    const text = String(histogram('Trips', 'requests', measured.latency));
    expect(text).toMatchSnapshot();
    expect(text).toContain('round trip, log scale');
    expect(text).toContain('half below 2.05 µs, 99 of 100 below 4.10 µs, longest 70.0 µs');
  });

  it('finds quantiles at the upper end of their step', () => {
    expect(quantileNs(measured.latency, 0.5)).toBe(2048);
    expect(quantileNs(measured.latency, 0.99)).toBe(4096);
    expect(quantileNs(measured.latency, 1)).toBe(131_072);
    expect(quantileNs({ total: 0, minNs: null, maxNs: null, buckets: [] }, 0.5)).toBe(0);
  });

  it('gives a single slow one among a million a bar to be seen', () => {
    const data: HistogramData = {
      total: 1_000_001,
      minNs: 1000,
      maxNs: 1e9,
      buckets: [
        { fromNs: 1000, toNs: 1200, count: 1_000_000 },
        { fromNs: 9e8, toNs: 1.1e9, count: 1 },
      ],
    };
    const heights = [...String(histogram('T', 'r', data)).matchAll(/<rect[^>]* height="([^"]*)"/g)];
    expect(Number(heights[1]?.[1])).toBeGreaterThan(3);
  });

  it('stays in its frame, labels apart', () => {
    for (const [low, high] of [
      [1, 2],
      [100, 150],
      [700, 9000],
      [1, 1e14],
    ] as const) {
      const buckets = [
        { fromNs: low, toNs: low * 1.19, count: 7 },
        { fromNs: high, toNs: high * 1.19, count: 123_456_789 },
      ];
      const data = { total: 123_456_796, minNs: low, maxNs: high, buckets };
      const text = String(histogram('T', 'r', data));
      const x = coordinates(text, 'x');
      expect([Math.min(...x) >= 0, Math.max(...x) <= 380]).toEqual([true, true]);
      const labels = [...text.matchAll(/class="tick mid" x="([^"]*)"/g)].map((m) => Number(m[1]));
      for (const [i, at] of labels.slice(1).entries()) {
        expect(at - (labels[i] ?? 0)).toBeGreaterThanOrEqual(54);
      }
    }
  });

  it('says so when there is nothing', () => {
    const empty = { total: 0, minNs: null, maxNs: null, buckets: [] };
    expect(String(histogram('T', 'requests', empty))).toContain('None were recorded');
  });
});

describe('bars', () => {
  it('has a row for each name, as long as its share of the largest', () => {
    const text = String(bars('Hits', 'checkpoints', { a: 100, b: 50, c: 0 }));
    const widths = [...text.matchAll(/<rect[^>]* width="([^"]*)"/g)].map((m) => Number(m[1]));
    expect(widths).toEqual([172, 86, 0]);
    expect(text).toContain('Rarest: c, 0.');
    expect(text).toContain('aria-label="Hits: a 100, b 50, c 0"');
  });

  it('draws at most forty and lists all', () => {
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`w${i}`, i]));
    const text = String(bars('Hits', 'x', many));
    expect(text.match(/<rect/g)).toHaveLength(40);
    expect(text.match(/<tr>/g)).toHaveLength(301);
    expect(text).toContain('260 more in the figures');
  });

  it('says so when there is nothing', () => {
    expect(String(bars('Hits', 'x', {}))).toContain('None were recorded');
  });
});
