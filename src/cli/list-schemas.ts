// SPDX-License-Identifier: GPL-2.0-only
// The documents of --json of lists: guests, devices, revisions, errors, the museum.
import { z } from 'zod';
import { verdict } from '../toolstack/result-shapes.ts';

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

export type BugsDocument = z.infer<typeof bugsSchema>;
