// SPDX-License-Identifier: GPL-2.0-only
// A PC as it is asked for on a command line: which BIOS by name, which image where; and whether a file is for a PC at all.
import { readFileSync, statSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { floppyFormat } from '../../dm/devices/floppy-formats.ts';
import { HvmError } from '../../util/errors.ts';
import type { LoadedGuest } from '../loaded-guest.ts';
import { type DosConfig, ENVIRONMENT_LINE, ENVIRONMENT_LINES } from './config.ts';
import { loadPc, type Rom } from './load.ts';
import type { ScriptStep } from './script.ts';

/** What is asked for besides the image. JSON. */
export interface PcRequest {
  /** `builtin`, `seabios`, or a file; builtin unless said. */
  readonly bios?: string;
  /** A file; SeaBIOS brings its own. */
  readonly vgaBios?: string;
  /** Further images: drive A is the image to run, if that is a floppy. */
  readonly floppies?: readonly string[];
  readonly disks?: readonly string[];
  readonly writable?: boolean;
  readonly startSeconds?: number;
  /** Drive C of a .COM program. */
  readonly dir?: string;
  /** Its command line. */
  readonly commandLine?: string;
  /** Of its environment: NAME=VALUE. */
  readonly environment?: readonly string[];
  readonly script?: readonly ScriptStep[];
}

/** Where the BIOS that comes with the package lies. */
const BUILTIN = fileURLToPath(new URL('../../../guests/bios/bios.bin', import.meta.url));
const DOS = fileURLToPath(new URL('../../../guests/dos/dos.bin', import.meta.url));
/** Where distributions put SeaBIOS; Debian's packages are called so, too. */
const SEABIOS_FOLDERS = ['/usr/share/seabios', '/usr/share/qemu', '/usr/local/share/qemu'];
const SEABIOS = 'bios.bin';
const SEABIOS_VGA = 'vgabios-isavga.bin';
const LARGEST_FLOPPY = 2949120;

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** Whether the package's own BIOS is there. */
export function hasBuiltinBios(): boolean {
  return exists(BUILTIN) && exists(DOS);
}

function readRom(name: string, path: string): Rom {
  try {
    return { name, bytes: new Uint8Array(readFileSync(path)) };
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new HvmError('HVM_GUEST_MISSING', `cannot read BIOS ${path}: ${why}`, { cause });
  }
}

function findSeabios(file: string): string {
  const path = SEABIOS_FOLDERS.map((folder) => join(folder, file)).find(exists);
  if (path !== undefined) return path;
  throw new HvmError(
    'HVM_GUEST_MISSING',
    `no SeaBIOS: expected ${file} in ${SEABIOS_FOLDERS.join(', ')} (Debian's package is called seabios)`,
  );
}

function romsOf(request: PcRequest): { bios: Rom; vgaBios: Rom | null; shadow: boolean } {
  const { bios = 'builtin', vgaBios } = request;
  const vga = vgaBios === undefined ? null : readRom(basename(vgaBios), vgaBios);
  if (bios === 'builtin') {
    return { bios: readRom('builtin', BUILTIN), vgaBios: vga, shadow: false };
  }
  const path = bios === 'seabios' ? findSeabios(SEABIOS) : bios;
  const rom = readRom(bios === 'seabios' ? `SeaBIOS (${path})` : path, path);
  // It unpacks itself below 1 MiB, and says so in its text.
  const shadow = Buffer.from(rom.bytes).includes('SeaBIOS');
  const own = shadow && vga === null ? findSeabios(SEABIOS_VGA) : null;
  return { bios: rom, vgaBios: own === null ? vga : readRom(basename(own), own), shadow };
}

/** By its name; what is in it says how it is loaded. */
export const isDosProgram = (path: string): boolean =>
  ['.com', '.exe'].includes(extname(path).toLowerCase());

/** What fits between a PSP and the stack in one segment. */
const LARGEST_COM = 0xfef0;
/** What an .EXE may have: more than DOS could load, for what lies behind the image. */
const LARGEST_EXE = 1 << 20;
const LONGEST_TAIL = 126;
const ENVIRONMENT = /^[!-<>-~]+=[ -~]*$/;

const hasExeHeader = (bytes: Uint8Array): boolean =>
  ['MZ', 'ZM'].includes(Buffer.from(bytes.subarray(0, 2)).toString('latin1'));

/** @throws HvmError HVM_GUEST_MISSING, HVM_GUEST_EMPTY, HVM_GUEST_TOO_LARGE, HVM_USAGE */
function dosProgram(path: string, request: PcRequest): DosConfig {
  const { dir, commandLine = '', environment = [], writable = false } = request;
  const bytes = readRom('program', path).bytes;
  if (bytes.length === 0) throw new HvmError('HVM_GUEST_EMPTY', `${path} is empty`);
  const [kind, most] = hasExeHeader(bytes) ? ['.EXE', LARGEST_EXE] : ['.COM', LARGEST_COM];
  if (bytes.length > most) {
    throw new HvmError(
      'HVM_GUEST_TOO_LARGE',
      `${path} has ${bytes.length} bytes: expected at most ${most} of ${kind === '.EXE' ? 'an' : 'a'} ${kind} program`,
    );
  }
  const tail = commandLine === '' ? '' : ` ${commandLine}`;
  if (tail.length > LONGEST_TAIL || /[^\x20-\x7e]/.test(tail)) {
    throw new HvmError(
      'HVM_USAGE',
      `--command-line: expected at most ${LONGEST_TAIL - 1} printable ASCII characters`,
    );
  }
  if (
    environment.length > ENVIRONMENT_LINES ||
    environment.some((line) => line.length > ENVIRONMENT_LINE || !ENVIRONMENT.test(line))
  ) {
    throw new HvmError(
      'HVM_USAGE',
      `--env: expected NAME=VALUE, at most ${ENVIRONMENT_LINE} printable ASCII characters, ${ENVIRONMENT_LINES} times`,
    );
  }
  const base = basename(path, extname(path)).toUpperCase();
  const name = `${base.replace(/[^A-Z0-9!#$%&'()@^_`{}~-]/g, '').slice(0, 8) || 'PROGRAM'}${extname(path).toUpperCase()}`;
  const program = Buffer.from(bytes).toString('base64');
  const folder = dir === undefined ? null : resolve(dir);
  return { name, program, tail, environment: [...environment], folder, writable };
}

/** A floppy by its size, else a disk. */
function isFloppy(path: string): boolean {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return size <= LARGEST_FLOPPY && floppyFormat(size) !== null;
}

/**
 * @param image - a floppy or disk image to boot; null: only what `request` names
 * @throws HvmError HVM_GUEST_MISSING, HVM_GUEST_FORMAT, HVM_GUEST_TOO_LARGE, HVM_MEMORY
 */
export function loadRequestedPc(
  image: string | null,
  request: PcRequest,
  memoryBytes: number | undefined,
): LoadedGuest {
  const { floppies = [], disks = [], writable, startSeconds, script } = request;
  const program = image !== null && isDosProgram(image) ? dosProgram(image, request) : null;
  for (const [option, value] of [
    ['--dir', request.dir],
    ['--env', request.environment],
  ] as const) {
    if (program !== null || value === undefined) continue;
    throw new HvmError('HVM_USAGE', `${option} without a DOS program: expected both or neither`);
  }
  const first = image === null || program !== null ? [] : [image];
  const asFloppy = image === null || program !== null || isFloppy(image);
  return loadPc({
    ...romsOf(request),
    floppies: asFloppy ? [...first, ...floppies] : floppies,
    disks: asFloppy ? disks : [...first, ...disks],
    ...(writable === undefined ? {} : { writable }),
    ...(startSeconds === undefined ? {} : { startSeconds }),
    ...(script === undefined ? {} : { script }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    dos: program === null ? null : { rom: readRom('DOS services', DOS), config: program },
    name: image === null ? 'pc' : basename(image, extname(image)),
  });
}

/** Whether a file looks like something that a PC boots: a floppy's size, or the mark of a boot sector. */
export function looksBootable(path: string): boolean {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (isDosProgram(path)) return size > 0;
  if (size < 512) return false;
  if (size >= 163840 && size % 512 === 0 && floppyFormat(size) !== null) return true;
  try {
    const sector = readFileSync(path).subarray(510, 512);
    return sector[0] === 0x55 && sector[1] === 0xaa;
  } catch {
    return false;
  }
}
