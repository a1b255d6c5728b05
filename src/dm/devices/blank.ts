// SPDX-License-Identifier: GPL-2.0-only
// blank: a device with nothing behind it, for measuring the way to a device and back.
//
// Definition: reads answer 0, writes are dropped; both are counted. From offset 4 on, writes may wait; the four bytes at
// offset 4 are published, and reads of them as a whole are not counted.
import { type DeviceWitness, type IoSize, RegisterDevice } from '../device.ts';
import type { DeviceFactory } from '../factory.ts';
import { type OffsetRange, PublishedRegister } from '../published.ts';

const STAYING = 4;

export class Blank extends RegisterDevice<{ reads: number; writes: number }> {
  readonly posted: readonly OffsetRange[] = [{ first: STAYING, last: 0xfff }];
  readonly published: readonly PublishedRegister[] = [new PublishedRegister(STAYING, 4, 0)];

  constructor() {
    super('blank', { reads: 0, writes: 0 });
  }

  read(offset: number, size: IoSize): number {
    // For what is published nobody need be asked: that is not counted.
    if (offset !== STAYING || size !== 4) this.state.reads++;
    return 0;
  }

  write(): void {
    this.state.writes++;
  }

  readMany(_offset: number, size: IoSize, into: Uint8Array): void {
    this.state.reads += into.length / size;
    into.fill(0);
  }

  writeMany(_offset: number, size: IoSize, from: Uint8Array): void {
    this.state.writes += from.length / size;
  }

  override witness(): DeviceWitness {
    return { readsServed: this.state.reads, writesServed: this.state.writes };
  }
}

export const blank: DeviceFactory = {
  name: 'blank',
  summary: 'reads answer 0, writes are dropped: for benchmarks',
  defaultRange: '0x220-0x227',
  defaultMmioRange: 'mmio:0xd2000-0xd2fff',
  create: () => new Blank(),
};
