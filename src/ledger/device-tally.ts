// SPDX-License-Identifier: GPL-2.0-only
// Which device an access belongs to: counts to compare with the devices' own, and whether missing
// repetitions of a REP may have gone to RAM instead.
import type { Access, LedgerDevice, Witness } from './events.ts';

const PAGE = 4096;

/** Where the latest request of an access index was. */
export interface LastPlace {
  addr: number;
  size: number;
  count: number;
}

/** Counts accesses per device name, by the ranges given at the start. */
export class DeviceTally {
  readonly #devices: readonly LedgerDevice[];
  readonly #countOf: readonly Witness[];
  readonly #names = new Map<string, Witness>();
  #last = 0;

  constructor(devices: readonly LedgerDevice[]) {
    this.#devices = devices;
    this.#countOf = devices.map(({ name }) => {
      let count = this.#names.get(name);
      if (count === undefined) {
        count = { reads: 0, writes: 0 };
        this.#names.set(name, count);
      }
      return count;
    });
  }

  /** A tally that goes on on its own from here. */
  clone(): DeviceTally {
    const copy = new DeviceTally(this.#devices);
    copy.copyFrom(this);
    return copy;
  }

  /** Counts as `other` does, which is of the same devices. @returns false if it is not */
  copyFrom(other: DeviceTally): boolean {
    if (other.#devices !== this.#devices) return false;
    for (let i = 0; i < this.#countOf.length; i++) {
      const { reads, writes } = other.#countOf[i] as Witness;
      const mine = this.#countOf[i] as Witness;
      mine.reads = reads;
      mine.writes = writes;
    }
    return true;
  }

  /** Adds an issued request to its device; accesses outside all ranges belong to nobody. */
  count(a: Access): void {
    const index = this.#find(a.space, a.addr);
    if (index < 0) return;
    const counts = this.#countOf[index] as Witness;
    if (a.dir === 'r') counts.reads += a.count;
    else counts.writes += a.count;
  }

  /** `count()` of a single access. */
  countOne(isPort: boolean, isRead: boolean, addr: number): void {
    const index = this.#find(isPort ? 'pio' : 'mmio', addr);
    if (index < 0) return;
    const counts = this.#countOf[index] as Witness;
    if (isRead) counts.reads++;
    else counts.writes++;
  }

  /** One sentence for each device whose own count differs, is missing, or is of no such device. */
  compare(witnesses: Readonly<Record<string, Witness>>): string[] {
    const messages: string[] = [];
    for (const [name, { reads, writes }] of this.#names) {
      const own = Object.hasOwn(witnesses, name) ? witnesses[name] : undefined;
      if (own === undefined) messages.push(`device '${name}' gave no count of its own`);
      else if (own.reads !== reads || own.writes !== writes) {
        messages.push(
          `device '${name}' counted ${own.reads} reads and ${own.writes} writes, the ledger holds ${reads} and ${writes}`,
        );
      }
    }
    for (const name of Object.keys(witnesses)) {
      if (!this.#names.has(name)) messages.push(`device '${name}' is not named at the start`);
    }
    return messages;
  }

  /**
   * Whether repetitions between `last` and a later request may have left the device: only in
   * memory, and only when the element after `last`, or the one before `next`, is no device's or
   * lies on another page (which may map to anything).
   */
  mayHaveLeft(last: LastPlace, next: Access): boolean {
    if (next.space === 'pio' || this.#devices.length === 0) return false;
    const up = next.addr > last.addr ? 1 : -1;
    return (
      this.#leaves(last.addr, last.addr + up * last.size * last.count) ||
      this.#leaves(next.addr, next.addr - up * next.size)
    );
  }

  /** Whether repetitions before the first one seen may have been elsewhere. */
  mayHaveEntered(first: Access): boolean {
    if (first.space === 'pio' || this.#devices.length === 0) return false;
    return (
      this.#leaves(first.addr, first.addr - first.size) ||
      this.#leaves(first.addr, first.addr + first.size)
    );
  }

  #leaves(from: number, to: number): boolean {
    return this.#find('mmio', to) < 0 || Math.floor(to / PAGE) !== Math.floor(from / PAGE);
  }

  #find(space: string, addr: number): number {
    const devices = this.#devices;
    const last = devices[this.#last];
    if (last !== undefined && last.space === space && addr >= last.first && addr <= last.last) {
      return this.#last;
    }
    for (let i = 0; i < devices.length; i++) {
      const device = devices[i] as LedgerDevice;
      if (device.space === space && addr >= device.first && addr <= device.last) {
        this.#last = i;
        return i;
      }
    }
    return -1;
  }
}
