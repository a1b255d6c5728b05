// SPDX-License-Identifier: GPL-2.0-only
// cmos: the battery-backed RAM behind the clock, ports 70h and 71h, registers 14 to 127. The clock is the monitor's.
//
// Data sheet: Motorola MC146818A; contents after IBM PC/AT Technical Reference, March 1986, "CMOS RAM".
import type { IoSize } from '../device.ts';
import { RegisterDevice } from '../device.ts';
import { readBytes, writeBytes } from './board.ts';

const BYTES = 128;
const FIRST = 14;

/** What the RAM says of the machine at power-on. */
export interface CmosContents {
  /** RAM below A0000, and from 1 MiB up, bytes. */
  conventionalBytes: number;
  extendedBytes: number;
  /** Drive types: 0 none, 1 360K, 2 1.2M, 3 720K, 4 1.44M, 5 2.88M. */
  floppies: readonly [number, number];
  disks: number;
  century: number;
  bootFromDisk: boolean;
}

/** The bytes by register; 0 to 13 stay 0. */
export function cmosBytes(contents: CmosContents): number[] {
  const ram = new Array<number>(BYTES).fill(0);
  const word = (at: number, value: number): void => {
    ram[at] = value & 0xff;
    ram[at + 1] = (value >>> 8) & 0xff;
  };
  const { floppies, disks, extendedBytes, century } = contents;
  const drives = floppies.filter((type) => type !== 0).length;
  ram[0x10] = (floppies[0] << 4) | floppies[1];
  // Types above 14 have a register of their own; 47: the user's.
  ram[0x12] = (disks > 0 ? 0xf0 : 0) | (disks > 1 ? 0x0f : 0);
  ram[0x19] = disks > 0 ? 47 : 0;
  ram[0x1a] = disks > 1 ? 47 : 0;
  // Floppies, FPU, 80-column display with its own BIOS.
  ram[0x14] = (drives > 0 ? 1 | ((drives - 1) << 6) : 0) | 0x02;
  word(0x15, contents.conventionalBytes >>> 10);
  const extendedKib = Math.min(extendedBytes >>> 10, 0xffff);
  word(0x17, extendedKib);
  word(0x30, extendedKib);
  // Above 16 MiB in units of 64 KiB.
  word(0x34, Math.max(0, extendedBytes - 0xf00000) >>> 16);
  ram[0x32] = (Math.floor(century / 10) << 4) | (century % 10);
  // SeaBIOS: the order of boot devices, 1 floppy, 2 disk; and no look at a floppy's signature.
  ram[0x3d] = contents.bootFromDisk ? 0x12 : 0x21;
  ram[0x38] = 0x01;
  let sum = 0;
  for (let i = 0x10; i <= 0x2d; i++) sum += ram[i] ?? 0;
  ram[0x2e] = (sum >>> 8) & 0xff;
  ram[0x2f] = sum & 0xff;
  return ram;
}

export class Cmos extends RegisterDevice<{ index: number; ram: number[] }> {
  constructor(contents: CmosContents) {
    super('cmos', { index: 0, ram: cmosBytes(contents) });
  }

  read(offset: number, size: IoSize): number {
    const { state } = this;
    return readBytes(size, (i) => (offset + i === 1 ? (state.ram[state.index] ?? 0xff) : 0xff));
  }

  // The clock's registers are not here; the monitor keeps accesses to them, and a loose index is harmless.
  write(offset: number, size: IoSize, value: number): void {
    const { state } = this;
    writeBytes(size, value, (i, byte) => {
      if (offset + i === 0) state.index = byte & 0x7f;
      else if (offset + i === 1 && state.index >= FIRST) state.ram[state.index] = byte;
    });
  }
}
