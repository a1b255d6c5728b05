// SPDX-License-Identifier: GPL-2.0-only
// Where a device sits: a range of ports, or of guest-physical memory.
import { HvmError } from '../util/errors.ts';
import { hexRange, parseRange } from '../util/hex.ts';

/** `pio`: ports 0 to 0xffff. `mmio`: guest-physical memory. */
export type IoSpace = 'pio' | 'mmio';

/** Both ends inclusive. */
export interface IoRange {
  readonly space: IoSpace;
  /** Port number, or guest-physical byte address. */
  readonly start: number;
  readonly end: number;
}

/** Highest port there is. */
export const LAST_PORT = 0xffff;
/** Highest guest-physical address of the architecture (52 bits). */
export const LAST_GPA = 2 ** 52 - 1;

/** `0x200-0x207`, or `mmio:0xd0000-0xd0fff`: the form `parseIoRange` reads. */
export function formatIoRange(range: IoRange): string {
  const numbers = hexRange({ first: range.start, last: range.end });
  return range.space === 'mmio' ? `mmio:${numbers}` : numbers;
}

/** Bytes (ports) the range covers. */
export function rangeLength(range: IoRange): number {
  return range.end - range.start + 1;
}

/**
 * `0x200-0x207`, `mmio:0xd0000-0xd0fff`, or only a start.
 * @param text - `mmio:` in front means guest-physical memory, nothing means ports
 * @param lengthIfOpen - bytes the range covers when only its start is given
 * @throws HvmError HVM_RANGE when malformed or outside its space
 */
export function parseIoRange(text: string, lengthIfOpen: (space: IoSpace) => number): IoRange {
  const space: IoSpace = text.startsWith('mmio:') ? 'mmio' : 'pio';
  const { first, last } = parseRange(space === 'mmio' ? text.slice('mmio:'.length) : text);
  const end = text.includes('-') ? last : first + lengthIfOpen(space) - 1;
  const range: IoRange = { space, start: first, end };
  checkIoRange(range);
  return range;
}

/**
 * Refuses a range that leaves its space.
 * @throws HvmError HVM_RANGE
 */
export function checkIoRange(range: IoRange): void {
  const { space, start, end } = range;
  const limit = space === 'pio' ? LAST_PORT : LAST_GPA;
  const name = space === 'pio' ? 'port' : 'memory';
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
    throw new HvmError(
      'HVM_RANGE',
      `${name} range ${start} to ${end} is malformed: expected start <= end, both whole and not negative`,
    );
  }
  if (end > limit) {
    throw new HvmError(
      'HVM_RANGE',
      `${name} range ${formatIoRange(range)} ends past 0x${limit.toString(16)}, the last ` +
        (space === 'pio' ? 'port' : 'guest-physical address'),
      { details: { space, start, end, limit } },
    );
  }
}

/** Whether the two ranges share an address. */
export function rangesOverlap(a: IoRange, b: IoRange): boolean {
  return a.space === b.space && a.start <= b.end && b.start <= a.end;
}
