// SPDX-License-Identifier: GPL-2.0-only
// From the results of seeds to a campaign's report.
import { digestOf, totalsOf } from './result.ts';
import { missingSeeds, type SeedRange, type Shard } from './seeds.ts';
import type { CampaignDocument, CampaignIdentity, Measured, SeedResult } from './shapes.ts';
import { SEED_OUTCOMES } from './shapes.ts';

/** What a report is made of. */
export interface CampaignFacts {
  campaign: CampaignIdentity;
  /** They do not touch each other, ascending. */
  seeds: readonly SeedRange[];
  shard: Shard | null;
  /** At most one for each seed, in any order. */
  results: Iterable<SeedResult>;
  contradictions?: CampaignDocument['contradictions'];
  measured: Measured | null;
}

/** The digest a report carries. */
export function resultsDigest(
  campaign: CampaignIdentity,
  seeds: readonly SeedRange[],
  results: readonly SeedResult[],
): string {
  return digestOf({ campaign, seeds, results });
}

export function campaignReport(facts: CampaignFacts): CampaignDocument {
  const { campaign, contradictions = [], measured, shard } = facts;
  const seeds = facts.seeds.map(({ first, last }) => ({ first, last }));
  const results = [...facts.results].sort((a, b) => a.seed - b.seed);
  const done = results.map(({ seed }) => seed);
  const determined = {
    campaign,
    seeds,
    shard: shard === null ? null : { index: shard.index, count: shard.count },
    missing: missingSeeds(seeds, shard, done),
    totals: totalsOf(results),
    results,
    digest: resultsDigest(campaign, seeds, results),
  };
  return {
    schema: 'trapline.campaign/1',
    outcome: outcomeOf(determined, contradictions.length, measured),
    determined,
    contradictions,
    notDetermined: notDetermined(determined, measured),
    measured,
  };
}

/** The worst of all seeds; without any, whether all were run. */
function outcomeOf(
  { missing, results }: CampaignDocument['determined'],
  contradictions: number,
  measured: Measured | null,
): CampaignDocument['outcome'] {
  if (contradictions > 0) return 'failure';
  const worst = (['failure', 'crashed', 'error', 'skip', 'limit'] as const).find((outcome) =>
    results.some((result) => result.outcome === outcome),
  );
  if (worst !== undefined) return worst;
  if (measured?.ended === 'interrupted') return 'interrupted';
  return missing.count > 0 ? 'limit' : SEED_OUTCOMES[0];
}

function notDetermined(
  { campaign, missing, seeds }: CampaignDocument['determined'],
  measured: Measured | null,
): string[] {
  const found: string[] = [];
  if (!campaign.repeatable) {
    found.push('the result of a seed: threads run as the host lets them');
  }
  if (seeds.some(({ last }) => last === null)) {
    found.push('how many seeds were run: as many as the time allowed');
  } else if (missing.count > 0) {
    found.push('which seeds are missing: the campaign was stopped before its end');
  }
  if (measured !== null) found.push('durations and rates');
  return found;
}
