// SPDX-License-Identifier: GPL-2.0-only
// Timing: slices of work of about equal length, each beside a slice of a known workload; median and spread.
import type { Clock } from '../../util/clock.ts';

/** Nanoseconds per unit. */
export interface Statistics {
  median: number;
  /** 10th percentile. */
  low: number;
  /** 90th percentile. */
  high: number;
  samples: number;
}

/** Called between samples; the run can be watched and stopped there. */
export interface BenchHooks {
  readonly signal: AbortSignal;
  tick(done: number, total: number | null): Promise<void> | undefined;
}

/** Share of the time that goes into finding the size of a slice, and warming up. */
const WARM_UP = 0.25;
/** Slices that fit the time of one measurement. */
const SLICES = 50;
const MAX_SLICE_MS = 25;
const MAX_UNITS = 1e9;

/** The value below which `share` of the sorted `values` lie: interpolated between neighbours. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** @param values - at least one */
export function statistics(values: readonly number[]): Statistics {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    low: quantile(sorted, 0.1),
    high: quantile(sorted, 0.9),
    samples: sorted.length,
  };
}

/** Work in slices: does about `units`, returns how many it did. */
export type Slice = (units: number) => number;

/** ns per unit of one slice. */
export function timeSlice(clock: Clock, slice: Slice, units: number): number {
  const start = clock.nowMs();
  const done = slice(units);
  return ((clock.nowMs() - start) * 1e6) / done;
}

/** Warms `slice` up. @returns units of it that take about `sliceMs` */
export function sizeSlice(clock: Clock, slice: Slice, warmMs: number, sliceMs: number): number {
  const start = clock.nowMs();
  let units = 64;
  for (;;) {
    const before = clock.nowMs();
    const done = slice(units);
    const now = clock.nowMs();
    const wanted = (done * sliceMs) / Math.max(now - before, 1e-6);
    // A clock that stands still must not keep us here.
    if (now - start >= warmMs || units === MAX_UNITS)
      return Math.max(1, Math.min(MAX_UNITS, Math.round(wanted)));
    // Slowly at first: the first slices are the ones that are compiled.
    units = Math.max(1, Math.min(MAX_UNITS, 2 * units, Math.round(wanted)));
  }
}

let sink = 0;

/** A workload that depends on nothing of ours: mixed reads, writes and arithmetic in 4 KiB. */
const YARDSTICK_WORDS = new Uint32Array(1024);
export function yardstick(units: number): number {
  const words = YARDSTICK_WORDS;
  let a = sink | 1;
  let b = a ^ 0x5bd1e995;
  for (let i = 0; i < units; i++) {
    a = (Math.imul(a, 0x01000193) ^ (words[b & 1023] as number)) >>> 0;
    b = (b + (words[i & 1023] as number) + 1) >>> 0;
    words[a & 1023] = b;
  }
  sink = a ^ b;
  return units;
}

/** One measurement. */
export interface Measured {
  time: Statistics;
  /**
   * Divided by the yardstick beside it, both at the 10th percentile: what the machine does when nothing disturbs it.
   * This is what can be compared with another run.
   */
  ratio: number;
}

/** Everything one measurement needs beside its subject. */
export interface SamplerOptions {
  clock: Clock;
  timeMs: number;
  hooks: BenchHooks;
  /** What is measured beside every sample, for ratios; `yardstick` unless given. */
  known?: Slice;
}

/** Share of the time that the yardstick gets. */
const YARDSTICK_SHARE = 0.1;

/**
 * Measures `slices` side by side: one slice of each in turn, so that what disturbs one disturbs all.
 * @param derive - from the ns per unit of one round, by slice, to the values that are reported
 * @returns one entry per value; empty when stopped before the first round
 */
export async function sampleTogether(
  { clock, timeMs, hooks, known = yardstick }: SamplerOptions,
  slices: readonly Slice[],
  derive: (round: readonly number[]) => readonly number[],
): Promise<Measured[]> {
  const start = clock.nowMs();
  const size = (slice: Slice, ms: number): number =>
    sizeSlice(clock, slice, ms * WARM_UP, Math.min(MAX_SLICE_MS, (ms * (1 - WARM_UP)) / SLICES));
  const each = (timeMs * (1 - YARDSTICK_SHARE)) / slices.length;
  const knownSize = size(known, timeMs * YARDSTICK_SHARE);
  const sizes = slices.map((slice) => size(slice, each));
  const values: number[][] = [];
  const beside: number[] = [];
  while (!hooks.signal.aborted) {
    beside.push(timeSlice(clock, known, knownSize));
    const round = slices.map((slice, i) => timeSlice(clock, slice, sizes[i] ?? 1));
    derive(round).forEach((value, i) => {
      values[i] ??= [];
      values[i]?.push(value);
    });
    const elapsed = clock.nowMs() - start;
    await hooks.tick(Math.min(elapsed, timeMs), timeMs);
    if (elapsed >= timeMs) break;
  }
  return values.map((list) => {
    const time = statistics(list);
    return { time, ratio: time.low / statistics(beside).low };
  });
}
