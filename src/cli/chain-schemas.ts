// SPDX-License-Identifier: GPL-2.0-only
// The document of `stress --image --restore fresh`.
import { z } from 'zod';
import { count, endComparison, stages } from '../toolstack/result-shapes.ts';

/** `trapline.chain/1`: `trapline stress --image <folder> --restore fresh`. */
export const chainSchema = z.strictObject({
  schema: z.literal('trapline.chain/1'),
  outcome: z.enum(['success', 'failure', 'interrupted']),
  guest: z.string(),
  revision: z.string(),
  seed: count,
  checkpoints: count.describe('of the image at the end'),
  checkpointsAsked: count,
  perProcess: count.describe('checkpoints of a process before it is killed'),
  processes: count,
  killed: count.describe('of them, with SIGKILL'),
  barren: count.describe('killed before they had committed anything'),
  restored: count.describe('checkpoints that were the last before a kill, and gone on from'),
  forgotten: count.describe('said to be committed and not in the image'),
  ledger: z
    .strictObject({
      ok: z.boolean(),
      chain: z.union([z.literal('intact'), z.strictObject({ brokenAt: count })]),
      events: count,
      accesses: stages,
      lost: count,
      duplicated: count,
      reordered: count,
      violationsTotal: count,
    })
    .describe('over all processes, as ledger check judges the file'),
  end: endComparison,
  problem: z.string().nullable(),
  durationMs: z.number().min(0),
});

export type ChainDocument = z.infer<typeof chainSchema>;
