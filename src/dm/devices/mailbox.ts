// SPDX-License-Identifier: GPL-2.0-only
// mailbox: a device whose writes may wait and whose count is published, and a witness of their order.
//
// Definition, by offset: 0 to 3 takes writes, of any width and posted; a read there answers a digest of all of them in
// their order. 4 to 7 is the number of writes taken, published as a whole; writes there are dropped.
import { type DeviceState, type DeviceWitness, type IoSize, RegisterDevice } from '../device.ts';
import type { DeviceFactory } from '../factory.ts';
import { type OffsetRange, PublishedRegister } from '../published.ts';

/** FNV-1a's. */
const START = 0x811c9dc5;
const PRIME = 0x01000193;
const COUNT = 4;

export class Mailbox extends RegisterDevice<{ digest: number; taken: number; dropped: number }> {
  readonly posted: readonly OffsetRange[] = [{ first: 0, last: COUNT - 1 }];
  readonly published: readonly PublishedRegister[];
  readonly #count = new PublishedRegister(COUNT, 4, 0);

  constructor() {
    super('mailbox', { digest: START, taken: 0, dropped: 0 });
    this.published = [this.#count];
  }

  /** Each register again every four bytes of its own; beyond the registers 0. */
  read(offset: number): number {
    if (offset >= 2 * COUNT) return 0;
    const { digest, taken } = this.state;
    return (offset < COUNT ? digest : taken) >>> (8 * (offset % COUNT));
  }

  write(offset: number, size: IoSize, value: number, valueHigh: number): void {
    const { state } = this;
    if (offset >= COUNT) {
      state.dropped = (state.dropped + 1) >>> 0;
      return;
    }
    // Value, place and width count: what is lost, doubled or exchanged shows.
    const whole = value ^ Math.imul(valueHigh, PRIME);
    const mixed = Math.imul(state.digest ^ whole, PRIME) ^ (offset << 8) ^ size;
    state.digest = Math.imul(mixed, PRIME) >>> 0;
    state.taken = (state.taken + 1) >>> 0;
    this.#count.value = state.taken;
  }

  override reset(): void {
    super.reset();
    this.#count.value = this.state.taken;
  }

  override restore(saved: DeviceState): void {
    super.restore(saved);
    this.#count.value = this.state.taken;
  }

  override witness(): DeviceWitness {
    return { writesTaken: this.state.taken, writesDropped: this.state.dropped };
  }
}

export const mailbox: DeviceFactory = {
  name: 'mailbox',
  summary: 'takes writes that may wait, publishes their number, reads: a digest of them',
  defaultRange: '0x228-0x22f',
  defaultMmioRange: 'mmio:0xd3000-0xd3fff',
  create: () => new Mailbox(),
};
