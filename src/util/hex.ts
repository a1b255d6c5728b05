// SPDX-License-Identifier: GPL-2.0-only
// Numbers as people write them: 0x80, 64K, ranges 0x80-0x87, durations 500ms. Printing and parsing.
import { HvmError } from './errors.ts';

/** Both ends inclusive. */
export interface NumberRange {
  first: number;
  last: number;
}

/**
 * `0x` and lower-case digits.
 * @param value - a non-negative safe integer
 * @param digits - pads with zeros to at least this many
 */
export function hex(value: number, digits = 1): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

/** `0x200` or `0x200-0x207`. */
export function hexRange(range: NumberRange): string {
  return range.first === range.last ? hex(range.first) : `${hex(range.first)}-${hex(range.last)}`;
}

/** A 64-bit value given as two unsigned 32-bit halves. */
export function hex64(low: number, high: number): string {
  return high === 0 ? hex(low) : `${hex(high)}${(low >>> 0).toString(16).padStart(8, '0')}`;
}

/** Bytes as two digits each, separated by blanks. */
export function hexBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

const NUMBER = /^(?:(0x[0-9a-f]+)|([0-9]+)([kmg]?))$/i;
const UNIT: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/**
 * `123`, `0x7b`, `64K`, `1M`, `1G` (powers of 1024, decimal only).
 * @returns null when `text` is nothing of the kind or above 2^53 - 1
 */
export function parseNumber(text: string): number | null {
  const match = NUMBER.exec(text);
  if (match === null) return null;
  const [, hexDigits, decimal, unit] = match;
  const value =
    hexDigits === undefined
      ? Number(decimal) * (UNIT[(unit ?? '').toLowerCase()] ?? 1)
      : Number(hexDigits);
  return Number.isSafeInteger(value) ? value : null;
}

/**
 * `0x200` or `0x200-0x207`, both ends inclusive.
 * @throws HvmError HVM_RANGE when malformed or when the end lies below the start
 */
export function parseRange(text: string): NumberRange {
  const parts = text.split('-');
  const first = parseNumber(parts[0] ?? '');
  const last = parts.length === 1 ? first : parseNumber(parts[1] ?? '');
  if (first === null || last === null || parts.length > 2) {
    throw new HvmError('HVM_RANGE', `'${text}' is not a range: expected 0x200 or 0x200-0x207`);
  }
  if (last < first) {
    throw new HvmError(
      'HVM_RANGE',
      `range '${text}' ends below its start: expected the lower end first`,
    );
  }
  return { first, last };
}

const DURATION = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)$/;
const MILLISECONDS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * `500ms`, `10s`, `1.5s`, `2m`, `1h`.
 * @returns milliseconds, or null when `text` is no duration: a bare number has no unit
 */
export function parseDuration(text: string): number | null {
  const match = DURATION.exec(text);
  if (match === null) return null;
  const value = Number(match[1]) * (MILLISECONDS[match[2] ?? ''] ?? Number.NaN);
  return Number.isFinite(value) ? value : null;
}
