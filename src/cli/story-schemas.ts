// SPDX-License-Identifier: GPL-2.0-only
// The parts of --json documents that stress and race share: one instruction as lanes, and what was measured.
import { z } from 'zod';
import { LANES } from '../ledger/lanes.ts';

const count = z.int().min(0);
const slotState = z.enum(['NONE', 'READY', 'INPROCESS', 'RESP_READY']);
const lane = z.enum(LANES);

/** One event of a chart of lanes. */
const laneEvent = z.strictObject({
  from: lane,
  to: lane.nullable().describe('null: it stays in its lane'),
  label: z.string(),
  text: z.string(),
  xen: z.string().describe("Xen's function; empty: not in Xen"),
  state: z
    .strictObject({
      slot: slotState.describe('of the shared ioreq page'),
      latch: slotState.describe("the vCPU's io_req.state"),
      deferring: z.boolean(),
      stopping: z.boolean(),
    })
    .nullable()
    .describe('afterwards'),
  mark: z
    .enum(['first', 'again', 'lost', 'shutdown', 'checkpoint', 'parts', 'decides'])
    .nullable()
    .describe('first, again: the same access; parts: from here books and world disagree'),
  parts: z.strictObject({ books: z.string(), world: z.string() }).nullable(),
  ledger: z
    .strictObject({ stage: z.enum(['issued', 'answered', 'retired']), first: count, last: count })
    .nullable()
    .describe('events of the ledger that came with it'),
});

/** One instruction as lanes. */
export const story = z.strictObject({
  about: z
    .enum(['again', 'chosen', 'last'])
    .describe('executed again; asked for; or just the last one with a shutdown in it'),
  checkpoint: count.nullable(),
  access: z.string(),
  omitted: count.describe('events that were too many, before the last'),
  events: z.array(laneEvent),
});

/** By the clock. */
const measured = z.strictObject({
  rate: z
    .strictObject({ bucketMs: z.number(), counts: z.array(count), elapsedMs: z.number() })
    .describe('checkpoints per stretch of time; the last one is shorter'),
  latency: z
    .strictObject({
      total: count,
      minNs: z.number().nullable(),
      maxNs: z.number().nullable(),
      buckets: z.array(z.strictObject({ fromNs: z.number(), toNs: z.number(), count })),
    })
    .describe('from sending an ioreq to taking its answer in'),
});

export const measuredOrNot = measured
  .nullable()
  .describe('differs from run to run, all else here does not, but for times; null: not measured');
