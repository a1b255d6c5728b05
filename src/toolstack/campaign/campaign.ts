// SPDX-License-Identifier: GPL-2.0-only
// Runs the seeds of a shard, one after the other, with whatever runs one seed.
import type { Watch } from '../limits.ts';
import type { StressReport } from '../stress-report.ts';
import { campaignReport } from './report.ts';
import { seedResult } from './result.ts';
import { type SeedRange, type Shard, seedCount, seedsOf } from './seeds.ts';
import type { CampaignDocument, CampaignIdentity, Measured, SeedResult } from './shapes.ts';

/** What to run, and how to end early. */
export interface CampaignOptions {
  campaign: CampaignIdentity;
  seeds: SeedRange;
  shard: Shard | null;
  /** No seed begins after so long; null: no bound. */
  durationMs: number | null;
  /** Ends with the first seed that is no success. */
  failFast: boolean;
}

/** Where finished seeds are kept. */
export interface CampaignStore {
  /** Seeds finished by processes before this one. */
  readonly results: readonly SeedResult[];
  /** Returns once the result is safe. */
  append(result: SeedResult): void;
}

/** How far a campaign is. */
export interface CampaignProgress {
  /** By this process. */
  run: number;
  /** By processes before. */
  before: number;
  /** For this process; null: no end. */
  total: number | null;
  /** Seeds that were no success, all together. */
  bad: number;
}

/** What a campaign is watched and stopped by. */
export type CampaignWatch = Pick<Watch, 'signal' | 'clock'> & {
  progress(now: CampaignProgress): void;
};

/**
 * Runs every seed of the shard that has no result yet. A seed that is interrupted has none: it is run again by
 * whoever resumes. What a seed throws ends the campaign; what is finished stays in the store.
 */
export async function runCampaign(
  options: CampaignOptions,
  run: (seed: number) => Promise<StressReport> | StressReport,
  store: CampaignStore,
  watch: CampaignWatch,
): Promise<CampaignDocument> {
  const { campaign, durationMs, failFast, seeds, shard } = options;
  const { clock, signal } = watch;
  const startMs = clock.nowMs();
  const before = store.results.length;
  const results = new Map(store.results.map((result) => [result.seed, result]));
  const total = seedCount(seeds, shard);
  let bad = store.results.filter(({ outcome }) => outcome !== 'success').length;
  let checkpoints = 0;
  const endsEarly = (): Measured['ended'] | null => {
    if (signal.aborted) return 'interrupted';
    if (failFast && bad > 0) return 'fail-fast';
    return durationMs !== null && clock.nowMs() - startMs >= durationMs ? 'time' : null;
  };
  let ended: Measured['ended'] = 'done';
  for (const seed of seedsOf(seeds, shard)) {
    if (results.has(seed)) continue;
    const early = endsEarly();
    if (early !== null) {
      ended = early;
      break;
    }
    watch.progress({
      run: results.size - before,
      before,
      total: total === null ? null : total - before,
      bad,
    });
    const result = seedResult(await run(seed));
    if (result === null) {
      ended = 'interrupted';
      break;
    }
    store.append(result);
    results.set(seed, result);
    checkpoints += result.checkpoints;
    if (result.outcome !== 'success') bad++;
  }
  const durationMsTaken = clock.nowMs() - startMs;
  const perSecond = (n: number): number => (durationMsTaken > 0 ? (n * 1000) / durationMsTaken : 0);
  const seedsRun = results.size - before;
  return campaignReport({
    campaign,
    seeds: [seeds],
    shard,
    results: results.values(),
    measured: {
      ended,
      durationMs: durationMsTaken,
      seedsRun,
      seedsBefore: before,
      seedsPerSecond: perSecond(seedsRun),
      checkpointsPerSecond: perSecond(checkpoints),
    },
  });
}
