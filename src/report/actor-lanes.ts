// SPDX-License-Identifier: GPL-2.0-only
// A schedule as lanes, one for each actor that takes part: what it did until another one went on, and where the slot
// stood then. For stories that are not about one instruction: deaths, interrupts, several vCPUs.
import { type Html, html } from './html.ts';

export interface ActorStep {
  turn: number;
  actor: string;
  text: string;
  state: { slot: string; latch: string; deferring: boolean; stopping: boolean };
  broken: readonly string[];
}

interface Turn {
  actor: string;
  texts: string[];
  state: ActorStep['state'];
  broken: string[];
}

/** Rows drawn; more would be no chart any more. */
const MOST_TURNS = 500;

function turnsOf(steps: readonly ActorStep[]): Turn[] {
  const turns: Turn[] = [];
  for (const { turn, actor, text, state, broken } of steps) {
    const at = turns[turn - 1] ?? { actor, texts: [], state, broken: [] };
    turns[turn - 1] = at;
    at.texts.push(text);
    at.state = state;
    at.broken.push(...broken);
  }
  // A turn in which nothing was told leaves a hole.
  return turns.filter(() => true).slice(0, MOST_TURNS);
}

/** @param name - what the chart is about, for those who do not see it */
export function actorLanes(name: string, steps: readonly ActorStep[]): Html {
  const turns = turnsOf(steps);
  const actors = [...new Set(turns.map(({ actor }) => actor))];
  const rows = turns.map(({ actor, texts, state, broken }, i) => {
    const cells = actors.map(
      (it) => html`<td class="lane">${it === actor ? html`<span class="dot"></span>` : null}</td>`,
    );
    const flags = [state.deferring ? 'deferring' : '', state.stopping ? 'shutting down' : ''];
    return html`<tr><th scope="row">${i + 1}</th>${cells}<td class="said ${broken.length > 0 ? 'breaks' : ''}"><b>${actor}</b>: ${texts.join('; ')}${broken.length === 0 ? null : html` <strong class="badge">broken: ${broken.join(', ')}</strong>`}</td><td class="slot"><span class="chip" data-slot="${state.slot}">${state.slot}</span>${flags.map((flag) => (flag === '' ? null : html`<span class="change">${flag}</span>`))}</td></tr>\n`;
  });
  return html`<div class="actors"><table aria-label="${name}"><thead><tr><th></th>${actors.map((it) => html`<th scope="col" class="lane">${it.replace(/^device model /, '').replace(/^killer of device model /, 'killer of ')}</th>`)}<th scope="col">what happens</th><th scope="col">slot</th></tr></thead><tbody>
${rows}</tbody></table></div>`;
}
