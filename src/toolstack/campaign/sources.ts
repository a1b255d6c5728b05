// SPDX-License-Identifier: GPL-2.0-only
// Files for a merge: a report or a state file, told apart by their content, believed only after a check.
import { readFileSync } from 'node:fs';
import { HvmError } from '../../util/errors.ts';
import type { CampaignSource } from './merge.ts';
import { resultsDigest } from './report.ts';
import { hasSeed } from './seeds.ts';
import { campaignSchema } from './shapes.ts';
import { looksLikeState, parseState } from './state-format.ts';

/**
 * Reads one file.
 * @throws HvmError HVM_CAMPAIGN with file, and line or field, when it is neither
 */
export function readSource(file: string): CampaignSource {
  const refuse = (why: string, cause?: unknown): HvmError =>
    new HvmError('HVM_CAMPAIGN', `cannot merge '${file}': ${why}`, {
      details: { file },
      ...(cause === undefined ? {} : { cause }),
    });
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw refuse(code === 'ENOENT' ? 'no such file' : (cause as Error).message, cause);
  }
  if (looksLikeState(bytes)) {
    const state = parseState(bytes, file);
    if (state === null) throw refuse('its first line was never finished: resume that shard first');
    const { header, results } = state;
    return { file, campaign: header.campaign, seeds: [header.seeds], results, contradictions: [] };
  }
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw refuse('expected a campaign report or a file written by --resume', cause);
  }
  const parsed = campaignSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const schema = (json as { schema?: unknown } | null)?.schema;
    throw refuse(
      schema === 'trapline.campaign/1'
        ? `field '${issue?.path.join('.') ?? ''}': ${issue?.message ?? 'invalid'}`
        : `expected a report of schema trapline.campaign/1, got ${JSON.stringify(schema) ?? 'none'}`,
    );
  }
  const { contradictions, determined } = parsed.data;
  const { campaign, digest, results, seeds, shard } = determined;
  const stray = results.find(({ seed }, i) => {
    const known = seeds.some((range) => hasSeed(range, shard, seed));
    return !known || seed <= (results[i - 1]?.seed ?? -1);
  });
  if (stray !== undefined) {
    throw refuse(`seed ${stray.seed} is there twice, out of order, or was not asked for`);
  }
  if (resultsDigest(campaign, seeds, results) !== digest) {
    throw refuse('its results do not agree with its digest: it was changed after it was written');
  }
  return { file, campaign, seeds, results, contradictions };
}
