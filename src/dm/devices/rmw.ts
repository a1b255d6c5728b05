// SPDX-License-Identifier: GPL-2.0-only
// rmw: the ledger of read-modify-write instructions, in memory.
//
// Definition: one register of 4 bytes, at every 4-byte aligned offset of the range; narrower accesses
// see its low bytes, wider ones zeros above. Each read must be followed by exactly one write of
// the value read plus 1, modulo the width. A second read first is a repeated read; a write with no
// read before it is unpaired; any other value written is wrong. Whatever is written is kept.
import { sizeMask } from '../../util/bits.ts';
import { type DeviceWitness, type IoSize, RegisterDevice } from '../device.ts';
import type { DeviceFactory } from '../factory.ts';

interface RmwState {
  value: number;
  /** A read waits for its write. */
  open: boolean;
  reads: number;
  writes: number;
  repeatedReads: number;
  unpairedWrites: number;
  wrongValues: number;
}

const POWER_ON: RmwState = {
  value: 0,
  open: false,
  reads: 0,
  writes: 0,
  repeatedReads: 0,
  unpairedWrites: 0,
  wrongValues: 0,
};

export class Rmw extends RegisterDevice<RmwState> {
  constructor() {
    super('rmw', POWER_ON);
  }

  read(_offset: number, size: IoSize): number {
    const state = this.state;
    state.reads++;
    if (state.open) state.repeatedReads++;
    state.open = true;
    return (state.value & sizeMask(size)) >>> 0;
  }

  write(_offset: number, size: IoSize, value: number): void {
    const state = this.state;
    const mask = sizeMask(size);
    state.writes++;
    if (!state.open) state.unpairedWrites++;
    else if (((state.value + 1) & mask) >>> 0 !== value) state.wrongValues++;
    state.open = false;
    state.value = ((state.value & ~mask) | value) >>> 0;
  }

  /** `open` is true while an instruction is between its read and its write. */
  override witness(): DeviceWitness {
    const { value, open, reads, writes, repeatedReads, unpairedWrites, wrongValues } = this.state;
    return { value, open, reads, writes, repeatedReads, unpairedWrites, wrongValues };
  }
}

export const rmw: DeviceFactory = {
  name: 'rmw',
  summary: 'memory register that checks one read, then one write of that value plus 1',
  defaultRange: 'mmio:0xd1000-0xd1fff',
  create: () => new Rmw(),
};
