// SPDX-License-Identifier: GPL-2.0-only
// Which guest-physical memory is RAM: everything up to the size of memory but the pages of memory-mapped devices.
import type { RamSegment } from '../cpu/unicorn.ts';
import { HvmError } from '../util/errors.ts';
import { hex } from '../util/hex.ts';
import type { Piece } from './image-formats.ts';

const PAGE = 4096;
/** The reset vector's alias of the last 64 KiB of the first megabyte. */
const ROM_BASE = 0xf0000;
const ROM_ALIAS = 0xffff0000;
const ROM_BYTES = 0x10000;

/** A stretch of guest-physical memory that belongs to a device, inclusive. */
export interface DevicePages {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** Page numbers `[first, last]` of every device, sorted. */
function devicePages(devices: readonly DevicePages[]): [number, number][] {
  return devices
    .map((d): [number, number] => [Math.floor(d.start / PAGE), Math.floor(d.end / PAGE)])
    .sort((a, b) => a[0] - b[0]);
}

/**
 * The RAM segments of a machine.
 * @param memoryBytes - a multiple of 4096
 * @throws HvmError HVM_RANGE_OVERLAP when a piece of the image lies on a device's page
 * @throws HvmError HVM_MEMORY when devices leave no RAM
 */
export function ramSegments(
  memoryBytes: number,
  devices: readonly DevicePages[],
  pieces: readonly Piece[],
): RamSegment[] {
  for (const { what, gpa, bytes } of pieces) {
    for (const d of devices) {
      const first = Math.floor(d.start / PAGE) * PAGE;
      const end = (Math.floor(d.end / PAGE) + 1) * PAGE;
      if (gpa < end && gpa + bytes.length > first) {
        throw new HvmError(
          'HVM_RANGE_OVERLAP',
          `${what} at ${hex(gpa)}-${hex(gpa + bytes.length - 1)} overlaps the memory pages of '${d.name}' (${hex(first)}-${hex(end - 1)})`,
        );
      }
    }
  }
  const segments: RamSegment[] = [];
  let at = 0;
  const add = (end: number): void => {
    if (end > at) segments.push({ gpa: at, bytes: end - at, offset: at, writable: true });
  };
  for (const [first, last] of devicePages(devices)) {
    if (first * PAGE >= memoryBytes) break;
    add(Math.min(first * PAGE, memoryBytes));
    at = Math.max(at, (last + 1) * PAGE);
  }
  add(memoryBytes);
  if (segments.length === 0) {
    throw new HvmError('HVM_MEMORY', 'memory-mapped devices cover all of guest memory');
  }
  const covers = segments.some((s) => s.gpa <= ROM_BASE && s.gpa + s.bytes >= ROM_BASE + ROM_BYTES);
  if (covers) {
    segments.push({ gpa: ROM_ALIAS, bytes: ROM_BYTES, offset: ROM_BASE, writable: false });
  }
  return segments;
}
