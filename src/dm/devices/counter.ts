// SPDX-License-Identifier: GPL-2.0-only
// counter: the device of the race. Each read answers one more than the last, starting at 1.
//
// Definition: every offset of the range, in ports or in memory, is the same register. A read of any
// width counts once and answers the count's low bits. A write changes nothing but is counted. The
// count is 64 bits wide in two words; a value that went by unseen cannot be read again.

import { type DeviceWitness, type HighWord, type IoSize, RegisterDevice } from '../device.ts';
import type { DeviceFactory } from '../factory.ts';

interface CounterState {
  low: number;
  high: number;
  writes: number;
}

export class Counter extends RegisterDevice<CounterState> {
  constructor() {
    super('counter', { low: 0, high: 0, writes: 0 });
  }

  read(_offset: number, size: IoSize, high: HighWord): number {
    const state = this.state;
    const low = (state.low + 1) >>> 0;
    state.low = low;
    if (low === 0) state.high = (state.high + 1) >>> 0;
    if (size === 8) high.hi = state.high;
    return low;
  }

  write(): void {
    this.state.writes++;
  }

  /** `readsServed`: exact up to 2^53. */
  override witness(): DeviceWitness {
    const { low, high, writes } = this.state;
    return { readsServed: high * 2 ** 32 + low, writesServed: writes };
  }
}

export const counter: DeviceFactory = {
  name: 'counter',
  summary: 'each read answers one more than the last, starting at 1',
  defaultRange: '0x200-0x207',
  defaultMmioRange: 'mmio:0xd0000-0xd0fff',
  create: () => new Counter(),
};
