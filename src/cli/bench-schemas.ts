// SPDX-License-Identifier: GPL-2.0-only
// The document of --json of the benchmark.
import { z } from 'zod';
import { count } from '../toolstack/result-shapes.ts';

const spread = z.strictObject({
  name: z.string(),
  median: z.number(),
  low: z.number().describe('10th percentile'),
  high: z.number().describe('90th percentile'),
  samples: count,
});

const timed = z.strictObject({
  ...spread.shape,
  unit: z.literal('ns'),
  perSecond: z.number(),
});

const peer = z.strictObject({
  name: z.string(),
  state: z.enum(['measured', 'absent', 'failed']),
  version: z.string().nullable(),
  answeredBy: z.string().nullable().describe('who answers an access'),
  reason: z.string().nullable().describe('why it is absent or failed'),
  install: z.string().nullable().describe('the command that makes an absent one present'),
});

/** `trapline.bench/1`: `trapline bench`. */
export const benchSchema = z.strictObject({
  schema: z.literal('trapline.bench/1'),
  environment: z.strictObject({
    node: z.string(),
    platform: z.string(),
    cpu: z.string(),
    cores: count,
    load: z.number().describe('average over a minute, at the start'),
  }),
  method: z.string(),
  results: z.array(timed),
  stages: z.array(timed).describe('cost of each stage of one trap'),
  peers: z.array(peer).describe('other monitors: found and measured, or why not'),
  versus: z
    .strictObject({
      results: z.array(spread).describe('ns per unit'),
      ratios: z.array(spread).describe('ours divided by theirs, taken in each round'),
    })
    .describe('the same loops on us and on the peers, by <loop>/<who>'),
  ratios: z
    .record(z.string(), z.number())
    .describe('medians of the ratios; loop/<peer> is the geometric mean over all loops'),
  durationMs: z.number().min(0),
});

export type BenchDocument = z.infer<typeof benchSchema>;
