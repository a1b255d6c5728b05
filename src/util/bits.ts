// SPDX-License-Identifier: GPL-2.0-only
// Unsigned arithmetic on 32 bits and below: masks by access size, sign, alignment.

/** The low 32 bits of `value`, unsigned. */
export function u32(value: number): number {
  return value >>> 0;
}

/** The low 16 bits of `value`, unsigned. */
export function u16(value: number): number {
  return value & 0xffff;
}

/** The low 8 bits of `value`, unsigned. */
export function u8(value: number): number {
  return value & 0xff;
}

/**
 * All bits an access of `sizeBytes` can hold within one 32-bit word.
 * @param sizeBytes - 1, 2 or 4; larger sizes fill the word (the high half is a second word)
 */
export function sizeMask(sizeBytes: number): number {
  return sizeBytes >= 4 ? 0xffffffff : ((1 << (8 * sizeBytes)) - 1) >>> 0;
}

/** `value` cut to the low `sizeBytes` bytes (at most four), unsigned. */
export function truncate(value: number, sizeBytes: number): number {
  return (value & sizeMask(sizeBytes)) >>> 0;
}

/** Reads the low `sizeBytes` bytes (1, 2 or 4) of `value` as a two's complement number. */
export function signExtend(value: number, sizeBytes: number): number {
  const shift = 32 - 8 * Math.min(sizeBytes, 4);
  return (value << shift) >> shift;
}

/**
 * Largest multiple of `alignment` that is not above `value`. Exact up to 2^53.
 * @param alignment - a positive integer
 */
export function alignDown(value: number, alignment: number): number {
  return value - (value % alignment);
}

/** Smallest multiple of `alignment` that is not below `value`. Exact up to 2^53. */
export function alignUp(value: number, alignment: number): number {
  return alignDown(value + alignment - 1, alignment);
}

/** Whether `value` is a multiple of `alignment`. */
export function isAligned(value: number, alignment: number): boolean {
  return value % alignment === 0;
}

/** Whether exactly one bit of the non-negative safe integer `value` is set. */
export function isPowerOfTwo(value: number): boolean {
  const high = Math.floor(value / 2 ** 32);
  const low = value >>> 0;
  const one = (word: number): boolean => word !== 0 && (word & (word - 1)) === 0;
  return high === 0 ? one(low) : low === 0 && one(high);
}
