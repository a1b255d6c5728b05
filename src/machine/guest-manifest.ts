// SPDX-License-Identifier: GPL-2.0-only
// guest.json: what a guest is, what it needs and what it proves. And its parameter block and log ring.
import { z } from 'zod';
import { VERDICTS, type Verdict } from '../dm/index.ts';
import { HvmError } from '../util/errors.ts';
import { parseNumber } from '../util/hex.ts';

/** Kinds of image: raw bytes, a BIOS boot sector, a DOS .COM program, a ROM below the first megabyte. */
export const GUEST_FORMATS = ['flat', 'boot', 'com', 'rom'] as const;
export type GuestFormat = (typeof GUEST_FORMATS)[number];

/** Kinds of I/O instruction a guest uses: they decide which windows a checkpoint can hit. */
export const GUEST_WINDOWS = ['pio-in', 'pio-out', 'mmio', 'rep'] as const;
export type GuestWindow = (typeof GUEST_WINDOWS)[number];

/** How each logged value follows from the one before: plus 1 modulo 2^32, plus 1 modulo 2^8, or any. */
export const LOG_RULES = ['plus-1', 'plus-1-mod-256', 'any'] as const;
export type LogRule = (typeof LOG_RULES)[number];

// JSON has no hexadecimal numbers: a string holds one, or a size like 1M.
const quantity = z
  .union([z.int().nonnegative(), z.string()])
  .transform((value, context): number => {
    const number = typeof value === 'number' ? value : parseNumber(value);
    if (number !== null) return number;
    context.addIssue({
      code: 'custom',
      message: `'${value}' is not a number: expected 31744, "0x7c00" or "1M"`,
    });
    return z.NEVER;
  });
const word = quantity.refine((value) => value <= 0xffff, 'expected at most 0xffff');
const dword = quantity.refine((value) => value <= 0xffffffff, 'expected at most 0xffffffff');
const address = z.strictObject({ seg: word, off: word });

const page = dword.refine((value) => value % 0x1000 === 0, 'expected a multiple of 0x1000');

/** What the guest asks of the monitor besides devices: see fixtures.ts. */
const monitorSchema = z.strictObject({
  /** A port inside the monitor: reads answer all ones, a write broadcasts an INVALIDATE request. */
  invalidatePort: word.optional(),
  /** Device memory whose writes go through the buffered ring where they can. */
  postedPage: page.optional(),
  /** Device memory that becomes RAM with the first write to it. */
  ramAfterWrite: page.optional(),
  /** IN and OUT are run by the emulator, as behind a forced-emulation prefix. */
  emulatePorts: z.boolean().optional(),
});

export type MonitorFixtures = z.infer<typeof monitorSchema>;

/** The schema of guest.json. */
export const guestManifestSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, "expected lower-case letters, digits and '-'"),
  /** One sentence. */
  purpose: z.string().min(1),
  format: z.enum(GUEST_FORMATS),
  /** File beside guest.json; `<name>.bin` if absent. */
  image: z
    .string()
    .regex(/^[^/\\]+$/, 'expected a file name without a folder')
    .optional(),
  /** Where the image goes: flat only. */
  load: address.optional(),
  /** First instruction; the load address if absent. Flat only. */
  entry: address.optional(),
  /** Guest memory in bytes. */
  memory: quantity.default(0x100000),
  /** Most vCPUs it is written for: see `guestForVcpu()`. */
  vcpus: z.int().min(1).max(8).default(1),
  /** Device specifications, as on the command line. */
  devices: z.array(z.string().min(1)),
  limits: z.strictObject({ maxInstructions: quantity }),
  /** Instructions between two edges on interrupt line 0 (vector 8). Absent: none. */
  timer: z.strictObject({ everyInstructions: quantity }).optional(),
  /** For a run that shall end: written into the parameter block. Absent without one. */
  iterations: dword.optional(),
  /** Likewise the guest's own parameter. */
  parameter: dword.optional(),
  /** What it reports when all is well, run with these values. */
  verdict: z.enum(VERDICTS as [Verdict, ...Verdict[]]),
  windows: z.array(z.enum(GUEST_WINDOWS)),
  monitor: monitorSchema.optional(),
  /** The log ring, if the guest keeps one. */
  log: z
    .strictObject({
      holds: z.string().min(1),
      rule: z.enum(LOG_RULES),
      /** Guest-physical address of the ring, and its dwords. */
      base: quantity,
      entries: quantity.refine(
        (value) => value > 0 && Number.isInteger(Math.log2(value)),
        'expected a power of two',
      ),
    })
    .optional(),
});

