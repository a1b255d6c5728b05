// SPDX-License-Identifier: GPL-2.0-only
// The shape of every --json document. schemas/*.json are generated from here (npm run schemas).
import { z } from 'zod';
import { campaignSchema } from '../toolstack/campaign/shapes.ts';
import {
  count,
  crash,
  endComparison,
  stages,
  verdict,
  violation,
} from '../toolstack/result-shapes.ts';
import { chainSchema } from './chain-schemas.ts';
import { OUTCOMES } from './exit-codes.ts';
import { exploreSchema, replaySchema } from './explore-schemas.ts';
import { diffSchema, inspectSchema, saveSchema, verifySchema } from './image-schemas.ts';
import { measuredOrNot, story } from './story-schemas.ts';

const outcome = z.enum(
  Object.keys(OUTCOMES) as [keyof typeof OUTCOMES, ...(keyof typeof OUTCOMES)[]],
);
/** `trapline.error/1`: any command that fails. */
export const errorSchema = z.strictObject({
  schema: z.literal('trapline.error/1'),
  code: z.string().describe('a code of `trapline list errors`, or BUG'),
  message: z.string(),
  exitCode: z.int(),
  details: z.record(z.string(), z.unknown()),
});

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

/** `trapline.list-guests/1` */
export const listGuestsSchema = z.strictObject({
  schema: z.literal('trapline.list-guests/1'),
  guests: z.array(
    z.strictObject({
      name: z.string(),
      purpose: z.string(),
      format: z.string(),
      devices: z.array(z.string()),
      verdict: verdict.describe('what it reports when all is well'),
    }),
  ),
});

/** `trapline.list-devices/1` */
export const listDevicesSchema = z.strictObject({
  schema: z.literal('trapline.list-devices/1'),
  devices: z.array(
    z.strictObject({
      name: z.string(),
      summary: z.string(),
      ranges: z.array(z.string()).describe('where it sits unless told otherwise'),
    }),
  ),
});

/** `trapline.list-revisions/1` */
export const listRevisionsSchema = z.strictObject({
  schema: z.literal('trapline.list-revisions/1'),
  revisions: z.array(
    z.strictObject({
      name: z.string(),
      reason: z.string(),
      switches: z.record(z.string(), z.boolean()),
    }),
  ),
  switches: z.record(z.string(), z.strictObject({ origin: z.string(), reason: z.string() })),
});

/** `trapline.list-errors/1` */
export const listErrorsSchema = z.strictObject({
  schema: z.literal('trapline.list-errors/1'),
  errors: z.array(z.strictObject({ code: z.string(), meaning: z.string(), exitCode: z.int() })),
});

/** `trapline.bugs/1`: `trapline bugs`. */
export const bugsSchema = z.strictObject({
  schema: z.literal('trapline.bugs/1'),
  bugs: z.array(
    z.strictObject({
      id: z.string(),
      commit: z.string().nullable().describe('of Xen, the one that repaired it; null: none did'),
      date: z.string().nullable().describe('of the commit'),
      origin: z
        .enum(['repaired', 'open', 'elsewhere'])
        .describe('repaired in Xen, observed in it still, or not of Xen'),
      title: z.string(),
      story: z.string(),
      modelled: z.string(),
      notModelled: z.string(),
      guest: z.string().describe('one that meets it'),
      revision: z.string().describe('the one it is put into'),
      switches: z.record(z.string(), z.boolean()).describe('turned in that revision'),
      session: z.array(z.string()).describe('what is wrong outside the monitor'),
      cure: z.string().describe('the revision in which that guest is well'),
      invariant: z.string().describe('what it breaks'),
      command: z.string().describe('finds it by luck'),
    }),
  ),
});

/** `trapline.doctor/1`: `trapline doctor`. */
export const doctorSchema = z.strictObject({
  schema: z.literal('trapline.doctor/1'),
  ok: z.boolean(),
  checks: z.array(z.strictObject({ name: z.string(), ok: z.boolean(), detail: z.string() })),
});

/** Every schema that is shipped. */
export const SCHEMAS: readonly z.ZodType[] = [
  errorSchema,
  stressSchema,
  chainSchema,
  campaignSchema,
  raceSchema,
  exploreSchema,
  replaySchema,
  exactnessSchema,
  runSchema,
  saveSchema,
  restoreSchema,
  inspectSchema,
  verifySchema,
  diffSchema,
  benchSchema,
  ledgerCheckSchema,
  listGuestsSchema,
  listDevicesSchema,
  listRevisionsSchema,
  listErrorsSchema,
  bugsSchema,
  doctorSchema,
];

/** File name and content of each JSON Schema in schemas/: `trapline.stress-1.json` and so on. */
export function jsonSchemaFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const schema of SCHEMAS) {
    const json = z.toJSONSchema(schema, { target: 'draft-2020-12' });
    const id = (json.properties?.schema as { const?: string } | undefined)?.const ?? '';
    const titled = { $schema: json.$schema, title: id, ...json };
    files.set(`${id.replace('/', '-')}.json`, `${JSON.stringify(titled, null, 2)}\n`);
  }
  return files;
}

export type StressDocument = z.infer<typeof stressSchema>;
export type RaceDocument = z.infer<typeof raceSchema>;
export type ExactnessDocument = z.infer<typeof exactnessSchema>;
export type RaceSide = z.infer<typeof raceSide>;
export type RunDocument = z.infer<typeof runSchema>;
export type RestoreDocument = z.infer<typeof restoreSchema>;
export type BenchDocument = z.infer<typeof benchSchema>;
export type LedgerCheckDocument = z.infer<typeof ledgerCheckSchema>;
export type BugsDocument = z.infer<typeof bugsSchema>;
export type DoctorDocument = z.infer<typeof doctorSchema>;
