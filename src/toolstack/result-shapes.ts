// SPDX-License-Identifier: GPL-2.0-only
// Shapes that results have in common, wherever they are read back: reports, campaign files, --json documents.
import { z } from 'zod';

export const count = z.int().min(0);
export const verdict = z.enum(['success', 'skip', 'error', 'failure']);

/** Why a domain crashed. */
export const crash = z.strictObject({ reason: z.string() });

export const stages = z.strictObject({ issued: count, answered: count, retired: count });

/** One access that went wrong, or one disagreement between the witnesses. */
export const violation = z.strictObject({
  kind: z.string(),
  class: z.string().describe('what it counts as: lost, duplicated, reordered and others'),
  identity: z
    .strictObject({
      vcpu: count,
      insn: count,
      access: count,
      rep: count,
      count,
      lane: count,
    })
    .nullable()
    .describe('which access; null when it is about none'),
  firstSeq: count.nullable().describe('the earlier event of the ledger it is about'),
  seq: count.describe('the event of the ledger at which it was noticed'),
  checkpoint: z
    .strictObject({ n: count, window: z.string() })
    .nullable()
    .describe('the checkpoint that fell into it, or the last one before it'),
  message: z.string(),
});

/** The end of a PC beside that of a run without checkpoints. */
export const endComparison = z
  .strictObject({
    instructions: count.describe('completed where the two were compared'),
    accesses: count.describe('of the whole run, each compared with its counterpart'),
    identical: z
      .boolean()
      .describe('screen, memory, registers, devices, output, accesses; else: violations end-*'),
  })
  .nullable()
  .describe('of a PC: its end beside that of a run without checkpoints; null: not compared');
