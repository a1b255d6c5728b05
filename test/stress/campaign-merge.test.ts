// SPDX-License-Identifier: GPL-2.0-only
// Merging: missing seeds, contradictions, other campaigns, and files that are not what they claim to be.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type CampaignSource, mergeCampaigns } from '../../src/toolstack/campaign/merge.ts';
import { seedResult } from '../../src/toolstack/campaign/result.ts';
import type { CampaignDocument, SeedResult } from '../../src/toolstack/campaign/shapes.ts';
import { readSource } from '../../src/toolstack/campaign/sources.ts';
import { stateLine } from '../../src/toolstack/campaign/state-format.ts';
import type { StressReport } from '../../src/toolstack/stress-report.ts';
import {
  BUILD,
  campaign,
  header,
  identity,
  memory,
  type Part,
  refusal,
  runSeed,
  SMALL,
  UNFIXED,
} from '../helpers/campaign.ts';

const folder = mkdtempSync(join(tmpdir(), 'trapline-campaign-merge-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string): string => join(folder, name);

describe('a merge', () => {
  const source = async (seeds: Part['seeds'], name: string, options = SMALL) => {
    const { determined } = await campaign({ seeds, shard: null }, memory(), options);
    const { results } = determined;
    const one: CampaignSource = {
      file: name,
      campaign: identity(options),
      seeds: [seeds],
      results,
      contradictions: [],
    };
    return one;
  };

  it('names what is missing, and has no verdict without it', async () => {
    const first = await source({ first: 1, last: 4 }, 'a');
    const later = await source({ first: 9, last: 10 }, 'b');
    const gap = { ...later, results: later.results.slice(1) };
    const { determined, outcome, notDetermined } = mergeCampaigns([gap, first]);
    expect(outcome).toBe('limit');
    expect(determined.seeds).toEqual([
      { first: 1, last: 4 },
      { first: 9, last: 10 },
    ]);
    expect(determined.missing).toEqual({ count: 1, ranges: [{ first: 9, last: 9 }] });
    expect(notDetermined).toEqual([expect.stringContaining('which seeds are missing')]);
  });

  it('names a seed with two results, in whatever order it comes, and stays a failure', async () => {
    const a = await source({ first: 1, last: 4 }, 'a');
    const bad = seedResult({ ...(await runSeed(SMALL, 3)), outcome: 'failure', lost: 1 });
    const b: CampaignSource = { ...a, file: 'b', results: [bad as SeedResult] };
    const both = mergeCampaigns([a, b]);
    expect(both.outcome).toBe('failure');
    expect(both.contradictions).toHaveLength(1);
    expect(both.contradictions[0]?.seed).toBe(3);
    expect(
      both.contradictions[0]?.results.map((one) => `${one.file} ${one.outcome}`).sort(),
    ).toEqual(['a success', 'b failure']);
    expect(both.determined.totals).toMatchObject({ seeds: 4, lost: 1 });
    expect(mergeCampaigns([b, a])).toEqual(both);
    // Merged once more with the good one alone, it is not forgotten.
    const path = file('contradicting');
    writeFileSync(path, JSON.stringify(both));
    expect(mergeCampaigns([readSource(path), a])).toEqual(both);
  });

  it('takes the worse result of a seed that cannot be repeated', async () => {
    const a = await source({ first: 1, last: 4 }, 'a');
    const bad = seedResult({ ...(await runSeed(SMALL, 3)), outcome: 'crashed' }) as SeedResult;
    const threads = { ...a.campaign, repeatable: false };
    const sources = [
      { ...a, campaign: threads },
      { ...a, campaign: threads, results: [bad] },
    ];
    const report = mergeCampaigns(sources);
    expect(report).toMatchObject({ outcome: 'crashed', contradictions: [] });
    expect(report.notDetermined).toEqual([expect.stringContaining('the result of a seed')]);
    expect(mergeCampaigns([...sources].reverse())).toEqual(report);
  });

  it('refuses other builds, guests and commands', async () => {
    const a = await source({ first: 1, last: 1 }, 'a');
    const build = { ...a.campaign, build: { ...BUILD, version: '0.0.1' } };
    const others = [{ ...a, campaign: build }, await source({ first: 1, last: 1 }, 'b', UNFIXED)];
    for (const other of others) {
      const { code, message } = refusal(() => mergeCampaigns([a, other]));
      expect(code).toBe('HVM_CAMPAIGN_OTHER');
      expect(message).toContain(`cannot merge '${other.file}': it is of`);
    }
  });

  it('refuses a report that was changed, and what is no report', async () => {
    const report = await campaign({ seeds: { first: 1, last: 3 }, shard: null }, memory());
    const read = (document: unknown): string => {
      const path = file('report.json');
      writeFileSync(path, typeof document === 'string' ? document : JSON.stringify(document));
      const { code, message } = refusal(() => readSource(path));
      expect(code).toBe('HVM_CAMPAIGN');
      return message;
    };
    const change = (edit: (document: CampaignDocument) => void): CampaignDocument => {
      const copy = structuredClone(report);
      edit(copy);
      return copy;
    };
    const first = (document: CampaignDocument): SeedResult =>
      document.determined.results[0] as SeedResult;
    expect(read(change((d) => (first(d).lost = 1)))).toContain('do not agree with its digest');
    expect(read(change((d) => d.determined.results.pop()))).toContain('do not agree');
    expect(read(change((d) => (first(d).seed = 7)))).toContain('seed 7 is there twice, out of');
    expect(read(change((d) => d.determined.results.push(first(d))))).toContain('seed 1 is there');
    expect(read({ ...report, outcome: 'fine' })).toContain("field 'outcome'");
    expect(read({ schema: 'trapline.stress/1' })).toContain('got "trapline.stress/1"');
    expect(read('null')).toContain('got none');
    expect(read('')).toContain('expected a campaign report');
    expect(
      read(stateLine(header({ seeds: { first: 1, last: 3 }, shard: null })).line.slice(0, -1)),
    ).toContain('its first line was never finished');
    expect(refusal(() => readSource(file('nothing'))).message).toContain('no such file');
    expect(refusal(() => readSource(folder)).code).toBe('HVM_CAMPAIGN');
  });

  it('gives the fields of a result one order, whoever made them', async () => {
    const report = await runSeed(UNFIXED, 1);
    const shuffled = Object.fromEntries(
      Object.entries(report).reverse(),
    ) as unknown as StressReport;
    shuffled.windows = Object.fromEntries(Object.entries(report.windows).reverse());
    shuffled.violations = report.violations.map(
      (one) => Object.fromEntries(Object.entries(one).reverse()) as typeof one,
    );
    const [a, b] = [seedResult(report), seedResult(shuffled)];
    expect(JSON.stringify({ ...a, digest: '' })).toBe(JSON.stringify({ ...b, digest: '' }));
  });
});
