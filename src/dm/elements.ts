// SPDX-License-Identifier: GPL-2.0-only
// A REP INS or OUTS at a device: all elements at once where it offers that, else one after the other.
import type { Device, HighWord, IoSize } from './device.ts';

/** Reads one offset again and again until `into` is full. Its memory holds what was read when a device throws. */
export function readElements(device: Device, offset: number, size: IoSize, into: Uint8Array): void {
  if (device.readMany !== undefined) {
    device.readMany(offset, size, into);
    return;
  }
  const high: HighWord = { hi: 0 };
  for (let at = 0; at < into.length; at += size) {
    high.hi = 0;
    const value = device.read(offset, size, high);
    for (let i = 0; i < size; i++) into[at + i] = value >>> (8 * i);
  }
}

/** Writes all elements of `from` to one offset. */
export function writeElements(
  device: Device,
  offset: number,
  size: IoSize,
  from: Uint8Array,
): void {
  if (device.writeMany !== undefined) {
    device.writeMany(offset, size, from);
    return;
  }
  for (let at = 0; at < from.length; at += size) {
    let value = 0;
    for (let i = 0; i < size; i++) value |= (from[at + i] ?? 0) << (8 * i);
    device.write(offset, size, value >>> 0, 0);
  }
}
