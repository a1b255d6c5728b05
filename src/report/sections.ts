// SPDX-License-Identifier: GPL-2.0-only
// The sections that pages are made of, and the plain data they are made from.
import type { LaneStory } from '../ledger/lanes.ts';
import type { Measured } from '../util/measure.ts';
import { formatCount } from '../util/quantity.ts';
import { bars } from './bars.ts';
import { histogram } from './histogram.ts';
import { type Html, html } from './html.ts';
import { lanes } from './lanes.ts';
import { series } from './series.ts';

/** Violations shown in full. */
const SHOWN = 20;

export interface PageViolation {
  kind: string;
  message: string;
  checkpoint: { n: number; window: string } | null;
}

/** The first thing on a page. `null`: neither good nor bad. */
export function verdict(good: boolean | null, word: string, title: string, below: Html): Html {
  const tone = good === null ? '' : good ? 'good' : 'bad';
  return html`<header class="card verdict ${tone}"><div class="word">${word}</div><h1>${title}</h1>${below}</header>`;
}

/** Figures with a name each; the third part says whether one is good or bad. */
export function figures(
  all: readonly (readonly [name: string, value: string, good?: boolean])[],
): Html {
  return html`<div class="figures">${all.map(
    ([name, value, good]) =>
      html`<div class="figure ${good === undefined ? '' : good ? 'good' : 'bad'}"><b>${value}</b><span>${name}</span></div>\n`,
  )}</div>`;
}

export function violations(
  all: readonly PageViolation[],
  total: number,
  reproduce: string | null,
): Html | null {
  if (all.length === 0 && reproduce === null) return null;
  const more = total - Math.min(all.length, SHOWN);
  return html`<h2>What went wrong</h2>
<div class="card"><ul class="violations">${all
    .slice(0, SHOWN)
    .map(
      ({ kind, message, checkpoint }) =>
        html`<li><b>${kind}</b>${checkpoint === null ? null : html` <span class="muted">checkpoint ${checkpoint.n}, window ${checkpoint.window}</span>`}<br>${message}</li>\n`,
    )}</ul>${more > 0 ? html`<p class="muted">and ${formatCount(more)} more</p>` : null}
${reproduce === null ? null : html`<p class="muted">The command:</p><pre>${reproduce}</pre>`}</div>`;
}

const ABOUT: Readonly<Record<LaneStory['about'], string>> = {
  again: 'This instruction was executed again after a device had been accessed.',
  chosen: 'The same instruction, with the shutdown in the same place.',
  last: 'No instruction was executed again after a device access. This is the last one that a shutdown fell into.',
};

/** One instruction as lanes. */
export function story(told: LaneStory): Html {
  const { about, access, checkpoint, events, omitted } = told;
  const name = access === '' ? 'One instruction' : `One instruction: ${access}`;
  const when = checkpoint === null ? '' : ` The shutdown is that of checkpoint ${checkpoint}.`;
  return html`<p>${ABOUT[about]}${when}</p>
${lanes(name, events, omitted)}`;
}

export function charts(windows: Readonly<Record<string, number>>, measured: Measured | null): Html {
  return html`<div class="charts">
${measured === null ? null : series('Checkpoints over time', 'checkpoints', measured.rate)}
${bars('Hits per window', 'checkpoints', windows)}
${measured === null ? null : histogram('Round trip of an ioreq', 'requests', measured.latency)}
</div>`;
}

/** What differs from run to run and what does not; how to read the lanes. */
export function footer(withLanes: boolean, threads = false): Html {
  return html`<footer>
${
  withLanes
    ? html`<p>How to read the lanes: time goes down. An arrow reaches from the one who acts to the one it reaches, a dot stays in its lane. The slot is the vCPU's place in the page that monitor and device model share; <code>io_req</code> is the monitor's own copy. Beside the words stands Xen's name of the function, and what the ledger recorded.</p>`
    : null
}
<p>${threads ? 'Every actor was a thread of its own: no other run is the same.' : 'Rates and times were measured by the clock and differ from run to run. Everything else follows from guest, revision, seed and number of checkpoints.'} A round trip reaches from sending a request to taking its answer in.</p>
</footer>`;
}
