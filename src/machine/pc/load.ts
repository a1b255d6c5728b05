// SPDX-License-Identifier: GPL-2.0-only
// From images on the host to a guest that is a whole PC: ROMs, floppies, disks.
import { floppyFormat } from '../../dm/devices/floppy-formats.ts';
import { HvmError } from '../../util/errors.ts';
import type { LoadedGuest } from '../loaded-guest.ts';
import type { DosConfig, MediumConfig, PcConfig } from './config.ts';
import { readMedium } from './media.ts';
import { checkPcMemory, checkRoms, romPieces } from './memory.ts';
import type { ScriptStep } from './script.ts';

/** A ROM and the name it is printed under. */
export interface Rom {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a PC is asked for. */
export interface PcOptions {
  readonly bios: Rom;
  readonly vgaBios?: Rom | null;
  /** The BIOS writes where it lies and wants all of itself below 4 GiB: SeaBIOS. */
  readonly shadow?: boolean;
  /** Images of drives A and B; null: an empty drive. */
  readonly floppies?: readonly (string | null)[];
  readonly disks?: readonly string[];
  /** Images are written to; else what is written stays in memory. */
  readonly writable?: boolean;
  /** 16 MiB unless said. */
  readonly memoryBytes?: number;
  /** Local time at power-on, seconds since 1970; 2020-01-01T12:00:00 unless said. */
  readonly startSeconds?: number;
  /** A program for the DOS services, and their ROM. */
  readonly dos?: { readonly rom: Rom; readonly config: DosConfig } | null;
  /** Typed at it, and waited for. */
  readonly script?: readonly ScriptStep[];
  /** For messages and reports. */
  readonly name?: string;
}

export const PC_MEMORY = 0x1000000;
export const PC_START_SECONDS = 1577880000;
/** As much of a BIOS is seen below 1 MiB; a larger one asks a host bridge for the rest. */
const WITHOUT_CHIP_SET = 0x20000;
/** No bound but the caller's. */
const NO_LIMIT = 2 ** 52;

/** @throws HvmError for images that are not there or cannot be what they are given as */
export function loadPc(options: PcOptions): LoadedGuest {
  const { bios, vgaBios = null, shadow = false, memoryBytes = PC_MEMORY } = options;
  const roms = {
    bios: bios.bytes,
    vgaBios: vgaBios?.bytes ?? null,
    dos: options.dos?.rom.bytes ?? null,
  };
  checkPcMemory(memoryBytes);
  checkRoms(roms, { bios: bios.name, vga: vgaBios?.name ?? '' });
  for (const [what, images] of [
    ['floppies', options.floppies],
    ['disks', options.disks],
  ] as const) {
    if ((images?.length ?? 0) <= 2) continue;
    throw new HvmError('HVM_USAGE', `${images?.length} ${what}: expected at most 2`);
  }
  const writable = options.writable ?? false;
  const flash = shadow || bios.bytes.length > 0x10000;
  const config: PcConfig = {
    bios: vgaBios === null ? bios.name : `${bios.name} with ${vgaBios.name}`,
    shadow,
    flashBytes: flash ? bios.bytes.length : 0,
    optionRom: {
      name: vgaBios?.name ?? '',
      bytes: shadow ? (vgaBios?.bytes.length ?? 0) : 0,
    },
    pci: bios.bytes.length > WITHOUT_CHIP_SET,
    startSeconds: options.startSeconds ?? PC_START_SECONDS,
    floppies: (options.floppies ?? []).map((p) => (p === null ? null : readFloppy(p, writable))),
    disks: (options.disks ?? []).map((p) => readMedium(p, writable)),
    dos: options.dos?.config ?? null,
    script: [...(options.script ?? [])],
  };
  const name = options.name ?? 'pc';
  return {
    name,
    path: '',
    format: 'rom',
    manifest: {
      name:
        name
          .toLowerCase()
          .replace(/[^a-z0-9-]+/g, '-')
          .replace(/^-+|-+$/g, '') || 'pc',
      purpose: 'A PC.',
      format: 'rom',
      memory: memoryBytes,
      vcpus: 1,
      devices: [],
      limits: { maxInstructions: NO_LIMIT },
      verdict: 'success',
      windows: [],
    },
    hasManifest: false,
    memoryBytes,
    pieces: romPieces(roms, memoryBytes, config),
    entry: { cs: 0xf000, ip: 0xfff0, ds: 0, es: 0, ss: 0, sp: 0, ax: 0, dx: 0, flags: 2 },
    blockBase: null,
    pc: config,
  };
}

function readFloppy(path: string, writable: boolean): MediumConfig {
  const medium = readMedium(path, writable);
  if (medium.bytes > 0 && floppyFormat(medium.bytes) !== null) return medium;
  throw new HvmError(
    'HVM_GUEST_FORMAT',
    `${path} is no floppy image: expected 160K to 2.88M in a usual format, it has ${medium.bytes} bytes`,
  );
}
