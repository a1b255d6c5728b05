// SPDX-License-Identifier: GPL-2.0-only
// What a PC is made of: plain JSON, part of an image.
import { z } from 'zod';
import { stepSchema } from './script.ts';

const whole = z.int().nonnegative();

/** A floppy or a disk: where its bytes come from. Images hold only what was written to it. */
export const mediumSchema = z.strictObject({
  path: z.string().min(1),
  bytes: whole,
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Writes go to the file; else into memory, and nobody else sees them. */
  writable: z.boolean(),
});
export type MediumConfig = z.infer<typeof mediumSchema>;

/** Of an environment that is asked for: characters of a line, and lines. */
export const ENVIRONMENT_LINE = 120;
export const ENVIRONMENT_LINES = 32;

/** A .COM program that the DOS services run. */
export const dosConfigSchema = z.strictObject({
  /** In capitals, 8.3. */
  name: z.string().min(1).max(12),
  /** Base64: an image needs no file for it. */
  program: z.string(),
  /** The command tail with its leading blank, if there is one. */
  tail: z.string().max(126),
  /** NAME=VALUE, before PATH and COMSPEC. */
  environment: z.array(z.string().max(ENVIRONMENT_LINE)).max(ENVIRONMENT_LINES).default([]),
  /** The folder of the host that is drive C; null: an empty drive. */
  folder: z.string().nullable(),
  /** What the program wrote goes into the folder when the run ends; else it stays in memory. */
  writable: z.boolean().default(false),
});
export type DosConfig = z.infer<typeof dosConfigSchema>;

export const pcConfigSchema = z.strictObject({
  /** As it is printed. */
  bios: z.string().min(1),
  /** C0000 to FFFFF is memory that the BIOS may write, as behind a chip set's shadow RAM; else ROM. */
  shadow: z.boolean(),
  /** The flash chip at the top of 4 GiB: it takes the last so many bytes of memory. 0: F0000 appears there. */
  flashBytes: whole,
  /** A VGA BIOS that the BIOS asks for by name, below the flash chip in memory; 0 bytes: none. */
  optionRom: z.strictObject({ name: z.string(), bytes: whole }),
  /** A chip set with PCI: a BIOS chip of more than 128 KiB needs one. */
  pci: z.boolean().default(false),
  /** Local time at power-on, seconds since 1970. */
  startSeconds: z.int(),
  floppies: z.array(mediumSchema.nullable()).max(2),
  disks: z.array(mediumSchema).max(2),
  dos: dosConfigSchema.nullable().default(null),
  /** Typed at it, and waited for. Empty: none. */
  script: z.array(stepSchema),
});
export type PcConfig = z.infer<typeof pcConfigSchema>;

/** How long a script waits for a text unless said, ns of guest time. */
export const EXPECT_NS = 60_000_000_000;

/** Nanoseconds of virtual time that an instruction takes: ten million a second, as a fast 80386. */
export const NS_PER_INSTRUCTION = 100;
