// SPDX-License-Identifier: GPL-2.0-only
// sequence: the ledger of writes. Each value written must be the last one plus 1, starting at 1.
//
// Definition: a write at any offset is one more value. A value of w bytes is compared modulo 2^(8w)
// with the last one accepted: the same again is a duplicate, further ahead means the values between
// are lost, behind is out of order (and does not move the register). A read at offset 0 to 3 answers
// the last value, at 4 and above the number of violations so far, so that the guest can check itself.
import { type DeviceWitness, type HighWord, type IoSize, RegisterDevice } from '../device.ts';
import type { DeviceFactory } from '../factory.ts';

interface SequenceState {
  /** Highest value accepted; exact below 2^53. */
  last: number;
  writes: number;
  lost: number;
  duplicated: number;
  outOfOrder: number;
}

export class Sequence extends RegisterDevice<SequenceState> {
  constructor() {
    super('sequence', { last: 0, writes: 0, lost: 0, duplicated: 0, outOfOrder: 0 });
  }

  read(offset: number, size: IoSize, high: HighWord): number {
    if (offset >= 4) return this.#violations() >>> 0;
    if (size === 8) high.hi = Math.floor(this.state.last / 2 ** 32);
    return this.state.last >>> 0;
  }

  write(_offset: number, size: IoSize, value: number, valueHigh: number): void {
    const state = this.state;
    state.writes++;
    const ahead = distance(state.last, size, value, valueHigh);
    if (ahead === 1) state.last++;
    else if (ahead === 0) state.duplicated++;
    else if (ahead < 0) state.outOfOrder++;
    else {
      state.lost += ahead - 1;
      state.last += ahead;
    }
  }

  #violations(): number {
    const { lost, duplicated, outOfOrder } = this.state;
    return lost + duplicated + outOfOrder;
  }

  override witness(): DeviceWitness {
    const { last, writes, lost, duplicated, outOfOrder } = this.state;
    return { writesServed: writes, last, lost, duplicated, outOfOrder };
  }
}

/** How far the written value lies ahead of `last`, signed, in the ring of the access's width. */
function distance(last: number, size: IoSize, value: number, valueHigh: number): number {
  if (size === 8) {
    const ahead = valueHigh * 2 ** 32 + value - last;
    // The register holds numbers below 2^53: anything that would leave them is no successor.
    return Number.isSafeInteger(last + ahead) ? ahead : -1;
  }
  const ring = 2 ** (8 * size);
  const ahead = (value - (last % ring) + ring) % ring;
  return ahead < ring / 2 ? ahead : ahead - ring;
}

export const sequence: DeviceFactory = {
  name: 'sequence',
  summary: 'checks that each value written is the last one plus 1',
  defaultRange: '0x210-0x217',
  create: () => new Sequence(),
};
