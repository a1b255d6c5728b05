// SPDX-License-Identifier: GPL-2.0-only
// What a run measures with a clock, in bounded memory: events over time, and a histogram of durations.
import type { Clock } from './clock.ts';

/** Events per equal stretch of time, from the start. */
export interface RateData {
  bucketMs: number;
  counts: number[];
  /** Where the last stretch ends: it is shorter than the others. */
  elapsedMs: number;
}

/** Durations by size; the steps grow by a constant factor. */
export interface HistogramData {
  total: number;
  /** The largest and smallest; null without any. */
  minNs: number | null;
  maxNs: number | null;
  /** Steps that hold something, ascending: `fromNs` inclusive, `toNs` exclusive. */
  buckets: { fromNs: number; toNs: number; count: number }[];
}

/** What `RunMeter` gives: plain JSON, different in each run. */
export interface Measured {
  /** Checkpoints over time. */
  rate: RateData;
  /** From sending an ioreq to taking its answer in. */
  latency: HistogramData;
}

/** Most stretches of time kept; when they run out two become one. */
const MOST_STRETCHES = 120;
const FIRST_STRETCH_MS = 4;

/** Counts events over time. Memory does not depend on how long it lasts. */
export class RateSeries {
  #bucketMs = FIRST_STRETCH_MS;
  #counts: number[] = [];
  #elapsedMs = 0;

  /** One event `elapsedMs` after the start. */
  add(elapsedMs: number): void {
    this.until(elapsedMs);
    const at = Math.floor(elapsedMs / this.#bucketMs);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  /** Time went by, up to `elapsedMs`. */
  until(elapsedMs: number): void {
    this.#elapsedMs = Math.max(this.#elapsedMs, elapsedMs);
    while (elapsedMs >= this.#bucketMs * MOST_STRETCHES) this.#halve();
    const wanted = Math.floor(elapsedMs / this.#bucketMs) + 1;
    while (this.#counts.length < wanted) this.#counts.push(0);
  }

  data(): RateData {
    return {
      bucketMs: this.#bucketMs,
      counts: this.#counts.slice(),
      elapsedMs: this.#elapsedMs,
    };
  }

  #halve(): void {
    const old = this.#counts;
    this.#counts = [];
    for (let i = 0; i < old.length; i += 2) {
      this.#counts.push((old[i] ?? 0) + (old[i + 1] ?? 0));
    }
    this.#bucketMs *= 2;
  }
}

/** Steps per factor of two. */
const STEPS = 4;
/** Above 2^48 ns, three days, everything is one step. */
const MOST_STEPS = 48 * STEPS;

/** Counts durations on a logarithmic scale, four steps per factor of two. */
export class LogHistogram {
  readonly #counts = new Float64Array(MOST_STEPS + 1);
  #total = 0;
  #minNs = Number.POSITIVE_INFINITY;
  #maxNs = 0;

  /** Below 1 ns counts as 1 ns. */
  add(ns: number): void {
    const step = ns > 1 ? Math.min(Math.floor(Math.log2(ns) * STEPS), MOST_STEPS) : 0;
    this.#counts[step] = (this.#counts[step] as number) + 1;
    this.#total++;
    if (ns < this.#minNs) this.#minNs = ns;
    if (ns > this.#maxNs) this.#maxNs = ns;
  }

  data(): HistogramData {
    const buckets: HistogramData['buckets'] = [];
    for (const [step, count] of this.#counts.entries()) {
      if (count === 0) continue;
      buckets.push({ fromNs: 2 ** (step / STEPS), toNs: 2 ** ((step + 1) / STEPS), count });
    }
    const none = this.#total === 0;
    return {
      total: this.#total,
      minNs: none ? null : this.#minNs,
      maxNs: none ? null : this.#maxNs,
      buckets,
    };
  }
}

/** Several histograms of `LogHistogram` as one. */
export function addHistograms(all: readonly HistogramData[]): HistogramData {
  const counts = new Map<number, HistogramData['buckets'][number]>();
  for (const bucket of all.flatMap((h) => h.buckets)) {
    const sum = counts.get(bucket.fromNs);
    if (sum === undefined) counts.set(bucket.fromNs, { ...bucket });
    else sum.count += bucket.count;
  }
  const least = all.flatMap((h) => h.minNs ?? []);
  const most = all.flatMap((h) => h.maxNs ?? []);
  return {
    total: all.reduce((sum, h) => sum + h.total, 0),
    minNs: least.length === 0 ? null : Math.min(...least),
    maxNs: most.length === 0 ? null : Math.max(...most),
    buckets: [...counts.values()].sort((a, b) => a.fromNs - b.fromNs),
  };
}

/** Meters one run by one clock. Who has clocks of his own fills the two parts himself. */
export class RunMeter {
  readonly rate: RateSeries = new RateSeries();
  readonly latency: LogHistogram = new LogHistogram();
  readonly #clock: Clock;
  readonly #startMs: number;
  #sentMs = Number.NaN;

  /** @param clock - its milliseconds need a fraction to be of use for round trips */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.nowMs();
  }

  checkpoint(): void {
    this.rate.add(this.#clock.nowMs() - this.#startMs);
  }

  /** A request was sent. One is under way at a time. */
  sent(): void {
    this.#sentMs = this.#clock.nowMs();
  }

  /** Its answer was taken in. */
  answered(): void {
    if (Number.isNaN(this.#sentMs)) return;
    this.latency.add((this.#clock.nowMs() - this.#sentMs) * 1e6);
    this.#sentMs = Number.NaN;
  }

  data(): Measured {
    this.rate.until(this.#clock.nowMs() - this.#startMs);
    return { rate: this.rate.data(), latency: this.latency.data() };
  }
}
