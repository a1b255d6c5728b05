// SPDX-License-Identifier: GPL-2.0-only
// Our own state in an image: what a machine is made of, and everything that is neither CPU nor RAM.
import { z } from 'zod';
import { VERDICTS, type Verdict } from '../../dm/index.ts';
import { GUEST_FORMATS, guestManifestSchema } from '../../machine/guest-manifest.ts';
import { pcConfigSchema } from '../../machine/pc/config.ts';
import { pcStateSchema } from '../../machine/pc/state.ts';
import { REVISION_NAMES } from '../../xen/hvm/revision.ts';

/** As many as a domain in threads can have. */
export const MOST_VCPUS = 8;

const count = z.int().min(0);
const counts = z.strictObject({ issued: count, answered: count, retired: count });
const deviceState = z.record(
  z.string(),
  z.union([z.int(), z.boolean(), z.string(), z.array(z.int())]),
);

/** Where a ledger stood: enough to go on with its file, and with its counts. */
export const ledgerPosition = z.strictObject({
  events: count,
  totals: counts,
  checkpoints: count,
  resumes: count,
  /** Of the file: bytes, and the hash of the last line; null without a file. */
  file: z.strictObject({ bytes: count, head: z.string().regex(/^[0-9a-f]{64}$/) }).nullable(),
});

/** What the guest's log had told by then. */
export const logPosition = z.strictObject({
  values: count,
  next: count,
  last: count.nullable(),
});

/** What had come out of console and serial line by then: `OutputDigest`. */
export const outputPosition = z.strictObject({
  bytes: count,
  hash: z.int().min(0).max(0xffffffff),
});

/** One vCPU, but for its registers and what lies in memory. */
export const vcpuState = z.strictObject({
  /** Its share of the opaque CPU state, which is that of all vCPUs, one behind the other. */
  cpuBytes: count,
  icount: count,
  charged: count,
  irq: z.int().min(-1).max(255),
  injected: z.strictObject({ vector: z.int().min(0).max(255), errorCode: count }).nullable(),
  nextTick: count,
  pciCf8: z.int().min(0).max(0xffffffff),
  unclaimed: count,
  /** Its accesses by device, as each counted them. */
  witnesses: z.record(z.string(), z.strictObject({ reads: count, writes: count })),
  ledger: ledgerPosition.nullable(),
  log: logPosition.nullable(),
});

/** The JSON of `OwnPart`. */
export const imageStateSchema = z.strictObject({
  guest: z.strictObject({
    name: z.string().min(1),
    format: z.enum(GUEST_FORMATS),
    hasManifest: z.boolean(),
    memoryBytes: z
      .int()
      .min(4096)
      .max(2 ** 31)
      .refine((n) => n % 4096 === 0, 'expected a multiple of 4096'),
    blockBase: count.nullable(),
    manifest: guestManifestSchema,
  }),
  revision: z.enum(REVISION_NAMES as [(typeof REVISION_NAMES)[number]]),
  devices: z.array(z.string().min(1)).max(64),
  /** Checkpoints since the guest started, this one included. */
  checkpoint: count,
  vcpus: z
    .tuple([vcpuState])
    .rest(vcpuState)
    .refine((list) => list.length <= MOST_VCPUS, `expected at most ${MOST_VCPUS}`),
  /** In the order of the ioreq servers' numbers. */
  servers: z.array(
    z.strictObject({ name: z.string(), devices: z.record(z.string(), deviceState) }),
  ),
  interrupts: z.int().min(0).max(0xffff),
  /** Whether a page that becomes RAM under its device has done so. */
  pageIsRam: z.boolean(),
  verdict: z.enum(VERDICTS as [Verdict, ...Verdict[]]).nullable(),
  /** What a PC is made of, and its platform; null: a bare machine. */
  pc: z.strictObject({ config: pcConfigSchema, platform: pcStateSchema }).nullable(),
  /** null: nobody has listened since the guest started. */
  output: outputPosition.nullable().default(null),
});

export type VcpuState = z.infer<typeof vcpuState>;
export type ImageState = z.infer<typeof imageStateSchema>;
export type LedgerPosition = z.infer<typeof ledgerPosition>;
export type LogPosition = z.infer<typeof logPosition>;
export type OutputPosition = z.infer<typeof outputPosition>;