/** guest.json, checked, numbers as numbers. */
export type GuestManifest = z.infer<typeof guestManifestSchema>;

/**
 * Reads the text of a guest.json.
 * @param file - its path, for messages
 * @throws HvmError HVM_GUEST_MANIFEST naming file, field and what was expected
 */
export function parseGuestManifest(text: string, file: string): GuestManifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new HvmError(
      'HVM_GUEST_MANIFEST',
      `${file}: not JSON: ${oneLine((cause as Error).message)}`,
      {
        cause,
        details: { file },
      },
    );
  }
  const result = guestManifestSchema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0];
    const field = issue?.path.join('.') || '(whole file)';
    throw new HvmError(
      'HVM_GUEST_MANIFEST',
      `${file}: field '${field}': ${oneLine(issue?.message ?? 'invalid')}`,
      { details: { file, field } },
    );
  }
  const manifest = result.data;
  const misplaced = (['load', 'entry'] as const).find((field) => manifest[field] !== undefined);
  if (manifest.format !== 'flat' && misplaced !== undefined) {
    throw new HvmError(
      'HVM_GUEST_MANIFEST',
      `${file}: field '${misplaced}': only a flat guest has one, format '${manifest.format}' says where it goes`,
      { details: { file, field: misplaced } },
    );
  }
  return manifest;
}

/**
 * Offsets of the parameter block from the load address of a flat guest, all fields dwords.
 *   +4 magic 'TRPL'   +8 version 1   +12 iterations (0: for ever)   +16 log base, guest-physical
 *   +20 log entries, a power of two   +24 log write index, free running   +28 parameter
 *   +32 value expected, +36 value that came: set before a failure verdict
 */
export const BLOCK = {
  magic: 4,
  version: 8,
  iterations: 12,
  logBase: 16,
  logEntries: 20,
  logIndex: 24,
  parameter: 28,
  expected: 32,
  got: 36,
  end: 40,
} as const;

/** 'TRPL', little endian. */
export const BLOCK_MAGIC = 0x4c505254;
export const BLOCK_VERSION = 1;

/** The parameter block as it stands in memory. */
export interface ParameterBlock {
  iterations: number;
  logBase: number;
  logEntries: number;
  /** Values logged since the start, modulo 2^32. */
  logIndex: number;
  parameter: number;
  expected: number;
  got: number;
}

/**
 * @param bytes - an image, or guest RAM
 * @param start - where the guest starts in `bytes`: 0 in an image, its load address in RAM
 * @returns null where no parameter block is
 */
export function readParameterBlock(bytes: Uint8Array, start: number): ParameterBlock | null {
  if (start < 0 || start + BLOCK.end > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, BLOCK.end);
  const at = (offset: number): number => view.getUint32(offset, true);
  if (at(BLOCK.magic) !== BLOCK_MAGIC || at(BLOCK.version) !== BLOCK_VERSION) return null;
  return {
    iterations: at(BLOCK.iterations),
    logBase: at(BLOCK.logBase),
    logEntries: at(BLOCK.logEntries),
    logIndex: at(BLOCK.logIndex),
    parameter: at(BLOCK.parameter),
    expected: at(BLOCK.expected),
    got: at(BLOCK.got),
  };
}

/** What `readLog()` found since the last look. */
export interface LogSlice {
  /** The values, oldest first. */
  readonly values: Uint32Array;
  /** Values overwritten before anybody looked. */
  readonly missed: number;
  /** To pass as `from` next time. */
  readonly next: number;
}

/**
 * The values a guest has logged since index `from`. At any instruction boundary they are complete.
 * @param ram - all of guest RAM
 * @param from - `next` of the last look, 0 at first
 * @returns null when the block's ring does not lie in RAM: the guest has overwritten its block
 */
export function readLog(ram: Uint8Array, block: ParameterBlock, from: number): LogSlice | null {
  const { logBase, logEntries, logIndex } = block;
  if (logEntries === 0 || (logEntries & (logEntries - 1)) !== 0) return null;
  if (logBase + 4 * logEntries > ram.length) return null;
  const logged = (logIndex - from) >>> 0;
  const count = Math.min(logged, logEntries);
  const view = new DataView(ram.buffer, ram.byteOffset + logBase, 4 * logEntries);
  const values = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const index = (logIndex - count + i) >>> 0;
    values[i] = view.getUint32(4 * (index & (logEntries - 1)), true);
  }
  return { values, missed: logged - count, next: logIndex };
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
