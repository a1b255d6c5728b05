// SPDX-License-Identifier: GPL-2.0-only
// The documents of --json of stress runs and of the race.
import { z } from 'zod';
import {
  count,
  crash,
  endComparison,
  stages,
  verdict,
  violation,
} from '../toolstack/result-shapes.ts';
import { outcome } from './run-schemas.ts';
import { measuredOrNot, story } from './story-schemas.ts';

/** `trapline.stress/1`: `trapline stress`. */
export const stressSchema = z.strictObject({
  schema: z.literal('trapline.stress/1'),
  outcome,
  revision: z.string(),
  guest: z.string(),
  seed: count,
  checkpoints: count.describe('done'),
  checkpointsAsked: count,
  durationAskedMs: z
    .number()
    .nullable()
    .describe('with --duration: how many checkpoints fit into it does not follow from the seed'),
  instructions: count,
  accesses: stages,
  lost: count,
  duplicated: count,
  violations: z.array(violation).describe('the first ones; all are counted'),
  violationsTotal: count,
  reproduce: z.string().nullable().describe('the command that shows the first violation again'),
  windows: z.record(z.string(), count).describe('hits by window; absent where the guest has none'),
  verdict: verdict.nullable().describe("the guest's own; null: it reported none"),
  crash: crash.nullable(),
  threads: z.boolean().describe('every actor was a thread: the run cannot be repeated'),
  deviceModels: z
    .array(z.strictObject({ server: count, why: z.string() }))
    .describe('those given up, by number of their server'),
  story: story.nullable().describe('of a failure: the instruction it is about'),
  script: z
    .strictObject({ steps: count, done: count.describe('steps that are over') })
    .nullable()
    .describe('of a PC: what was typed and waited for; null: nothing'),
  end: endComparison,
  measured: measuredOrNot,
  durationMs: z.number().min(0),
  checkpointsPerSecond: z.number().min(0),
});

/** One side of the race. */
const raceSide = z.strictObject({
  revision: z.string(),
  outcome,
  checkpoints: count,
  accesses: count.describe('accesses the device answered'),
  lost: count,
  duplicated: count,
  values: z.array(z.int()).describe('what the guest read around the first loss, in order'),
  expected: z.int().nullable().describe('the value the guest had to see at the first loss'),
  got: z.int().nullable(),
  events: z
    .array(z.strictObject({ actor: z.string(), event: z.string() }))
    .describe('what happened to that access, in order'),
  windows: z.record(z.string(), count),
  story: story.nullable().describe('the same and more, as lanes'),
  measured: measuredOrNot,
});

/** `trapline.race/1`: `trapline race`. */
export const raceSchema = z.strictObject({
  schema: z.literal('trapline.race/1'),
  guest: z.string(),
  seed: count,
  without: raceSide.describe('without the fix'),
  with: raceSide.describe('with the fix'),
  durationMs: z.number().min(0),
});

export type StressDocument = z.infer<typeof stressSchema>;
export type RaceDocument = z.infer<typeof raceSchema>;
export type RaceSide = z.infer<typeof raceSide>;
