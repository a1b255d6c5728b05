// SPDX-License-Identifier: GPL-2.0-only
// The documents of save, inspect, verify and diff.
import { z } from 'zod';
import { count } from '../toolstack/result-shapes.ts';

/** `trapline.save/1`: `trapline save`. */
export const saveSchema = z.strictObject({
  schema: z.literal('trapline.save/1'),
  outcome: z.enum(['success', 'interrupted']),
  guest: z.string(),
  revision: z.string(),
  file: z.string(),
  instructions: count.describe('where the guest stands'),
  pages: count,
  bytes: count.describe('of the image'),
  durationMs: z.number().min(0),
});

const headers = z.strictObject({ version: count, xenMajor: count, xenMinor: count });

/** `trapline.inspect/1`: `trapline inspect`. */
export const inspectSchema = z.strictObject({
  schema: z.literal('trapline.inspect/1'),
  file: z.string(),
  headers: headers.nullable(),
  records: z.array(
    z.strictObject({
      record: count,
      offset: count.describe('of its header, from the start of the stream'),
      type: z.string(),
      bytes: count.describe('of its body'),
      meaning: z.string(),
      entries: z
        .array(
          z.strictObject({
            offset: count,
            type: z.string(),
            instance: count,
            bytes: count,
            registers: z.record(z.string(), z.string()).optional(),
            state: z.unknown().optional(),
          }),
        )
        .optional()
        .describe('of an HVM context; TRAPLINE is our own part behind its END'),
    }),
  ),
  bytes: count.describe('that were whole and in order'),
  damage: z.string().nullable().describe('why it could not be read to its end'),
});

/** `trapline.verify/1`: `trapline verify`. */
export const verifySchema = z.strictObject({
  schema: z.literal('trapline.verify/1'),
  file: z.string(),
  ok: z.boolean(),
  guest: z.string(),
  checkpoint: count.describe('number of the last whole checkpoint'),
  epochs: count.describe('checkpoints in the file'),
  instructions: count,
  memory: count.describe('bytes'),
  dropped: z.string().nullable().describe('what was cut off behind the last whole checkpoint'),
});

const changes = z.array(
  z.strictObject({
    field: z.string(),
    before: z.string().nullable(),
    after: z.string().nullable(),
  }),
);

/** `trapline.diff/1`: `trapline diff`. */
export const diffSchema = z.strictObject({
  schema: z.literal('trapline.diff/1'),
  before: z.string(),
  after: z.string(),
  same: z.boolean(),
  registers: changes,
  memory: z.array(
    z.strictObject({
      first: count,
      last: count,
      bytes: count.describe('that differ'),
      before: z.string().describe('the first bytes, hexadecimal'),
      after: z.string(),
    }),
  ),
  devices: changes,
  other: changes,
});

export type SaveDocument = z.infer<typeof saveSchema>;
export type InspectDocument = z.infer<typeof inspectSchema>;
export type VerifyDocument = z.infer<typeof verifySchema>;
export type DiffDocument = z.infer<typeof diffSchema>;
