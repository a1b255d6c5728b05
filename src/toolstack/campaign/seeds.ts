// SPDX-License-Identifier: GPL-2.0-only
// Which seeds a campaign has, which of them fall to a shard, and which are still missing.
import { parseNumber } from '../../util/hex.ts';

/** Both ends included; `last` null: no end, for campaigns that are bounded by time. */
export interface SeedRange {
  first: number;
  last: number | null;
}

/** Part `index` (from 1) of `count`. */
export interface Shard {
  index: number;
  count: number;
}

/** Seeds that were not run: how many, and the first stretches of them. */
export interface MissingSeeds {
  count: number;
  ranges: { first: number; last: number }[];
}

/** Seeds have 32 bits. */
const LAST_SEED = 0xffffffff;
/** So many stretches of missing seeds are listed. */
const LISTED = 20;

/** `1-1000`, `0x10-0x1f`, or `1-` without an end; null: nothing of the kind. */
export function parseSeedRange(text: string): SeedRange | null {
  const match = /^([^-]+)-([^-]*)$/.exec(text);
  if (match === null) return null;
  const first = parseNumber(match[1] ?? '');
  const last = match[2] === '' ? null : parseNumber(match[2] ?? '');
  if (first === null || first > LAST_SEED) return null;
  if (match[2] !== '' && (last === null || last < first || last > LAST_SEED)) return null;
  return { first, last };
}

/** `2/8`; null: nothing of the kind. */
export function parseShard(text: string): Shard | null {
  const match = /^([0-9]{1,9})\/([0-9]{1,9})$/.exec(text);
  if (match === null) return null;
  const shard = { index: Number(match[1]), count: Number(match[2]) };
  return shard.index >= 1 && shard.index <= shard.count ? shard : null;
}

export function seedRangeText({ first, last }: SeedRange): string {
  return first === last ? String(first) : `${first}-${last ?? ''}`;
}

/** Seeds are dealt round: each shard gets every `count`-th, so that none gets only the slow ones. */
function dealt(range: SeedRange, shard: Shard | null): { start: number; step: number } {
  const { index, count } = shard ?? { index: 1, count: 1 };
  return { start: range.first + index - 1, step: count };
}

/** The seeds of a shard in ascending order; null: of the whole range. */
export function* seedsOf(range: SeedRange, shard: Shard | null): Generator<number, void> {
  const { start, step } = dealt(range, shard);
  const last = range.last ?? LAST_SEED;
  for (let seed = start; seed <= last; seed += step) yield seed;
}

/** Whether `seed` falls to this shard. */
export function hasSeed(range: SeedRange, shard: Shard | null, seed: number): boolean {
  const { start, step } = dealt(range, shard);
  return seed >= start && seed <= (range.last ?? LAST_SEED) && (seed - start) % step === 0;
}

/** How many seeds a shard has; null: no end. */
export function seedCount(range: SeedRange, shard: Shard | null): number | null {
  if (range.last === null) return null;
  const { start, step } = dealt(range, shard);
  return start > range.last ? 0 : Math.floor((range.last - start) / step) + 1;
}

/** The same seeds with as few ranges as possible, ascending. */
export function joinRanges(ranges: readonly SeedRange[]): SeedRange[] {
  const end = ({ last }: SeedRange): number => last ?? Number.POSITIVE_INFINITY;
  const joined: SeedRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first || end(a) - end(b))) {
    const before = joined.at(-1);
    if (before === undefined || range.first > end(before) + 1) joined.push({ ...range });
    else if (end(range) > end(before)) before.last = range.last;
  }
  return joined;
}

/**
 * What is missing of ranges that do not touch each other. A range without an end misses nothing.
 * @param done - ascending, each of them within a range and the shard
 */
export function missingSeeds(
  ranges: readonly SeedRange[],
  shard: Shard | null,
  done: readonly number[],
): MissingSeeds {
  const missing: MissingSeeds = { count: 0, ranges: [] };
  for (const range of ranges) {
    if (range.last === null) continue;
    const { start, step } = dealt(range, shard);
    const count = seedCount(range, shard) ?? 0;
    let next = start;
    const gap = (before: number): void => {
      if (before <= next) return;
      missing.count += (before - next) / step;
      if (missing.ranges.length < LISTED) missing.ranges.push({ first: next, last: before - step });
    };
    for (const seed of done) {
      if (seed < range.first || seed > range.last) continue;
      gap(seed);
      next = seed + step;
    }
    gap(start + count * step);
  }
  return missing;
}
