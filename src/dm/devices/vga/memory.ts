// SPDX-License-Identifier: GPL-2.0-only
// Video memory: four planes of 64 KiB, the graphics controller's way to them, and when they are as good as plain RAM.
//
// The four planes lie interleaved: byte 4 i + p is plane p at address i. So chained (mode 13h) memory is linear, and
// the pairs of text memory are the first two of each four. Chained and odd/even addresses are packed, not spread
// over the planes as the chip does; a program sees that only if it looks at one mode's memory in the other.
import * as R from './registers.ts';

export const MEMORY_BYTES = 0x40000;
export const APERTURE = 0xa0000;
export const APERTURE_BYTES = 0x20000;
const PLANE_BYTES = 0x10000;

/** Where memory answers, from 0xA0000; by GC_MISC bits 3-2. */
const MAPS = [
  { base: 0, bytes: 0x20000 },
  { base: 0, bytes: 0x10000 },
  { base: 0x10000, bytes: 0x8000 },
  { base: 0x18000, bytes: 0x8000 },
] as const;

/** A part of the aperture that is plain RAM. */
export interface PlainPart {
  /** From 0xA0000. */
  readonly base: number;
  readonly bytes: number;
  /** Bytes are chained over all planes, or in pairs over the first two. */
  readonly chained: boolean;
}

function mapOf(state: R.VgaState): { readonly base: number; readonly bytes: number } {
  return MAPS[(((state.gc[R.GC_MISC] ?? 0) >> 2) & 3) as 0 | 1 | 2 | 3];
}

const isChained = (state: R.VgaState): boolean =>
  ((state.seq[R.SEQ_MEMORY] ?? 0) & R.MEMORY_CHAIN4) !== 0;
const isOddEven = (state: R.VgaState): boolean =>
  ((state.seq[R.SEQ_MEMORY] ?? 0) & R.MEMORY_SEQUENTIAL) === 0;

/** The part of the aperture whose reads and writes do nothing but store and load a byte; null: none. */
export function plainPart(state: R.VgaState): PlainPart | null {
  const { gc, seq, misc } = state;
  const map = mapOf(state);
  if ((misc & R.MISC_RAM) === 0 || map.bytes > PLANE_BYTES) return null;
  const mode = gc[R.GC_MODE] ?? 0;
  const straight =
    (mode & 0x0b) === 0 &&
    gc[R.GC_ENABLE_SET_RESET] === 0 &&
    gc[R.GC_ROTATE] === 0 &&
    gc[R.GC_BIT_MASK] === 0xff;
  if (!straight) return null;
  const mask = seq[R.SEQ_MAP_MASK];
  if (isChained(state)) return mask === 0x0f ? { ...map, chained: true } : null;
  const pairs = isOddEven(state) && (mode & 0x10) !== 0;
  return pairs && mask === 0x03 && gc[R.GC_READ_MAP] === 0 ? { ...map, chained: false } : null;
}

/** Index into the interleaved planes of byte `at` of a plain part. */
const plainIndex = (at: number, chained: boolean): number =>
  chained ? at : ((at & ~1) << 1) | (at & 1);

/** Moves what a plain part holds from RAM into the planes. @param ram - the aperture */
export function pull(planes: Uint8Array, ram: Uint8Array, part: PlainPart): void {
  for (let at = 0; at < part.bytes; at++) {
    planes[plainIndex(at, part.chained)] = ram[part.base + at] ?? 0;
  }
}

/** The other way. */
export function push(planes: Uint8Array, ram: Uint8Array, part: PlainPart): void {
  for (let at = 0; at < part.bytes; at++) {
    ram[part.base + at] = planes[plainIndex(at, part.chained)] ?? 0;
  }
}

/** Address inside the memory's map, or -1: nobody answers there. @param offset - from 0xA0000 */
function inside(state: R.VgaState, offset: number): number {
  const { base, bytes } = mapOf(state);
  if ((state.misc & R.MISC_RAM) === 0 || offset < base || offset >= base + bytes) return -1;
  return (offset - base) & (PLANE_BYTES - 1);
}

/** One byte read by the CPU. */
export function readByte(state: R.VgaState, planes: Uint8Array, offset: number): number {
  const at = inside(state, offset);
  if (at < 0) return 0xff;
  const mode = state.gc[R.GC_MODE] ?? 0;
  const map = state.gc[R.GC_READ_MAP] ?? 0;
  let cell = at;
  let plane = map & 3;
  if (isChained(state)) {
    cell = at >> 2;
    plane = at & 3;
  } else if ((mode & 0x10) !== 0) {
    cell = at >> 1;
    plane = (map & 2) | (at & 1);
  }
  const { latch } = state;
  for (let p = 0; p < 4; p++) latch[p] = planes[4 * cell + p] ?? 0;
  if ((mode & R.MODE_READ_COMPARE) === 0) return latch[plane] ?? 0;
  // Read mode 1: a bit for each pixel that has the colour asked for in the planes that count.
  let differs = 0;
  for (let p = 0; p < 4; p++) {
    if (((state.gc[R.GC_DONT_CARE] ?? 0) >> p) & 1) {
      const wanted = ((state.gc[R.GC_COMPARE] ?? 0) >> p) & 1 ? 0xff : 0;
      differs |= (latch[p] ?? 0) ^ wanted;
    }
  }
  return ~differs & 0xff;
}

/** The graphics controller's result for plane `p`, by write mode 0 to 3. */
function combined(state: R.VgaState, value: number, p: number): number {
  const { gc, latch } = state;
  const held = latch[p] ?? 0;
  const mode = (gc[R.GC_MODE] ?? 0) & 3;
  if (mode === 1) return held;
  const rotate = (gc[R.GC_ROTATE] ?? 0) & 7;
  const rotated = ((value >> rotate) | (value << (8 - rotate))) & 0xff;
  const bit = (register: number): boolean => (((gc[register] ?? 0) >> p) & 1) !== 0;
  let mask = gc[R.GC_BIT_MASK] ?? 0;
  let data = rotated;
  if (mode === 0 && bit(R.GC_ENABLE_SET_RESET)) data = bit(R.GC_SET_RESET) ? 0xff : 0;
  if (mode === 2) data = (value >> p) & 1 ? 0xff : 0;
  if (mode === 3) {
    mask &= rotated;
    data = bit(R.GC_SET_RESET) ? 0xff : 0;
  }
  switch (((gc[R.GC_ROTATE] ?? 0) >> 3) & 3) {
    case 1:
      data &= held;
      break;
    case 2:
      data |= held;
      break;
    case 3:
      data ^= held;
      break;
    default:
  }
  return (data & mask) | (held & ~mask & 0xff);
}

/** One byte written by the CPU. */
export function writeByte(
  state: R.VgaState,
  planes: Uint8Array,
  offset: number,
  value: number,
): void {
  const at = inside(state, offset);
  if (at < 0) return;
  let cell = at;
  let chosen = 0x0f;
  if (isChained(state)) {
    cell = at >> 2;
    chosen = 1 << (at & 3);
  } else if (isOddEven(state)) {
    cell = at >> 1;
    chosen = at & 1 ? 0x0a : 0x05;
  }
  chosen &= state.seq[R.SEQ_MAP_MASK] ?? 0;
  for (let p = 0; p < 4; p++) {
    if ((chosen >> p) & 1) planes[4 * cell + p] = combined(state, value, p);
  }
}
