// SPDX-License-Identifier: GPL-2.0-only
// The documents of `trapline explore` and `trapline replay`.
import { z } from 'zod';
import { count } from '../toolstack/result-shapes.ts';
import { story } from './story-schemas.ts';

const finding = z.strictObject({ invariant: z.string(), message: z.string() });

const state = z.strictObject({
  slot: z.string().describe('of the shared ioreq page'),
  latch: z.string().describe("the vCPU's io_req.state"),
  deferring: z.boolean().describe('the vCPU asks not to be stopped'),
  stopping: z.boolean().describe('the domain is shutting down'),
  shutDown: z.boolean(),
  pauseCount: count.describe('of vCPU and domain'),
  blocked: z.boolean().describe('the vCPU waits for a device model'),
});

const step = z.strictObject({
  turn: count.describe('the event it is part of, from 1'),
  actor: z.string(),
  place: z
    .string()
    .describe('where the vCPU stood when the turn began: a preemption point, or exit, enter, idle'),
  text: z.string(),
  state: state.describe('afterwards'),
  broken: z.array(z.string()).describe('invariants found broken with this step'),
});

/** One schedule, told. */
const told = z.strictObject({
  revision: z.string(),
  ios: count,
  checkpoints: count,
  end: z.enum(['done', 'verdict', 'stuck', 'crashed', 'halted', 'unending', 'cut']),
  events: count.describe(
    'turns of actors, up to the last one with which something was found broken',
  ),
  preemptions: count,
  decisions: count,
  misfits: count.describe('choices that were not possible and were left out'),
  findings: z.array(finding),
  steps: z.array(step),
  story: story.nullable().describe('the instruction it is about, as lanes'),
});

const scenario = {
  guest: z.string(),
  revision: z.string(),
  bug: z.string().nullable().describe('an exhibit of `trapline bugs`; null: none'),
  cpu: z.enum(['real', 'scripted']),
  ios: count.describe('accesses that the guest carries to their end'),
  checkpoints: count.describe('that the toolstack may take'),
  vcpus: count,
  kills: count.describe('device models that may die'),
  interrupts: count.describe('edges of the interrupt source'),
};

/** `trapline.explore/1`: `trapline explore`. */
export const exploreSchema = z.strictObject({
  schema: z.literal('trapline.explore/1'),
  outcome: z.enum(['success', 'failure', 'limit', 'interrupted']),
  ...scenario,
  strategy: z.enum(['dfs', 'random', 'pct']),
  preemptions: count.describe('bound'),
  seed: count,
  depth: count,
  stop: z.enum(['complete', 'violation', 'schedules', 'time', 'interrupted']),
  complete: z.boolean().describe('every order within the bounds is covered'),
  schedules: count.describe('runs to their end'),
  pruned: count.describe('runs cut short in a state met before'),
  states: count.describe('distinct states at decisions'),
  decisions: count.describe('of the longest run'),
  violations: z.array(
    z.strictObject({
      findings: z.array(finding).describe('what the schedule breaks that was found'),
      found: z.string().describe('that schedule'),
      schedule: z.string().describe('the shortest one, for trapline replay'),
      replay: z.string().describe('the command'),
      minimal: z.boolean().describe('all smaller ones were tried'),
      told,
      fixed: told.nullable().describe('the same choices under the revision that puts it right'),
    }),
  ),
  violationsTotal: count.describe('schedules that broke something'),
  determinism: z
    .strictObject({ compared: count, events: count })
    .nullable()
    .describe('schedules that were run twice, and the values compared'),
  durationMs: z.number().min(0),
  schedulesPerSecond: z.number().min(0).describe('runs, those cut short included'),
});

/** `trapline.replay/1`: `trapline replay`. */
export const replaySchema = z.strictObject({
  schema: z.literal('trapline.replay/1'),
  outcome: z.enum(['success', 'failure']),
  ...scenario,
  schedule: z.string(),
  told,
  times: count.describe('how often it was run'),
  same: count.describe('runs that were the same, event by event'),
  durationMs: z.number().min(0),
});

export type ExploreDocument = z.infer<typeof exploreSchema>;
export type ReplayDocument = z.infer<typeof replaySchema>;
export type ToldDocument = z.infer<typeof told>;
