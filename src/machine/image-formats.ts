// SPDX-License-Identifier: GPL-2.0-only
// Where the bytes of each image format go, and the registers the CPU starts with.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HvmError } from '../util/errors.ts';
import { hex } from '../util/hex.ts';
import type { GuestFormat } from './guest-manifest.ts';

/** Bytes and their place in guest-physical memory. */
export interface Piece {
  /** For messages and listings: 'image', 'PSP'... */
  readonly what: string;
  readonly gpa: number;
  readonly bytes: Uint8Array;
  /** A ROM: the guest should not be able to change it. */
  readonly readOnly: boolean;
}

/** Real mode, 16 bits. Registers not named here are 0. */
export interface EntryRegisters {
  readonly cs: number;
  readonly ip: number;
  readonly ds: number;
  readonly es: number;
  readonly ss: number;
  readonly sp: number;
  readonly ax: number;
  readonly dx: number;
  /** Bit 1 is always set. */
  readonly flags: number;
}

interface SegOff {
  readonly seg: number;
  readonly off: number;
}

/** What laying out an image needs to know besides its bytes. */
export interface LayoutInput {
  /** For messages. */
  readonly path: string;
  readonly memoryBytes: number;
  /** Flat only. */
  readonly load: SegOff;
  readonly entry: SegOff;
  /** .COM only. */
  readonly commandLine: string;
  /** Folder of dos.bin. */
  readonly supportFolder: string;
}

/** Pieces, which of them is the image, and the registers. */
export interface Layout {
  readonly pieces: Piece[];
  readonly main: number;
  readonly entry: EntryRegisters;
}

const MEGABYTE = 0x100000;
const FLAGS = 0x0002;
const FLAGS_IF = 0x0202;
const BOOT_SECTOR = 512;
/** Lowest segment free on a DOS machine, more or less; the program gets all of its 64 KiB. */
const PSP_SEG = 0x1000;
const PSP_BYTES = 0x100;
/** Of the 64 KiB: the PSP before it, the word on the stack behind it. */
const COM_LIMIT = 0x10000 - PSP_BYTES - 2;
const DOS_SEG = 0x0060;
/** Top of the memory a DOS program may use. */
const CONVENTIONAL = 0xa0000;
/** C0000 to FFFFF: where a PC has its ROMs. */
const ROM_LIMIT = 0x40000;
const TAIL_LIMIT = 126;

/**
 * @throws HvmError HVM_GUEST_TOO_LARGE when a piece does not fit
 * @throws HvmError HVM_GUEST_FORMAT when the bytes cannot be of that format
 */
export function layOut(format: GuestFormat, image: Uint8Array, input: LayoutInput): Layout {
  const layout = BY_FORMAT[format](image, input);
  for (const { what, gpa, bytes } of layout.pieces) {
    if (gpa + bytes.length > input.memoryBytes) {
      throw tooLarge(
        input,
        image,
        `${what} of ${bytes.length} bytes at ${hex(gpa)} ends at ` +
          `${hex(gpa + bytes.length)}, guest memory at ${hex(input.memoryBytes)}`,
      );
    }
  }
  return layout;
}

const BY_FORMAT: Record<GuestFormat, (image: Uint8Array, input: LayoutInput) => Layout> = {
  flat,
  boot,
  com,
  rom,
};

function flat(image: Uint8Array, { load, entry }: LayoutInput): Layout {
  const gpa = load.seg * 16 + load.off;
  return {
    pieces: [{ what: 'image', gpa, bytes: image, readOnly: false }],
    main: 0,
    entry: {
      ...ZERO,
      cs: entry.seg,
      ip: entry.off,
      ds: load.seg,
      es: load.seg,
      ss: load.seg,
      // Below the image if there is room for a stack, else at the end of the segment.
      sp: load.off >= 0x400 ? load.off & 0xfffe : 0xfffe,
    },
  };
}

/** As a BIOS leaves things: first hard disk in DL, stack below the sector, interrupts on. */
function boot(image: Uint8Array, { path }: LayoutInput): Layout {
  const sector = image.slice(0, BOOT_SECTOR);
  if (sector.length < BOOT_SECTOR || sector[510] !== 0x55 || sector[511] !== 0xaa) {
    throw new HvmError(
      'HVM_GUEST_FORMAT',
      `${path} is no boot sector: expected ${BOOT_SECTOR} bytes ending in 55 aa, ` +
        (sector.length < BOOT_SECTOR
          ? `it has ${sector.length}`
          : `bytes 510 and 511 are ${hex(sector[510] as number)} ${hex(sector[511] as number)}`),
    );
  }
  return {
    pieces: [{ what: 'boot sector', gpa: 0x7c00, bytes: sector, readOnly: false }],
    main: 0,
    entry: { ...ZERO, ip: 0x7c00, sp: 0x7c00, dx: 0x80, flags: FLAGS_IF },
  };
}

