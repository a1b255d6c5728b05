// SPDX-License-Identifier: GPL-2.0-only
// The page of one stress run.
import type { StageCounts } from '../ledger/events.ts';
import type { LaneStory } from '../ledger/lanes.ts';
import type { Measured } from '../util/measure.ts';
import { formatCount, formatDuration } from '../util/quantity.ts';
import { html, page } from './html.ts';
import {
  charts,
  figures,
  footer,
  type PageViolation,
  story,
  verdict,
  violations,
} from './sections.ts';

/** What the page needs of the document of a stress run. */
export interface StressPageData {
  outcome: string;
  revision: string;
  guest: string;
  seed: number;
  checkpoints: number;
  checkpointsAsked: number;
  instructions: number;
  accesses: StageCounts;
  lost: number;
  duplicated: number;
  violations: readonly PageViolation[];
  violationsTotal: number;
  reproduce: string | null;
  windows: Readonly<Record<string, number>>;
  verdict: string | null;
  crash: { reason: string } | null;
  threads: boolean;
  deviceModels: readonly { server: number; why: string }[];
  story: LaneStory | null;
  measured: Measured | null;
  durationMs: number;
  checkpointsPerSecond: number;
}

/** Whether it went well, in one word and in one sentence. */
function headline(data: StressPageData): [boolean | null, string, string] {
  const { guest, crash } = data;
  switch (data.outcome) {
    case 'success':
      return data.checkpoints < data.checkpointsAsked
        ? [true, 'passed', `${guest} ended by itself; every access happened exactly once`]
        : [true, 'passed', `${guest}: every access happened exactly once`];
    case 'failure': {
      const { lost, duplicated } = data;
      const what = [
        ...(lost > 0 ? [`${formatCount(lost)} lost`] : []),
        ...(duplicated > 0 ? [`${formatCount(duplicated)} happened twice`] : []),
      ];
      return [
        false,
        'failed',
        what.length === 0
          ? `${guest}: something went wrong`
          : `${guest}: accesses went wrong, ${what.join(', ')}`,
      ];
    }
    case 'crashed':
      return [
        false,
        'crashed',
        `${guest} crashed its domain: ${crash?.reason ?? 'no reason recorded'}`,
      ];
    case 'limit':
      return [
        null,
        'stopped',
        `${guest}: a limit was reached first; nothing went wrong until then`,
      ];
    case 'interrupted':
      return [null, 'interrupted', `${guest}: interrupted; this is what was seen until then`];
    default:
      return [null, data.outcome, `${guest} reports ${data.outcome}`];
  }
}

/** One figure while the three stages agree. */
function accessFigures({ issued, answered, retired }: StageCounts): [string, string][] {
  if (issued === answered && answered === retired) return [['accesses', formatCount(issued)]];
  return [
    ['accesses issued', formatCount(issued)],
    ['answered', formatCount(answered)],
    ['retired', formatCount(retired)],
  ];
}

/** @returns a whole HTML file */
export function stressPage(data: StressPageData): string {
  const { accesses, checkpoints, checkpointsAsked, lost, duplicated } = data;
  const [good, word, title] = headline(data);
  const done =
    checkpoints === checkpointsAsked
      ? formatCount(checkpoints)
      : `${formatCount(checkpoints)} of ${formatCount(checkpointsAsked)}`;
  return page(
    `${title} – trapline stress`,
    html`<main>
${verdict(good, word, title, html`<p>trapline stress, revision <code>${data.revision}</code>, seed <code>${data.seed}</code></p>`)}
${figures([
  ['checkpoints', done],
  ['per second', formatCount(data.checkpointsPerSecond)],
  ['duration', formatDuration(data.durationMs)],
  ['instructions', formatCount(data.instructions)],
  ...accessFigures(accesses),
  ['lost', formatCount(lost), lost === 0],
  ['happened twice', formatCount(duplicated), duplicated === 0],
  ["guest's verdict", data.verdict ?? 'none'],
  ...data.deviceModels.map(({ server, why }): [string, string, boolean] => [
    `device model ${server}`,
    why,
    false,
  ]),
])}
${violations(data.violations, data.violationsTotal, data.reproduce)}
${data.story === null ? null : html`<h2>How it happened</h2>\n${story(data.story)}`}
<h2>The run</h2>
${charts(data.windows, data.measured)}
${footer(data.story !== null, data.threads)}
</main>`,
  );
}
