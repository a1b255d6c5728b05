// SPDX-License-Identifier: GPL-2.0-only
// Counts and times as people read them.

/** `1,234,567`; fractions are rounded. */
export function formatCount(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** `0 ms`, `850 ms`, `3.4 s`, `42 s`, `2 min 5 s`, `1 h 3 min`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `219`, `12.0`, `1.00`, `0.85`, `0.011`: as many digits as a ratio is worth. */
export function formatRatio(ratio: number): string {
  if (ratio >= 100) return ratio.toFixed(0);
  return ratio >= 1 ? ratio.toPrecision(3) : ratio.toPrecision(2);
}

/** Nanoseconds with three significant digits: `44.0 ns`, `1.25 µs`. */
export function formatNs(ns: number): string {
  if (ns < 1000) return `${ns.toPrecision(3)} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toPrecision(3)} µs`;
  return `${(ns / 1e6).toPrecision(3)} ms`;
}
