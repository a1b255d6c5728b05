// SPDX-License-Identifier: GPL-2.0-only
// Rates and histograms: nothing gets lost, memory stays bounded, and the clock is the only source of time.
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../src/util/clock.ts';
import { LogHistogram, RateSeries, RunMeter } from '../../../src/util/measure.ts';

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

describe('RateSeries', () => {
  it('counts into equal stretches, also those in which nothing happened', () => {
    const rate = new RateSeries();
    for (const ms of [0, 1, 3.9, 4, 13]) rate.add(ms);
    expect(rate.data()).toEqual({ bucketMs: 4, counts: [3, 1, 0, 1], elapsedMs: 13 });
  });

  it('keeps every event in at most 120 stretches, however long it lasts', () => {
    const rate = new RateSeries();
    const events = 10_000;
    for (let i = 0; i < events; i++) rate.add(i * i * 0.1);
    const { bucketMs, counts, elapsedMs } = rate.data();
    expect(counts.length).toBeLessThanOrEqual(120);
    expect(counts.length).toBeGreaterThan(60);
    expect(sum(counts)).toBe(events);
    expect(elapsedMs).toBeLessThan(bucketMs * counts.length);
    // Where they were: half the events in the first quarter of the time.
    const quarter = Math.floor(elapsedMs / 4 / bucketMs);
    expect(sum(counts.slice(0, quarter)) / events).toBeCloseTo(0.5, 1);
  });

  it('goes through many halvings at once', () => {
    const rate = new RateSeries();
    rate.add(0);
    rate.add(1e12);
    const { counts } = rate.data();
    expect([counts[0], counts.at(-1), sum(counts)]).toEqual([1, 1, 2]);
    expect(counts.length).toBeLessThanOrEqual(120);
  });
});

describe('LogHistogram', () => {
  it('puts each duration into the step that holds it', () => {
    const histogram = new LogHistogram();
    const values = [1, 1.5, 100, 1000, 1024, 123_456, 5e9];
    for (const ns of values) histogram.add(ns);
    const { total, minNs, maxNs, buckets } = histogram.data();
    expect([total, minNs, maxNs]).toEqual([values.length, 1, 5e9]);
    expect(sum(buckets.map((b) => b.count))).toBe(values.length);
    for (const ns of values) {
      const holding = buckets.filter((b) => b.fromNs <= ns && ns < b.toNs);
      expect(holding).toHaveLength(1);
    }
    for (const { fromNs, toNs } of buckets) expect(toNs / fromNs).toBeCloseTo(2 ** 0.25, 9);
  });

  it('takes what lies outside as the first or last step', () => {
    const histogram = new LogHistogram();
    for (const ns of [0, -5, 0.5, 1e300]) histogram.add(ns);
    const { buckets } = histogram.data();
    expect(buckets.map((b) => b.count)).toEqual([3, 1]);
    expect(buckets[0]?.fromNs).toBe(1);
  });

  it('is empty at first', () => {
    expect(new LogHistogram().data()).toEqual({ total: 0, minNs: null, maxNs: null, buckets: [] });
  });
});

describe('RunMeter', () => {
  it('measures by its clock', () => {
    const clock = new ManualClock(500);
    const meter = new RunMeter(clock);
    clock.advance(5);
    meter.checkpoint();
    meter.sent();
    clock.advance(0.002);
    meter.answered();
    // An answer nobody asked for is no round trip.
    meter.answered();
    clock.advance(6);
    const { rate, latency } = meter.data();
    expect(rate.counts).toEqual([0, 1, 0]);
    expect(rate.elapsedMs).toBeCloseTo(11.002, 6);
    expect(latency.total).toBe(1);
    expect(latency.minNs).toBeCloseTo(2000, 3);
  });
});
