// SPDX-License-Identifier: GPL-2.0-only
// Comparing a run with a stored one by ratios: times differ from machine to machine, ratios much less.
import { HvmError } from '../src/util/errors.ts';

export const BASELINE_SCHEMA = 'trapline.bench-baseline/1';

/** What `bench/baseline.json` holds. */
export interface Baseline {
  schema: typeof BASELINE_SCHEMA;
  /** Where it was measured; for readers. */
  environment: Readonly<Record<string, string | number>>;
  /** By measurement: its time divided by the yardstick's. */
  ratios: Readonly<Record<string, number>>;
}

/** One measurement in both. */
export interface Comparison {
  name: string;
  before: number;
  now: number;
  /** `now / before - 1`: above 0 is slower. */
  change: number;
  /** Slower by more than the tolerance. */
  lost: boolean;
}

/**
 * Reads a baseline.
 * @throws HvmError HVM_USAGE when it is none
 */
export function parseBaseline(text: string, file: string): Baseline {
  const expected = `${file}: expected a baseline as "npm run bench -- --baseline ${file}" writes it`;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new HvmError('HVM_USAGE', expected, { cause });
  }
  const { schema, ratios } = (json ?? {}) as Partial<Baseline>;
  const numbers = Object.values(ratios ?? {});
  const valid = numbers.length > 0 && numbers.every((n) => typeof n === 'number' && n > 0);
  if (schema !== BASELINE_SCHEMA || !valid) throw new HvmError('HVM_USAGE', expected);
  return json as Baseline;
}

/**
 * Every measurement that both have, in the order of `now`.
 * @param tolerance - share by which a ratio may grow before it counts as lost
 */
export function compareRatios(
  before: Readonly<Record<string, number>>,
  now: Readonly<Record<string, number>>,
  tolerance: number,
): Comparison[] {
  return Object.entries(now).flatMap(([name, value]) => {
    const old = before[name];
    if (old === undefined) return [];
    const change = value / old - 1;
    return [{ name, before: old, now: value, change, lost: change > tolerance }];
  });
}
