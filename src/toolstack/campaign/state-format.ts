// SPDX-License-Identifier: GPL-2.0-only
// The text of a campaign's state file: JSON Lines, a header, then one line for each finished seed, chained by hashes.
import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { CHAIN_START, chainHash, chainLine, splitLine } from '../../ledger/chain.ts';
import { HvmError } from '../../util/errors.ts';
import { hasSeed } from './seeds.ts';
import type { SeedResult } from './shapes.ts';
import { identitySchema, seedRangeSchema, seedResultSchema, shardSchema } from './shapes.ts';

const FORMAT = 'trapline-campaign';

const headerSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(1),
  campaign: identitySchema,
  seeds: seedRangeSchema,
  shard: shardSchema.nullable(),
});

/** First line of a state file. */
export type StateHeader = z.infer<typeof headerSchema>;

/** What a state file holds. */
export interface CampaignState {
  header: StateHeader;
  results: SeedResult[];
  /** Hash of the last whole line. */
  head: string;
  /** Bytes of whole lines; more than these is a line that was being written when the process died. */
  wholeBytes: number;
}

export function stateHeader(facts: Omit<StateHeader, 'format' | 'version'>): StateHeader {
  const { campaign, seeds, shard } = facts;
  return { format: FORMAT, version: 1, campaign, seeds, shard };
}

/** The line for `content` behind a line with hash `head`, and its own hash. */
export function stateLine(
  content: StateHeader | SeedResult,
  head: string = CHAIN_START,
): { line: string; head: string } {
  const body = JSON.stringify(content);
  const next = chainHash(head, body);
  return { line: chainLine(body, next), head: next };
}

/** Whether a file that begins with `bytes` claims to be a state file. */
export function looksLikeState(bytes: Uint8Array): boolean {
  const mark = `{"format":"${FORMAT}"`;
  return Buffer.from(bytes.subarray(0, mark.length)).toString('latin1') === mark;
}

/**
 * Reads a state file as far as its lines are whole; the rest of a line at its end was never acknowledged.
 * @param path - for messages
 * @returns null when not even the header is whole
 * @throws HvmError HVM_CAMPAIGN naming file, line and what was expected
 */
export function parseState(bytes: Buffer, path: string): CampaignState | null {
  const state: Omit<CampaignState, 'header'> = { results: [], head: CHAIN_START, wholeBytes: 0 };
  let header: StateHeader | null = null;
  let number = 0;
  const refuse = (why: string): HvmError =>
    new HvmError('HVM_CAMPAIGN', `${path}:${number}: ${why}`, {
      details: { file: path, line: number },
    });
  const seen = new Set<number>();
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, state.wholeBytes)) {
    number++;
    const raw = bytes.subarray(state.wholeBytes, end);
    const split = isUtf8(raw) ? splitLine(raw.toString('utf8')) : null;
    if (split === null) {
      throw refuse(
        number === 1
          ? `expected the first line of a ${FORMAT} file, got something else`
          : 'expected a line that ends in its hash; the file is damaged',
      );
    }
    const next = chainHash(state.head, split.body);
    if (next !== split.h) {
      throw refuse(`expected hash ${next}, got ${split.h}; the file is damaged`);
    }
    if (header === null) {
      header = parseBody(headerSchema, split.body, refuse);
    } else {
      const result = parseBody(seedResultSchema, split.body, refuse);
      const { seed } = result;
      if (!hasSeed(header.seeds, header.shard, seed)) {
        throw refuse(`seed ${seed} does not belong to this file's seeds`);
      }
      if (seen.has(seed)) throw refuse(`seed ${seed} is there for the second time`);
      seen.add(seed);
      state.results.push(result);
    }
    state.head = next;
    state.wholeBytes = end + 1;
  }
  return header === null ? null : { header, ...state };
}

function parseBody<T>(schema: z.ZodType<T>, body: string, refuse: (why: string) => HvmError): T {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    throw refuse('expected JSON');
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw refuse(`field '${issue?.path.join('.') ?? ''}': ${issue?.message ?? 'invalid'}`);
}
