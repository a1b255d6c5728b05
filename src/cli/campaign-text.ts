// SPDX-License-Identifier: GPL-2.0-only
// A campaign's report as text: of one process, or merged.
import { seedRangeText } from '../toolstack/campaign/seeds.ts';
import type { CampaignDocument, SeedResult } from '../toolstack/campaign/shapes.ts';
import { formatCount, formatDuration, formatTable, wrap } from './format.ts';
import type { Styler } from './output.ts';
import { renderViolations, renderWindows } from './violations.ts';

/** Seeds that went wrong and are shown; --json has all of them. */
const SHOWN = 5;

function rows({ determined, measured }: CampaignDocument): string[][] {
  const { campaign, missing, seeds, totals } = determined;
  const { accesses, outcomes } = totals;
  const endless = seeds.some(({ last }) => last === null);
  const of = endless ? '' : ` of ${formatCount(totals.seeds + missing.count)}`;
  const each = Object.entries(outcomes).map(([name, n]) => `${name} ${formatCount(n)}`);
  const process = (): string => {
    const { checkpointsPerSecond, durationMs, seedsBefore, seedsRun } = measured as NonNullable<
      typeof measured
    >;
    const before = seedsBefore === 0 ? '' : `, ${formatCount(seedsBefore)} were there before`;
    return `${formatCount(seedsRun)} seeds in ${formatDuration(durationMs)}, checkpoints ${formatCount(checkpointsPerSecond)}/s${before}`;
  };
  return [
    ['build', `${campaign.build.version}, digest ${campaign.build.digest.slice(0, 16)}`],
    ['results', `digest ${determined.digest.slice(0, 16)}`],
    ['seeds', [`${formatCount(totals.seeds)}${of}`, ...each].join(', ')],
    ...(measured === null ? [] : [['this process', process()]]),
    ['checkpoints', formatCount(totals.checkpoints)],
    ['instructions', formatCount(totals.instructions)],
    [
      'accesses',
      `issued ${formatCount(accesses.issued)}, answered ${formatCount(accesses.answered)}, retired ${formatCount(accesses.retired)}`,
    ],
    ['lost', formatCount(totals.lost)],
    ['duplicated', formatCount(totals.duplicated)],
  ];
}

function renderSeed(result: SeedResult, style: Styler): string[] {
  const { crash, outcome, reproduce, seed, violations, violationsTotal } = result;
  const why = crash === null ? '' : `: ${crash.reason}`;
  return [
    `  ${style('bad', `seed ${seed}: ${outcome}`)}${why}`,
    ...renderViolations({ violations: violations.slice(0, 1), violationsTotal }, style),
    ...(reproduce === null ? [] : [`  again: ${reproduce}`]),
  ];
}

function renderBad(results: readonly SeedResult[], style: Styler): string[] {
  const bad = results.filter(({ outcome }) => outcome !== 'success');
  const more = bad.length - SHOWN;
  return [
    ...bad.slice(0, SHOWN).flatMap((result) => renderSeed(result, style)),
    ...(more > 0 ? [`  and ${formatCount(more)} more seeds`] : []),
  ];
}

function renderMissing({ missing, shard }: CampaignDocument['determined']): string[] {
  if (missing.count === 0) return [];
  const step = shard === null || shard.count === 1 ? '' : ` in steps of ${shard.count}`;
  const shown = missing.ranges.slice(0, SHOWN).map(seedRangeText);
  const more = missing.ranges.length > SHOWN ? ' and more' : '';
  return [`  missing${step}: ${shown.join(', ')}${more}`];
}

function verdictLine({ contradictions, determined, outcome }: CampaignDocument): string {
  const { missing, totals } = determined;
  const of = (name: string): string =>
    `${formatCount(totals.outcomes[name] ?? 0)} of ${formatCount(totals.seeds)} seeds`;
  const unfinished =
    missing.count === 0 ? '' : `; ${formatCount(missing.count)} seeds are still missing`;
  if (contradictions.length > 0) return 'the same seed gave different results: see above';
  switch (outcome) {
    case 'success':
      return totals.seeds === 0
        ? 'no seed falls to this part'
        : 'every access of every seed happened exactly once';
    case 'failure':
      return `accesses went wrong in ${of('failure')}: see above${unfinished}`;
    case 'crashed':
      return `the guest crashed its domain in ${of('crashed')}${unfinished}`;
    case 'skip':
      return `the guest reports that it cannot run here, in ${of('skip')}${unfinished}`;
    case 'error':
      return `the guest's own test is wrong, or it came to an end, in ${of('error')}${unfinished}`;
    case 'interrupted':
      return `interrupted${unfinished}; nothing went wrong until then`;
    case 'limit':
      return missing.count > 0
        ? `not finished${unfinished}; nothing went wrong in the others`
        : `a limit was reached first in ${of('limit')}`;
  }
}

/** The result as text. */
export function renderCampaign(document: CampaignDocument, style: Styler): string {
  const { contradictions, determined, notDetermined, outcome } = document;
  const { campaign, results, seeds, shard, totals } = determined;
  const part = shard === null ? '' : `, shard ${shard.index}/${shard.count}`;
  const title = `campaign ${campaign.guest.name}, revision ${campaign.revision}, seeds ${seeds.map(seedRangeText).join(', ')}${part}, ${formatCount(campaign.checkpoints)} checkpoints each`;
  const windows = renderWindows(totals.windows);
  return [
    style('bold', title),
    formatTable(rows(document), { indent: '  ' }),
    ...(windows.length === 0 ? [] : ['  windows hit', ...windows]),
    ...renderBad(results, style),
    ...contradictions.map(({ seed, results: those }) => {
      const each = those.map(
        ({ digest, file, outcome: how }) => `${how} (${digest.slice(0, 12)}) in ${file}`,
      );
      return `  ${style('bad', `seed ${seed} gave different results`)}: ${each.join(', ')}`;
    }),
    ...renderMissing(determined),
    ...notDetermined.flatMap((what) =>
      wrap(`does not follow from build and seeds: ${what}`, 76).map((line) => `  ${line}`),
    ),
    style(outcome === 'success' ? 'good' : 'bad', verdictLine(document)),
  ].join('\n');
}
