// SPDX-License-Identifier: GPL-2.0-only
// The documents of --json of a run, and of one that goes on from an image.
import { z } from 'zod';
import { count, crash, stages, verdict } from '../toolstack/result-shapes.ts';
import { OUTCOMES } from './exit-codes.ts';

/** How a run ends. */
export const outcome = z.enum(
  Object.keys(OUTCOMES) as [keyof typeof OUTCOMES, ...(keyof typeof OUTCOMES)[]],
);

/** What `run` and `restore` say of a run. */
export const runFields = {
  outcome,
  revision: z.string(),
  guest: z.string(),
  verdict: verdict.nullable(),
  crash: crash.nullable(),
  limit: z.string().nullable().describe('which limit was reached'),
  instructions: count,
  exits: z.record(z.string(), count).describe('by reason'),
  unclaimed: count.describe('accesses no device claimed'),
  devices: z.record(z.string(), z.record(z.string(), z.unknown())).describe('what each testifies'),
  checkpoints: z
    .strictObject({
      taken: count,
      whole: count.describe('whole images; the others are increments'),
      bytes: count.describe('of the image file'),
      last: count.describe('number of the last one since the guest started'),
    })
    .nullable()
    .describe('into an image file; null: none were asked for'),
  ledger: z
    .strictObject({
      accesses: stages.describe('since the guest started'),
      lost: count.describe('as far as this process has judged'),
      duplicated: count,
      violationsTotal: count,
      problem: z.string().nullable().describe('the first violation'),
    })
    .nullable()
    .describe('null: no books were kept'),
  pc: z
    .strictObject({
      bios: z.string().describe('which one is in use'),
      missing: z
        .record(z.string(), count)
        .describe('what the guest wanted that is not there, and how often'),
      exitCode: z
        .int()
        .min(0)
        .max(255)
        .nullable()
        .describe('of a DOS program; null: it has not ended, or there is none'),
      sectorsWritten: count.describe('of image files, with --writable'),
      filesWritten: count.describe('in --dir, with --writable; deleted ones count'),
    })
    .nullable()
    .describe('null: a bare machine'),
  script: z
    .strictObject({
      problem: z.string().nullable().describe('what did not happen; null: all of it did'),
    })
    .nullable()
    .describe('of --type, --expect, --wait and --script; null: none of them'),
  console: z.string().describe('what the guest wrote, as Latin-1'),
  durationMs: z.number().min(0),
};

/** `trapline.run/1`: `trapline run`. */
export const runSchema = z.strictObject({ schema: z.literal('trapline.run/1'), ...runFields });

/** `trapline.restore/1`: `trapline restore`. */
export const restoreSchema = z.strictObject({
  schema: z.literal('trapline.restore/1'),
  from: z.strictObject({
    checkpoint: count.describe('number of the checkpoint it went on from'),
    instructions: count,
    dropped: z.string().nullable().describe('what was cut off behind that checkpoint'),
  }),
  ...runFields,
});

export type RunDocument = z.infer<typeof runSchema>;
export type RestoreDocument = z.infer<typeof restoreSchema>;
