// SPDX-License-Identifier: GPL-2.0-only
// From a guest's name or file to a description of what goes where and how the CPU starts.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HvmError } from '../util/errors.ts';
import { hex } from '../util/hex.ts';
import { suggest } from '../util/suggest.ts';
import {
  BLOCK,
  type GuestFormat,
  type GuestManifest,
  parseGuestManifest,
  readParameterBlock,
} from './guest-manifest.ts';
import { layOut, type Piece } from './image-formats.ts';
import type { LoadedGuest } from './loaded-guest.ts';
import {
  hasBuiltinBios,
  isDosProgram,
  loadRequestedPc,
  looksBootable,
  type PcRequest,
} from './pc/request.ts';

/** Overrides of what the manifest or the file's name says. */
export interface LoadOptions {
  /** Guest RAM in bytes; the manifest's, or 1 MiB. */
  memoryBytes?: number;
  /** How to read a bare file. */
  format?: GuestFormat;
  /** Where a bare flat file goes; 0000:7C00 unless said. */
  load?: { seg: number; off: number };
  /** Into the parameter block: 0 for ever. The manifest's unless said. */
  iterations?: number;
  /** Likewise the guest's own parameter. */
  parameter?: number;
  /** `auto`: a bare file that a PC boots runs on one; bare unless said. */
  machine?: 'bare' | 'pc' | 'auto';
  /** What the PC has besides the image. */
  pc?: PcRequest;
  /** Command line of a .COM program, at most 126 characters. */
  commandLine?: string;
}

const DEFAULT_MEMORY = 0x100000;
/** What a bare file finds: consoles, a way to end, and the counter. */
const BARE_DEVICES = ['debugcon', 'verdict', 'serial', 'counter'];
const BARE_MAX_INSTRUCTIONS = 1_000_000_000;

/** The folder of the guests that come with the package. */
export function packageGuestsFolder(): string {
  return fileURLToPath(new URL('../../guests/', import.meta.url));
}

/** Names of the guests that come with the package, sorted. */
export function listGuestNames(folder: string = packageGuestsFolder()): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && isFile(join(folder, entry.name, 'guest.json')))
    .map((entry) => entry.name)
    .sort();
}

/** The manifests of the guests that come with the package, by name. */
export function listGuests(folder: string = packageGuestsFolder()): GuestManifest[] {
  return listGuestNames(folder).map((name) => readManifest(join(folder, name)));
}

/**
 * Finds and lays out a guest. Nothing is written anywhere.
 * @param ref - a folder with a guest.json, the name of a guest of the package, or any file
 * @throws HvmError HVM_GUEST_MISSING, HVM_GUEST_EMPTY, HVM_GUEST_TOO_LARGE, HVM_GUEST_FORMAT,
 *   HVM_GUEST_MANIFEST: one line each, with what was expected
 */
export function loadGuest(ref: string, options: LoadOptions = {}): LoadedGuest {
  const machine = options.machine ?? 'bare';
  if (machine === 'pc' && ref === '')
    return loadRequestedPc(null, options.pc ?? {}, options.memoryBytes);
  const folder = findFolder(ref);
  if (machine === 'pc' || (machine === 'auto' && folder === null && runsOnPc(ref, options))) {
    const { commandLine, pc } = options;
    const request = commandLine === undefined ? pc : { ...pc, commandLine };
    return loadRequestedPc(imageOf(ref, folder), request ?? {}, options.memoryBytes);
  }
  if (options.pc !== undefined) {
    throw new HvmError(
      'HVM_USAGE',
      `options of a PC with ${ref}: expected a guest that runs on a PC, or --machine pc`,
    );
  }
  const manifest = folder === null ? assumeManifest(ref, options) : readManifest(folder);
  const path = folder === null ? ref : join(folder, manifest.image ?? `${manifest.name}.bin`);
  const image = readImage(path);
  // Only now: a bare file's content may decide its format.
  const format = options.format ?? (folder === null ? guessFormat(path, image) : manifest.format);
  const memoryBytes = options.memoryBytes ?? manifest.memory;
  const load = options.load ?? manifest.load ?? { seg: 0, off: 0x7c00 };
  const entry = options.load ?? manifest.entry ?? load;
  const laid = layOut(format, image, {
    path,
    memoryBytes,
    load,
    entry,
    commandLine: options.commandLine ?? '',
    supportFolder: join(packageGuestsFolder(), 'include'),
  });
  const blockBase = fillBlock(laid.pieces[laid.main] as Piece, manifest, options);
  return {
    name: manifest.name,
    path,
    format,
    manifest: { ...manifest, format },
    hasManifest: folder !== null,
    memoryBytes,
    pieces: laid.pieces,
    entry: laid.entry,
    blockBase,
    pc: null,
  };
}

