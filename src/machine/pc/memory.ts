// SPDX-License-Identifier: GPL-2.0-only
// The memory map of a PC: 640 KiB, the display's window, ROMs up to 1 MiB, more RAM, the BIOS again below 4 GiB.
import type { RamSegment } from '../../cpu/unicorn.ts';
import { HvmError } from '../../util/errors.ts';
import { hex } from '../../util/hex.ts';
import type { Piece } from '../image-formats.ts';
import type { PcConfig } from './config.ts';

export const CONVENTIONAL_END = 0xa0000;
export const ROM_START = 0xc0000;
export const MEGABYTE = 0x100000;
const DOS_ROM = 0xca000;
const FOUR_GIB = 2 ** 32;
const LEGACY_BIOS = 0x10000;
const PAGE = 4096;

/** ROM images and where they go. */
export interface PcRoms {
  /** Ends at 1 MiB; 128 KiB of it at most are seen there, all of it at the top of 4 GiB. */
  readonly bios: Uint8Array;
  /** At C0000; null: none. */
  readonly vgaBios: Uint8Array | null;
  /** An option ROM at CA000 whose bytes need not sum to 0 yet; absent or null: none. */
  readonly dos?: Uint8Array | null;
}

/** Most that a PC may have: below the last 16 MiB of the first 2 GiB nothing else lies. */
const LARGEST = 2 ** 31;
const SMALLEST = 2 * MEGABYTE;

/** @throws HvmError HVM_MEMORY for a size that no PC has here */
export function checkPcMemory(memoryBytes: number): void {
  if (memoryBytes % 0x10000 === 0 && memoryBytes >= SMALLEST && memoryBytes <= LARGEST) return;
  throw new HvmError(
    'HVM_MEMORY',
    `${memoryBytes} bytes of memory for a PC: expected a multiple of 64 KiB from 2 MiB to 2 GiB`,
  );
}

/** Where RAM ends: behind it in memory lie an option ROM and the flash chip, which are not mapped there. */
export function ramEnd(
  memoryBytes: number,
  config: Pick<PcConfig, 'flashBytes' | 'optionRom'>,
): number {
  const rom = Math.ceil(config.optionRom.bytes / PAGE) * PAGE;
  return memoryBytes - config.flashBytes - rom;
}

/** The ROMs as pieces in memory; nothing between them reads as FF. */
export function romPieces(
  roms: PcRoms,
  memoryBytes: number,
  config: Pick<PcConfig, 'flashBytes' | 'shadow' | 'optionRom'>,
): Piece[] {
  const { bios, vgaBios } = roms;
  const low = Math.min(bios.length, 2 * LEGACY_BIOS);
  const area = new Uint8Array(MEGABYTE - ROM_START).fill(0xff);
  if (vgaBios !== null && config.optionRom.bytes === 0) area.set(vgaBios, 0);
  area.set(bios.subarray(bios.length - low), area.length - low);
  if (roms.dos) area.set(summedToZero(roms.dos), DOS_ROM - ROM_START);
  const readOnly = !config.shadow;
  const pieces: Piece[] = [{ what: 'ROMs', gpa: ROM_START, bytes: area, readOnly }];
  if (vgaBios !== null && config.optionRom.bytes > 0) {
    const gpa = ramEnd(memoryBytes, config);
    pieces.push({ what: 'option ROM', gpa, bytes: vgaBios, readOnly: true });
  }
  if (config.flashBytes > 0) {
    pieces.push({
      what: 'BIOS',
      gpa: memoryBytes - config.flashBytes,
      bytes: bios,
      readOnly: true,
    });
  }
  return pieces;
}

/** The last byte makes the sum of all of them 0, as a BIOS wants it of option ROMs. */
function summedToZero(rom: Uint8Array): Uint8Array {
  const summed = rom.slice();
  const sum = rom.subarray(0, -1).reduce((a, b) => a + b, 0);
  summed[rom.length - 1] = -sum & 0xff;
  return summed;
}

/** Refuses a ROM that has no place. @throws HvmError HVM_GUEST_TOO_LARGE, HVM_GUEST_FORMAT */
export function checkRoms({ bios, vgaBios }: PcRoms, names: { bios: string; vga: string }): void {
  if (bios.length > 4 * MEGABYTE || bios.length % 4096 !== 0 || bios.length < LEGACY_BIOS) {
    throw new HvmError(
      'HVM_GUEST_FORMAT',
      `${names.bios} is no BIOS: expected 64 KiB to 4 MiB in whole pages, it has ${bios.length} bytes`,
    );
  }
  if (vgaBios === null) return;
  const most = 0x10000;
  if (vgaBios.length > most || vgaBios[0] !== 0x55 || vgaBios[1] !== 0xaa) {
    throw new HvmError(
      'HVM_GUEST_FORMAT',
      `${names.vga} is no VGA BIOS: expected at most ${hex(most)} bytes that begin with 55 aa`,
    );
  }
}

/** Which guest-physical memory is RAM or ROM. */
export function pcSegments(memoryBytes: number, config: PcConfig): RamSegment[] {
  const { shadow, flashBytes } = config;
  const same = (from: number, to: number, writable: boolean): RamSegment => ({
    gpa: from,
    bytes: to - from,
    offset: from,
    writable,
  });
  const top = flashBytes === 0 ? LEGACY_BIOS : flashBytes;
  const offset = flashBytes === 0 ? MEGABYTE - LEGACY_BIOS : memoryBytes - flashBytes;
  return [
    same(0, CONVENTIONAL_END, true),
    same(CONVENTIONAL_END, ROM_START, true),
    same(ROM_START, MEGABYTE, shadow),
    same(MEGABYTE, ramEnd(memoryBytes, config), true),
    { gpa: FOUR_GIB - top, bytes: top, offset, writable: false },
  ];
}