/** All segments at the PSP, entry at 0x100, a zero word on the stack: RET ends at the PSP's INT 20h. */
function com(image: Uint8Array, input: LayoutInput): Layout {
  if (image.length > COM_LIMIT) {
    throw tooLarge(
      input,
      image,
      `a .COM program has at most ${COM_LIMIT} bytes, PSP and stack in the same 64 KiB`,
    );
  }
  const dos = readSupport(join(input.supportFolder, 'dos.bin'));
  const gpa = PSP_SEG * 16;
  const segment = new Uint8Array(0x10000);
  segment.set(psp(input));
  segment.set(image, PSP_BYTES);
  return {
    pieces: [
      { what: '.COM segment', gpa, bytes: segment, readOnly: false },
      { what: 'IVT', gpa: 0x20 * 4, bytes: dosVectors(dos), readOnly: false },
      { what: 'DOS stub', gpa: DOS_SEG * 16, bytes: dos, readOnly: false },
    ],
    main: 0,
    entry: {
      ...ZERO,
      cs: PSP_SEG,
      ip: PSP_BYTES,
      ds: PSP_SEG,
      es: PSP_SEG,
      ss: PSP_SEG,
      sp: 0xfffe,
      flags: FLAGS_IF,
    },
  };
}

/** Ends at the top of the first megabyte; the CPU starts at its reset vector there. */
function rom(image: Uint8Array, input: LayoutInput): Layout {
  if (image.length > ROM_LIMIT) {
    throw tooLarge(input, image, `a ROM has at most ${ROM_LIMIT} bytes, 0xc0000 to 0xfffff`);
  }
  if (image.length < 16) {
    throw new HvmError(
      'HVM_GUEST_FORMAT',
      `${input.path} is no ROM: expected at least 16 bytes, from the reset vector F000:FFF0 up`,
    );
  }
  return {
    pieces: [{ what: 'ROM', gpa: MEGABYTE - image.length, bytes: image, readOnly: true }],
    main: 0,
    entry: { ...ZERO, cs: 0xf000, ip: 0xfff0 },
  };
}

/** The fields of a program segment prefix that a simple program looks at. */
function psp({ commandLine, memoryBytes, path }: LayoutInput): Uint8Array {
  const tail = Buffer.from(commandLine === '' ? '' : ` ${commandLine}`, 'latin1');
  if (tail.length > TAIL_LIMIT) {
    throw new HvmError(
      'HVM_USAGE',
      `command line for ${path} has ${commandLine.length} characters: expected at most ${TAIL_LIMIT - 1}`,
    );
  }
  const bytes = new Uint8Array(PSP_BYTES);
  const top = Math.min(memoryBytes, CONVENTIONAL) >>> 4;
  bytes.set([0xcd, 0x20, top & 0xff, top >>> 8]); // INT 20h; first paragraph not ours
  bytes.set([0xcd, 0x21, 0xcb], 0x50); // INT 21h, RETF
  bytes[0x80] = tail.length;
  bytes.set(tail, 0x81);
  bytes[0x81 + tail.length] = 0x0d;
  return bytes;
}

/** Vectors 20h and 21h, from the two words the stub begins with. */
function dosVectors(dos: Uint8Array): Uint8Array {
  const [a = 0, b = 0, c = 0, d = 0] = dos;
  return Uint8Array.of(a, b, DOS_SEG & 0xff, DOS_SEG >>> 8, c, d, DOS_SEG & 0xff, DOS_SEG >>> 8);
}

function readSupport(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (cause) {
    throw new HvmError('HVM_GUEST_MISSING', `cannot read ${path}, which .COM programs need`, {
      cause,
    });
  }
}

function tooLarge({ path, memoryBytes }: LayoutInput, image: Uint8Array, what: string): HvmError {
  return new HvmError('HVM_GUEST_TOO_LARGE', `guest ${path} is too large: ${what}`, {
    details: { path, imageBytes: image.length, memoryBytes },
  });
}

const ZERO: EntryRegisters = {
  cs: 0,
  ip: 0,
  ds: 0,
  es: 0,
  ss: 0,
  sp: 0,
  ax: 0,
  dx: 0,
  flags: FLAGS,
};
