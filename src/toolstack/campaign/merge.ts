// SPDX-License-Identifier: GPL-2.0-only
// Many reports and state files of one campaign as one report that says nothing of how the work was divided.
import { HvmError } from '../../util/errors.ts';
import { difference } from './identity.ts';
import { campaignReport } from './report.ts';
import { joinRanges, type SeedRange } from './seeds.ts';
import type { CampaignDocument, CampaignIdentity, SeedResult } from './shapes.ts';
import { SEED_OUTCOMES } from './shapes.ts';

/** One file to be merged. */
export interface CampaignSource {
  file: string;
  campaign: CampaignIdentity;
  seeds: readonly SeedRange[];
  results: readonly SeedResult[];
  /** Of a merged report. */
  contradictions: CampaignDocument['contradictions'];
}

type Contradiction = CampaignDocument['contradictions'][number];

/** Of two results of one seed, the one a report shows: the same whatever the order of the files. */
function worse(a: SeedResult, b: SeedResult): SeedResult {
  const rank = ({ outcome }: SeedResult): number =>
    outcome === 'success' ? SEED_OUTCOMES.length : SEED_OUTCOMES.indexOf(outcome);
  if (rank(a) !== rank(b)) return rank(a) < rank(b) ? a : b;
  return JSON.stringify(a) <= JSON.stringify(b) ? a : b;
}

/**
 * Every seed counts once. Results of one seed that differ contradict each other, unless its runs cannot be repeated.
 * @param sources - at least one, in any order
 * @throws HvmError HVM_CAMPAIGN_OTHER when they are not of one build, guest and command
 */
export function mergeCampaigns(sources: readonly CampaignSource[]): CampaignDocument {
  const [first] = sources;
  if (first === undefined) throw new HvmError('HVM_USAGE', 'nothing to merge: expected reports');
  const results = new Map<number, SeedResult>();
  const sightings = new Map<number, Contradiction['results']>();
  for (const { campaign, contradictions, file, results: theirs } of sources) {
    const other = difference(first.campaign, campaign);
    if (other !== null) {
      throw new HvmError(
        'HVM_CAMPAIGN_OTHER',
        `cannot merge '${file}': ${other} as in '${first.file}'`,
        { details: { file, expected: first.file } },
      );
    }
    for (const { seed, results: known } of contradictions) {
      const seen = sightings.get(seed) ?? [];
      seen.push(...known.filter((one) => !seen.some(({ digest }) => digest === one.digest)));
      sightings.set(seed, seen);
    }
    for (const result of theirs) {
      const { digest, outcome, seed } = result;
      const seen = sightings.get(seed) ?? [];
      if (!seen.some((one) => one.digest === digest)) seen.push({ file, outcome, digest });
      sightings.set(seed, seen);
      const known = results.get(seed);
      results.set(seed, known === undefined ? result : worse(known, result));
    }
  }
  const found = [...sightings].flatMap(([seed, seen]): Contradiction[] =>
    seen.length < 2 || !first.campaign.repeatable
      ? []
      : [{ seed, results: seen.sort((a, b) => (a.digest < b.digest ? -1 : 1)) }],
  );
  return campaignReport({
    campaign: first.campaign,
    seeds: joinRanges(sources.flatMap(({ seeds }) => seeds)),
    shard: null,
    results: results.values(),
    contradictions: found.sort((a, b) => a.seed - b.seed),
    measured: null,
  });
}
