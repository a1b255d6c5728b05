// SPDX-License-Identifier: GPL-2.0-only
// The documents of --json of what checks: the precise-stop matrix, a ledger file, this installation.
import { z } from 'zod';
import { count, stages, violation } from '../toolstack/result-shapes.ts';

/** `trapline.exactness/1`: `trapline exactness`. */
export const exactnessSchema = z.strictObject({
  schema: z.literal('trapline.exactness/1'),
  outcome: z.enum(['success', 'failure', 'interrupted']),
  possible: count.describe('combinations of a cell and a stop that there are'),
  combinations: count.describe('those of them that were tried'),
  failures: z
    .array(
      z.strictObject({
        cell: z.string(),
        stop: z.string(),
        field: z.string(),
        expected: z.string(),
        got: z.string(),
        reproduce: z.string().describe('the command that shows it again'),
      }),
    )
    .describe('the first ones; all are counted'),
  failuresTotal: count,
  cells: z.array(
    z.strictObject({
      name: z.string(),
      family: z.string(),
      possible: count,
      combinations: count,
      failures: count,
    }),
  ),
  stops: z.record(z.string(), count).describe('combinations by kind of stop'),
  thread: z
    .strictObject({ runs: count, kicks: count, kicksInside: count, failures: count })
    .describe('runs under kicks from another thread: not the same from run to run'),
  staying: z
    .strictObject({ runs: count, stayed: count, failures: count })
    .describe('runs in which posted writes and published registers do not leave the guest'),
  interrupted: z.boolean(),
  durationMs: z.number().min(0),
});

/** `trapline.ledger-check/1`: `trapline ledger check`. */
export const ledgerCheckSchema = z.strictObject({
  schema: z.literal('trapline.ledger-check/1'),
  file: z.string(),
  ok: z.boolean(),
  chain: z.union([z.literal('intact'), z.strictObject({ brokenAt: count })]),
  lines: count,
  events: count,
  accesses: stages.describe('repetitions by stage'),
  requests: stages.describe('events by stage'),
  checkpoints: count,
  resumes: count,
  windows: z.record(z.string(), count).describe('checkpoints by window'),
  lost: count,
  duplicated: count,
  reordered: count,
  discarded: count.describe('answers thrown away because the access was issued again'),
  open: count.describe('requests not finished at the end'),
  violations: z.array(violation).describe('the first ones; all are counted'),
  violationsTotal: count,
  byKind: z.record(z.string(), count),
});

/** `trapline.doctor/1`: `trapline doctor`. */
export const doctorSchema = z.strictObject({
  schema: z.literal('trapline.doctor/1'),
  ok: z.boolean(),
  checks: z.array(z.strictObject({ name: z.string(), ok: z.boolean(), detail: z.string() })),
});

export type ExactnessDocument = z.infer<typeof exactnessSchema>;
export type LedgerCheckDocument = z.infer<typeof ledgerCheckSchema>;
export type DoctorDocument = z.infer<typeof doctorSchema>;
