// SPDX-License-Identifier: GPL-2.0-only
// The shapes of a campaign: what it is of, the result of one seed, the report. Files are read back through them.
import { z } from 'zod';
import { count, crash, stages, verdict, violation } from '../result-shapes.ts';

const digest = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits');
const seed = z.int().min(0).max(0xffffffff);

export const seedRangeSchema = z.strictObject({
  first: seed,
  last: seed.nullable().describe('included; null: no end'),
});

export const shardSchema = z.strictObject({ index: z.int().min(1), count: z.int().min(1) });

/** Everything that, with a seed, decides the result of a run. */
export const identitySchema = z.strictObject({
  build: z.strictObject({
    version: z.string(),
    digest: digest.describe('over the program and its native addon'),
  }),
  guest: z.strictObject({
    name: z.string(),
    digest: digest.describe('over all that is put into guest memory, and its manifest'),
  }),
  revision: z.string(),
  checkpoints: count.describe('for each seed'),
  command: z.string().describe('without a seed'),
  repeatable: z.boolean().describe('a seed gives the same result every time'),
});

/** How a seed can end: as a stress run, except that an interrupted one has no result. */
export const SEED_OUTCOMES = ['success', 'failure', 'crashed', 'error', 'skip', 'limit'] as const;

export const seedResultSchema = z.strictObject({
  seed,
  outcome: z.enum(SEED_OUTCOMES),
  digest: digest.describe('over the result with all its violations'),
  checkpoints: count,
  instructions: count,
  accesses: stages,
  lost: count,
  duplicated: count,
  violations: z.array(violation).describe('the first ones; all are counted'),
  violationsTotal: count,
  reproduce: z.string().nullable().describe('the command that shows the first violation again'),
  windows: z.record(z.string(), count),
  verdict: verdict.nullable(),
  crash: crash.nullable(),
});

const totals = z.strictObject({
  seeds: count.describe('run'),
  outcomes: z.record(z.string(), count).describe('seeds by outcome'),
  checkpoints: count,
  instructions: count,
  accesses: stages,
  lost: count,
  duplicated: count,
  violations: count,
  windows: z.record(z.string(), count),
});

/** `trapline.campaign/1`: `trapline stress --seeds` and `trapline merge`. */
export const campaignSchema = z.strictObject({
  schema: z.literal('trapline.campaign/1'),
  outcome: z.enum([...SEED_OUTCOMES, 'interrupted']),
  determined: z
    .strictObject({
      campaign: identitySchema,
      seeds: z.array(seedRangeSchema).describe('asked for'),
      shard: shardSchema.nullable().describe('null: all of them'),
      missing: z
        .strictObject({
          count,
          ranges: z.array(z.strictObject({ first: seed, last: seed })),
        })
        .describe('asked for and not run; the first stretches, in steps of the number of shards'),
      totals,
      results: z.array(seedResultSchema).describe('one for each seed, ascending'),
      digest: digest.describe('over campaign, seeds and results'),
    })
    .describe('follows from build, guest, options and the seeds run: no times, no machine'),
  contradictions: z
    .array(
      z.strictObject({
        seed,
        results: z.array(z.strictObject({ file: z.string(), outcome: z.string(), digest })),
      }),
    )
    .describe('seeds that gave different results: a defect'),
  notDetermined: z.array(z.string()).describe('what does not follow from build and seeds'),
  measured: z
    .strictObject({
      ended: z.enum(['done', 'time', 'fail-fast', 'interrupted']),
      durationMs: z.number().min(0).describe('of this process'),
      seedsRun: count.describe('by this process'),
      seedsBefore: count.describe('taken over from the file given to --resume'),
      seedsPerSecond: z.number().min(0),
      checkpointsPerSecond: z.number().min(0),
    })
    .nullable()
    .describe('null in a merged report'),
});

export type CampaignIdentity = z.infer<typeof identitySchema>;
export type SeedResult = z.infer<typeof seedResultSchema>;
export type CampaignDocument = z.infer<typeof campaignSchema>;
export type CampaignTotals = z.infer<typeof totals>;
export type Measured = NonNullable<CampaignDocument['measured']>;
