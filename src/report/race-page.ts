// SPDX-License-Identifier: GPL-2.0-only
// The page of the race: without and with the fix, next to each other.
import type { LaneStory } from '../ledger/lanes.ts';
import type { Measured } from '../util/measure.ts';
import { formatCount, formatDuration } from '../util/quantity.ts';
import { type Html, html, page } from './html.ts';
import { charts, figures, footer, story, verdict } from './sections.ts';

export interface RacePageSide {
  revision: string;
  checkpoints: number;
  accesses: number;
  lost: number;
  duplicated: number;
  values: readonly number[];
  expected: number | null;
  got: number | null;
  windows: Readonly<Record<string, number>>;
  story: LaneStory | null;
  measured: Measured | null;
}

/** What the page needs of the document of a race. */
export interface RacePageData {
  guest: string;
  seed: number;
  without: RacePageSide;
  with: RacePageSide;
  durationMs: number;
}

function side(title: string, data: RacePageSide): Html {
  const { lost, duplicated, expected, got, values } = data;
  return html`<section>
<h2>${title}</h2>
<p class="muted">revision <code>${data.revision}</code></p>
${figures([
  ['checkpoints', formatCount(data.checkpoints)],
  ['accesses', formatCount(data.accesses)],
  ['lost', formatCount(lost), lost === 0],
  ['happened twice', formatCount(duplicated), duplicated === 0],
])}
<div class="card spaced"><h3>The guest read</h3><p class="values">${values.join(' ')}</p>
<p>${expected === null ? 'Each value is the one before plus 1.' : `Expected ${expected}, got ${got ?? 'nothing'}.`}</p></div>
${data.story === null ? html`<p class="muted">No instruction is there to be shown.</p>` : story(data.story)}
${charts(data.windows, data.measured)}
</section>`;
}

/**
 * @param asTold - whether it went as the story says: lost without the fix, nothing lost with it
 * @returns a whole HTML file
 */
export function racePage(data: RacePageData, asTold: boolean): string {
  const title = asTold
    ? 'Without the fix a value is lost; with it none is'
    : 'The race did not go as expected';
  const { without, with: fixed } = data;
  return page(
    `${title} – trapline race`,
    html`<main>
${verdict(asTold, asTold ? 'as expected' : 'not as expected', title, html`<p>trapline race, guest <code>${data.guest}</code>, seed <code>${data.seed}</code>, ${formatDuration(data.durationMs)}. The fix is Xen's commit <code>b7e0d8978810</code>.</p>`)}
<div class="sides">
${side('Without the fix', without)}
${side('With the fix', fixed)}
</div>
${footer(without.story !== null || fixed.story !== null)}
</main>`,
  );
}
