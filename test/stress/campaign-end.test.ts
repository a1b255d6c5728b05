// SPDX-License-Identifier: GPL-2.0-only
// How a campaign ends, and as what.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCampaign } from '../../src/toolstack/campaign/campaign.ts';
import { campaignReport } from '../../src/toolstack/campaign/report.ts';
import { seedResult } from '../../src/toolstack/campaign/result.ts';
import type { SeedResult } from '../../src/toolstack/campaign/shapes.ts';
import { readSource } from '../../src/toolstack/campaign/sources.ts';
import type { StressReport } from '../../src/toolstack/stress-report.ts';
import { ManualClock } from '../../src/util/clock.ts';
import { identity, memory, resume, runSeed, SMALL, watchOf } from '../helpers/campaign.ts';

const folder = mkdtempSync(join(tmpdir(), 'trapline-campaign-end-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string): string => join(folder, name);

describe('a campaign ends', () => {
  const clock = new ManualClock();
  const asked = {
    campaign: identity(),
    seeds: { first: 1, last: 10 },
    shard: null,
    durationMs: null,
    failFast: false,
  };
  let good: StressReport;
  beforeAll(async () => {
    good = await runSeed(SMALL, 1);
  });
  const of = (seed: number, more: Partial<StressReport> = {}): StressReport => ({
    ...good,
    seed,
    ...more,
  });
  const watch = { ...watchOf(), clock, progress: () => {} };

  it('when the time is over, with the seed under way', async () => {
    const run = (seed: number): StressReport => {
      clock.advance(400);
      return of(seed);
    };
    const report = await runCampaign({ ...asked, durationMs: 1000 }, run, memory(), watch);
    expect(report).toMatchObject({
      outcome: 'limit',
      measured: { ended: 'time', seedsRun: 3, durationMs: 1200, seedsPerSecond: 2.5 },
    });
    const endless = { ...asked, seeds: { first: 1, last: null }, durationMs: 1000 };
    const open = await runCampaign(endless, run, memory(), watch);
    expect(open).toMatchObject({ outcome: 'success', determined: { missing: { count: 0 } } });
    expect(open.notDetermined).toContain('how many seeds were run: as many as the time allowed');
  });

  it('with the first bad seed, if asked to; else with the last seed', async () => {
    const run = (seed: number): StressReport => of(seed, seed === 4 ? { outcome: 'crashed' } : {});
    const fast = await runCampaign({ ...asked, failFast: true }, run, memory(), watch);
    expect(fast).toMatchObject({
      outcome: 'crashed',
      measured: { ended: 'fail-fast', seedsRun: 4 },
    });
    const all = await runCampaign(asked, run, memory(), watch);
    expect(all).toMatchObject({ outcome: 'crashed', measured: { ended: 'done', seedsRun: 10 } });
    // What failed before it was resumed counts, too.
    const store = { results: fast.determined.results, append: () => {} };
    const again = await runCampaign({ ...asked, failFast: true }, run, store, watch);
    expect(again).toMatchObject({ measured: { ended: 'fail-fast', seedsRun: 0, seedsBefore: 4 } });
  });

  it('when interrupted: an interrupted seed has no result', async () => {
    const run = (seed: number): StressReport =>
      of(seed, seed === 4 ? { outcome: 'interrupted' } : {});
    const report = await runCampaign(asked, run, memory(), watch);
    expect(report).toMatchObject({ outcome: 'interrupted', measured: { seedsRun: 3 } });
    const signal = AbortSignal.abort();
    const none = await runCampaign(asked, run, memory(), { ...watch, signal });
    expect(none).toMatchObject({ outcome: 'interrupted', measured: { seedsRun: 0 } });
  });

  it('with the error of a seed, and keeps those before it', async () => {
    const path = file('throwing');
    const part = { seeds: asked.seeds, shard: null };
    const run = (seed: number): StressReport => {
      if (seed === 3) throw new Error('out of memory');
      return of(seed);
    };
    await expect(resume(path, part, SMALL, run)).rejects.toThrow('out of memory');
    expect(readSource(path).results.map(({ seed }) => seed)).toEqual([1, 2]);
  });

  it.each([
    [['success', 'failure', 'crashed'], 'failure'],
    [['crashed', 'error', 'limit'], 'crashed'],
    [['limit', 'skip', 'error'], 'error'],
    [['success', 'limit', 'skip'], 'skip'],
    [['success', 'limit'], 'limit'],
    [['success', 'success'], 'success'],
  ] as const)('as the worst of %j', (outcomes, worst) => {
    const results = outcomes.map((outcome, i) => seedResult(of(i + 1, { outcome })) as SeedResult);
    const seeds = [{ first: 1, last: outcomes.length }];
    const facts = { campaign: identity(), seeds, shard: null, results, measured: null };
    expect(campaignReport(facts).outcome).toBe(worst);
  });
});