/** A file without a manifest that a PC boots, unless it is said how to read it. */
function runsOnPc(ref: string, options: LoadOptions): boolean {
  const { format, load, commandLine, pc } = options;
  if (pc !== undefined) return true;
  const said = format ?? load;
  if (commandLine !== undefined && !isDosProgram(ref)) return false;
  return said === undefined && hasBuiltinBios() && looksBootable(ref);
}

/** The image of a guest with a manifest, or the file itself. */
function imageOf(ref: string, folder: string | null): string {
  if (folder === null) return ref;
  const manifest = readManifest(folder);
  return join(folder, manifest.image ?? `${manifest.name}.bin`);
}

/** The folder `ref` means, or null if it is a file. */
function findFolder(ref: string): string | null {
  if (ref === '') {
    throw new HvmError(
      'HVM_GUEST_MISSING',
      "guest '': expected the name of a guest, a folder or a file",
    );
  }
  if (isFile(join(ref, 'guest.json'))) return ref;
  if (isFile(ref)) return null;
  const simple = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(ref);
  const packaged = join(packageGuestsFolder(), ref);
  if (simple && isFile(join(packaged, 'guest.json'))) return packaged;
  if (statSync(ref, { throwIfNoEntry: false })?.isDirectory()) {
    throw new HvmError('HVM_GUEST_MISSING', `guest '${ref}': the folder has no guest.json`);
  }
  const names = listGuestNames();
  const near = suggest(ref, names);
  const hint =
    near === null
      ? `expected a file, a folder, or one of ${names.join(', ')}`
      : `did you mean '${near}'?`;
  throw new HvmError('HVM_GUEST_MISSING', `no guest '${ref}': ${hint}`, {
    details: { ref, known: names, suggestion: near },
  });
}

function readManifest(folder: string): GuestManifest {
  const file = join(folder, 'guest.json');
  try {
    return parseGuestManifest(readFileSync(file, 'utf8'), file);
  } catch (cause) {
    if (cause instanceof HvmError) throw cause;
    throw cannotRead(file, cause);
  }
}

function readImage(path: string): Uint8Array {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw cannotRead(path, cause);
  }
  if (bytes.length === 0) {
    throw new HvmError(
      'HVM_GUEST_EMPTY',
      `guest image ${path} is empty: expected at least one byte`,
      {
        details: { path },
      },
    );
  }
  return new Uint8Array(bytes);
}

function cannotRead(path: string, cause: unknown): HvmError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  const why = code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'no permission' : code;
  return new HvmError('HVM_GUEST_MISSING', `cannot read guest file ${path}: ${why}`, {
    cause,
    details: { path, reason: code },
  });
}

function assumeManifest(path: string, options: LoadOptions): GuestManifest {
  const stem = basename(path, extname(path)).toLowerCase();
  return {
    name: stem.replace(/[^a-z0-9-]+/g, '-').replace(/^-+|-+$/g, '') || 'guest',
    purpose: 'A file without a manifest.',
    format: options.format ?? 'flat',
    memory: DEFAULT_MEMORY,
    vcpus: 1,
    devices: [...BARE_DEVICES],
    limits: { maxInstructions: BARE_MAX_INSTRUCTIONS },
    verdict: 'success',
    windows: [],
  };
}

/** By extension first, then by the mark of a boot sector. */
function guessFormat(path: string, image: Uint8Array): GuestFormat {
  const extension = extname(path).toLowerCase();
  if (extension === '.com') return 'com';
  if (extension === '.rom') return 'rom';
  const marked = image.length >= 512 && image[510] === 0x55 && image[511] === 0xaa;
  if (extension === '.img' || (marked && image.length === 512)) return 'boot';
  return 'flat';
}

/** Writes the host's values into the parameter block of the image, if it has one. */
function fillBlock(piece: Piece, manifest: GuestManifest, options: LoadOptions): number | null {
  if (readParameterBlock(piece.bytes, 0) === null) return null;
  const view = new DataView(piece.bytes.buffer, piece.bytes.byteOffset);
  const iterations = options.iterations ?? manifest.iterations;
  const parameter = options.parameter ?? manifest.parameter;
  if (iterations !== undefined) view.setUint32(BLOCK.iterations, iterations, true);
  if (parameter !== undefined) view.setUint32(BLOCK.parameter, parameter, true);
  return piece.gpa;
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** `0000:7C00`. */
export function formatSegOff(address: { seg: number; off: number }): string {
  const part = (value: number): string => hex(value, 4).slice(2).toUpperCase();
  return `${part(address.seg)}:${part(address.off)}`;
}
