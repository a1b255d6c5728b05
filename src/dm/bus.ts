// SPDX-License-Identifier: GPL-2.0-only
// The ranges of one ioreq server and the devices behind them.
import { sizeMask } from '../util/bits.ts';
import { HvmError } from '../util/errors.ts';
import type { Device, HighWord, IoSize } from './device.ts';
import { checkIoRange, formatIoRange, type IoRange, type IoSpace, rangesOverlap } from './range.ts';

/** A device in its place. */
export interface Attachment {
  readonly device: Device;
  readonly range: IoRange;
  /** `name@range`, which tells it from every other of its machine. */
  readonly label: string;
}

/**
 * Routes an access to the device whose range holds all of it. An access nobody claims, or one that
 * leaves its device's range, reads as all ones and is counted; a write like that is dropped.
 */
export class Bus {
  /** Accesses served by no device, since `resetCounts()`. */
  misses = 0;
  /** The high half of the last read's answer; 0 unless its size was 8. */
  readonly high: HighWord = { hi: 0 };
  readonly #pio: Attachment[] = [];
  readonly #mmio: Attachment[] = [];
  #lastPio: Attachment | null = null;
  #lastMmio: Attachment | null = null;
  #all: readonly Attachment[] = [];

  /** Every device with its range, ports first, each kind in order of attachment. */
  get attachments(): readonly Attachment[] {
    return this.#all;
  }

  /**
   * @throws HvmError HVM_RANGE when the range leaves its space
   * @throws HvmError HVM_RANGE_OVERLAP when another device of this bus claims part of it
   */
  attach(device: Device, range: IoRange): void {
    checkIoRange(range);
    const list = this.#list(range.space);
    for (const other of list) refuseOverlap(device.name, range, other.device.name, other.range);
    list.push({ device, range, label: `${device.name}@${formatIoRange(range)}` });
    this.#all = [...this.#pio, ...this.#mmio];
  }

  /** All ones when nobody is there. `high` holds the upper half of an 8-byte answer. */
  read(space: IoSpace, addr: number, size: IoSize): number {
    const found = this.#find(space, addr, size);
    const high = this.high;
    if (found === null) {
      this.misses++;
      high.hi = size === 8 ? 0xffffffff : 0;
      return sizeMask(size);
    }
    high.hi = 0;
    const value = found.device.read(addr - found.range.start, size, high);
    if (size !== 8) {
      high.hi = 0;
      return (value & sizeMask(size)) >>> 0;
    }
    high.hi >>>= 0;
    return value >>> 0;
  }

  /** Dropped when nobody is there. The value is cut to `size`. */
  write(space: IoSpace, addr: number, size: IoSize, value: number, valueHigh: number): void {
    const found = this.#find(space, addr, size);
    if (found === null) {
      this.misses++;
      return;
    }
    found.device.write(
      addr - found.range.start,
      size,
      (value & sizeMask(size)) >>> 0,
      size === 8 ? valueHigh >>> 0 : 0,
    );
  }

  /** The device that all of an access goes to, now and from now on; null: none yet. */
  attachmentAt(space: IoSpace, addr: number, size: number): Attachment | null {
    return this.#find(space, addr, size);
  }

  resetCounts(): void {
    this.misses = 0;
  }

  #list(space: IoSpace): Attachment[] {
    return space === 'pio' ? this.#pio : this.#mmio;
  }

  // The last hit is nearly always the next one; a handful of devices need no better index.
  #find(space: IoSpace, addr: number, size: number): Attachment | null {
    const last = space === 'pio' ? this.#lastPio : this.#lastMmio;
    if (last !== null && addr >= last.range.start && addr + size - 1 <= last.range.end) return last;
    const list = this.#list(space);
    for (let i = 0; i < list.length; i++) {
      const entry = list[i] as Attachment;
      if (addr < entry.range.start || addr + size - 1 > entry.range.end) continue;
      if (space === 'pio') this.#lastPio = entry;
      else this.#lastMmio = entry;
      return entry;
    }
    return null;
  }
}

/**
 * Refuses two devices on one address, naming both.
 * @throws HvmError HVM_RANGE_OVERLAP
 */
export function refuseOverlap(name: string, range: IoRange, other: string, taken: IoRange): void {
  if (!rangesOverlap(range, taken)) return;
  throw new HvmError(
    'HVM_RANGE_OVERLAP',
    `${range.space === 'pio' ? 'port' : 'memory'} range ${formatIoRange(range)} of '${name}' ` +
      `overlaps ${formatIoRange(taken)} of '${other}'`,
    { details: { device: name, range: { ...range }, other, otherRange: { ...taken } } },
  );
}
