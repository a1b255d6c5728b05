// SPDX-License-Identifier: GPL-2.0-only
// Axes: round steps, powers of ten, and how values are written on them.

/** Round values from 0 to at least `max`, about `wanted` of them: steps of 1, 2 or 5 times a power of ten. */
export function roundTicks(max: number, wanted: number): number[] {
  if (!(max > 0) || !Number.isFinite(max)) return [0, 1];
  const rough = max / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((f) => f * power >= rough * 0.999) ?? 10) * power;
  const count = Math.ceil(max / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

/** Values within the bounds: powers of ten, and with `fine` twice and five times each. */
export function logTicks(from: number, to: number, fine: boolean): number[] {
  const found: number[] = [];
  if (!(from > 0) || !Number.isFinite(to)) return found;
  const last = Math.ceil(Math.log10(to));
  for (let power = Math.floor(Math.log10(from)); power <= last; power++) {
    for (const factor of fine ? [1, 2, 5] : [1]) {
      const value = factor * 10 ** power;
      if (value >= from * 0.999 && value <= to * 1.001) found.push(value);
    }
  }
  return found;
}

/** `950`, `1.5k`, `20k`, `3M`, up to `9P`. */
export function compact(value: number): string {
  const short = (n: number): string => String(Number(n.toPrecision(3)));
  if (value >= 1e15) return `${short(value / 1e15)}P`;
  if (value >= 1e12) return `${short(value / 1e12)}T`;
  if (value >= 1e9) return `${short(value / 1e9)}G`;
  if (value >= 1e6) return `${short(value / 1e6)}M`;
  if (value >= 1e3) return `${short(value / 1e3)}k`;
  return short(value);
}

/** `500 ns`, `2 µs`, `10 ms`, `1 s`. */
export function shortNs(ns: number): string {
  const short = (n: number): string => String(Number(n.toPrecision(2)));
  if (ns >= 1e9) return `${short(ns / 1e9)} s`;
  if (ns >= 1e6) return `${short(ns / 1e6)} ms`;
  if (ns >= 1e3) return `${short(ns / 1e3)} µs`;
  return `${short(ns)} ns`;
}

/** A coordinate with at most two decimals; 0 for what is no number. */
export function at(value: number): number {
  if (!Number.isFinite(value)) return 0;
  return Math.round(value * 100) / 100;
}
