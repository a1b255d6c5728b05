// SPDX-License-Identifier: GPL-2.0-only
// A sequence chart: lanes, arrows between them, the state of the slot, and each event in words beside its arrow.
// Rows are drawn apart from each other, in shares of the width: the words may wrap, and nothing needs a script.
import type { Lane, LaneEvent, LaneMark, LaneState } from '../ledger/lanes.ts';
import { clip, type Html, html, type Part } from './html.ts';

/** From left to right. */
const LANES: readonly Lane[] = ['guest', 'vcpu', 'device', 'toolstack'];

const NAMES: Readonly<Record<Lane, readonly [string, string]>> = {
  guest: ['Guest', 'program'],
  vcpu: ['vCPU path', 'monitor'],
  device: ['Device model', 'world'],
  toolstack: ['Toolstack', 'checkpoints'],
};

/** Marks in words; those of the toolstack are seen by their lane. */
const BADGES: Readonly<Record<Exclude<LaneMark, null>, string | null>> = {
  first: 'first time',
  again: 'again',
  lost: 'lost',
  shutdown: null,
  checkpoint: null,
  parts: 'books and world part',
  decides: 'books and world agree',
};

/** Where the arrow is, in pixels from the top of its row. */
const ARROW_Y = 26;
const MOST_LABEL = 17;
/** Rows drawn; more would be no chart any more. */
const MOST_ROWS = 2000;

function share(lane: Lane): number {
  return (100 * (LANES.indexOf(lane) + 0.5)) / LANES.length;
}

function lifelines(): Part {
  return LANES.map(
    (lane) => html`<line class="life" x1="${share(lane)}%" x2="${share(lane)}%" y1="0" y2="100%"/>`,
  );
}

/** A shape at a share of the width: a nested drawing, because paths know no shares. */
function shape(lane: Lane, path: string): Html {
  return html`<svg class="head" x="${share(lane)}%" y="${ARROW_Y}"><path d="${path}"/></svg>`;
}

function drawing(event: LaneEvent): Html {
  const { from, to } = event;
  const label = clip(event.label, MOST_LABEL);
  if (to === null || to === from) {
    const last = from === LANES.at(-1);
    return html`${shape(from, 'M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z')}<svg class="head" x="${share(from)}%" y="${ARROW_Y}"><text class="${last ? 'end' : ''}" x="${last ? -10 : 10}" y="4">${label}</text></svg>`;
  }
  const right = LANES.indexOf(to) > LANES.indexOf(from);
  const middle = (share(from) + share(to)) / 2;
  return html`<line class="arrow" x1="${share(from)}%" x2="${share(to)}%" y1="${ARROW_Y}" y2="${ARROW_Y}"/>
${shape(from, 'M-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0z')}${shape(to, right ? 'M0 0l-9 -5v10z' : 'M0 0l9 -5v10z')}
<text class="mid" x="${middle}%" y="${ARROW_Y - 7}">${label}</text>`;
}

/** What changed with an event, beside the slot. */
function changes(now: LaneState, before: LaneState | null): string[] {
  const found: string[] = [];
  if (before !== null && now.latch !== before.latch) found.push(`io_req ${now.latch}`);
  if (now.deferring !== (before?.deferring ?? false)) {
    found.push(now.deferring ? 'shutdown deferred' : 'no deferral');
  }
  if (now.stopping !== (before?.stopping ?? false)) {
    found.push(now.stopping ? 'shutting down' : 'not shutting down');
  }
  return found;
}

function slot(now: LaneState | null, before: LaneState | null): Html {
  if (now === null) return html`<div class="slot"></div>`;
  const same = before !== null && before.slot === now.slot;
  return html`<div class="slot"><span class="chip ${same ? 'same' : ''}" data-slot="${now.slot}"><span class="unseen">slot </span>${now.slot}</span>${changes(now, before).map((c) => html`<span class="change">${c}</span>`)}</div>`;
}

function ledgerWords({ stage, first, last }: NonNullable<LaneEvent['ledger']>): string {
  return first === last
    ? `ledger: ${stage}, event ${first}`
    : `ledger: ${stage}, events ${first} to ${last}`;
}

function row(event: LaneEvent, index: number, before: LaneState | null): Html {
  const badge = event.mark === null ? null : BADGES[event.mark];
  const { parts } = event;
  return html`<li class="event ${event.mark === null ? '' : `mark-${event.mark}`} from-${event.from}">
<div class="art"><svg aria-hidden="true">${lifelines()}${drawing(event)}</svg></div>
${slot(event.state, before)}
<div class="words"><span class="n">${index + 1}</span><div>${badge === null ? null : html`<strong class="badge">${badge}</strong> `}${event.text}${event.xen === '' ? null : html` <code>${event.xen}</code>`}${event.ledger === null ? null : html` <span class="muted">${ledgerWords(event.ledger)}</span>`}</div></div>
${
  parts === null
    ? null
    : html`<dl class="parts"><div><dt>The books say</dt><dd>${parts.books}</dd></div><div><dt>The world says</dt><dd>${parts.world}</dd></div></dl>`
}</li>\n`;
}

/** @param name - what the chart is about, for those who do not see it */
export function lanes(name: string, events: readonly LaneEvent[], omitted = 0): Html {
  const shown = events.length > MOST_ROWS ? events.slice(0, MOST_ROWS) : events;
  const left = omitted + events.length - shown.length;
  let before: LaneState | null = null;
  const rows = shown.map((event, i) => {
    const made = row(event, i, before);
    if (event.state !== null) before = event.state;
    return made;
  });
  const gap =
    left === 0
      ? null
      : html`<p class="muted">${left} further events were not kept${omitted > 0 ? '; they lie before the last one shown' : ''}.</p>`;
  return html`<div class="lanes">
<div class="lane-names" aria-hidden="true"><div class="art">${LANES.map((lane) => html`<span class="lane-name lane-${lane}">${NAMES[lane][0]}<small>${NAMES[lane][1]}</small></span>`)}</div><div class="slot">slot</div></div>
<ol aria-label="${name}">${rows}</ol>${gap}
</div>`;
}
