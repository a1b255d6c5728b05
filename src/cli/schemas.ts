// SPDX-License-Identifier: GPL-2.0-only
// The shapes of all --json documents. schemas/*.json are generated from here (npm run schemas).
import { z } from 'zod';
import { campaignSchema } from '../toolstack/campaign/shapes.ts';
import { benchSchema } from './bench-schemas.ts';
import { chainSchema } from './chain-schemas.ts';
import { doctorSchema, exactnessSchema, ledgerCheckSchema } from './check-schemas.ts';
import { errorSchema } from './error-schema.ts';
import { exploreSchema, replaySchema } from './explore-schemas.ts';
import { diffSchema, inspectSchema, saveSchema, verifySchema } from './image-schemas.ts';
import {
  bugsSchema,
  listDevicesSchema,
  listErrorsSchema,
  listGuestsSchema,
  listRevisionsSchema,
} from './list-schemas.ts';
import { restoreSchema, runSchema } from './run-schemas.ts';
import { raceSchema, stressSchema } from './stress-schemas.ts';

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
