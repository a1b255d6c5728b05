// SPDX-License-Identifier: GPL-2.0-only
// The page of a search: what was searched, and each counterexample as lanes beside the same choices under the fix.
import type { LaneStory } from '../ledger/lanes.ts';
import { formatCount, formatDuration } from '../util/quantity.ts';
import { type ActorStep, actorLanes } from './actor-lanes.ts';
import { type Html, html, page } from './html.ts';
import { lanes } from './lanes.ts';
import { figures, verdict } from './sections.ts';

interface Finding {
  invariant: string;
  message: string;
}

interface ExploreTold {
  revision: string;
  ios: number;
  checkpoints: number;
  events: number;
  preemptions: number;
  findings: readonly Finding[];
  steps: readonly ActorStep[];
  story: LaneStory | null;
}

/** What the page needs of the document of a search. */
export interface ExplorePageData {
  outcome: string;
  guest: string;
  revision: string;
  cpu: string;
  ios: number;
  checkpoints: number;
  strategy: string;
  preemptions: number;
  complete: boolean;
  schedules: number;
  pruned: number;
  states: number;
  violations: readonly {
    findings: readonly Finding[];
    replay: string;
    minimal: boolean;
    told: ExploreTold;
    fixed: ExploreTold | null;
  }[];
  violationsTotal: number;
  durationMs: number;
  schedulesPerSecond: number;
}

function events(told: ExploreTold): Html {
  const turns: { actor: string; texts: string[]; broken: string[] }[] = [];
  for (const { turn, actor, text, broken } of told.steps) {
    if (turn > told.events) break;
    const at = turns[turn - 1] ?? { actor, texts: [], broken: [] };
    turns[turn - 1] = at;
    at.texts.push(text);
    at.broken.push(...broken);
  }
  // A turn in which nothing was told leaves a hole.
  return html`<ol>${turns
    .filter(() => true)
    .map(
      ({ actor, texts, broken }) =>
        html`<li><b>${actor}</b>: ${texts.join('; ')}${broken.length === 0 ? null : html` <strong class="badge">broken: ${broken.join(', ')}</strong>`}</li>\n`,
    )}</ol>`;
}

/** Whether others take part than the lanes of one instruction have. */
function further({ steps }: ExploreTold): boolean {
  return steps.some(({ actor }) => /^(vCPU \d|killer|interrupt)/.test(actor));
}

function side(title: string, told: ExploreTold): Html {
  const { findings, story, revision } = told;
  return html`<section>
<h3>${title}</h3>
<p class="muted">revision <code>${revision}</code></p>
<div class="card">${
    findings.length === 0
      ? html`<p>Nothing is broken.</p>`
      : html`<ul class="violations">${findings.map(({ invariant, message }) => html`<li><b>${invariant}</b><br>${message}</li>\n`)}</ul>`
  }</div>
${story === null || further(told) ? actorLanes(`The schedule under revision ${revision}`, told.steps) : lanes(`The instruction under revision ${revision}`, story.events, story.omitted)}
</section>`;
}

function counterexample(v: ExplorePageData['violations'][number]): Html {
  const { told, fixed, minimal, replay } = v;
  const size = `${told.ios} ${told.ios === 1 ? 'access' : 'accesses'}, ${told.checkpoints} ${told.checkpoints === 1 ? 'checkpoint' : 'checkpoints'}, ${told.preemptions} ${told.preemptions === 1 ? 'preemption' : 'preemptions'}, ${told.events} events`;
  return html`<h2>${told.findings.map((f) => f.invariant).join(', ')}</h2>
<p>${minimal ? 'The smallest schedule there is' : 'Shrunk'}: ${size}.</p>
<div class="card">${events(told)}</div>
<p class="muted">Step by step:</p><pre>${replay}</pre>
<div class="sides">
${side('As it is', told)}
${fixed === null ? null : side('The same choices, put right', fixed)}
</div>`;
}

function headline(data: ExplorePageData): [boolean | null, string, string] {
  const { guest, violationsTotal, complete, outcome } = data;
  if (violationsTotal > 0) {
    const names = [...new Set(data.violations.flatMap((v) => v.findings.map((f) => f.invariant)))];
    return [false, 'broken', `${guest}: an order was found that breaks ${names.join(', ')}`];
  }
  if (complete) return [true, 'complete', `${guest}: no order within the bounds breaks anything`];
  return [null, outcome, `${guest}: nothing was broken in what was run`];
}

/** @returns a whole HTML file */
export function explorePage(data: ExplorePageData): string {
  const [good, word, title] = headline(data);
  return page(
    `${title} – trapline explore`,
    html`<main>
${verdict(good, word, title, html`<p>trapline explore, revision <code>${data.revision}</code>, CPU ${data.cpu}: ${data.ios} accesses, ${data.checkpoints} checkpoints, ${data.strategy === 'dfs' ? `every order with at most ${data.preemptions} preemptions` : `orders drawn by ${data.strategy}`}</p>`)}
${figures([
  ['schedules', formatCount(data.schedules)],
  ['cut short in a known state', formatCount(data.pruned)],
  ['states', formatCount(data.states)],
  ['duration', formatDuration(data.durationMs)],
  ['runs per second', formatCount(data.schedulesPerSecond)],
  ['schedules that break something', formatCount(data.violationsTotal), data.violationsTotal === 0],
])}
${data.violations.map(counterexample)}
<footer><p>How to read the lanes: time goes down. An arrow reaches from the one who acts to the one it reaches, a dot stays in its lane. The slot is the vCPU's place in the page that monitor and device model share; <code>io_req</code> is the monitor's own copy. An event of the numbered list is all that one actor did until another one went on.</p></footer>
</main>`,
  );
}
