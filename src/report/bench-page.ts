// SPDX-License-Identifier: GPL-2.0-only
// The page of a benchmark: us beside other monitors, loop by loop, and what one of our traps consists of.
import { formatDuration, formatNs, formatRatio } from '../util/quantity.ts';
import { table } from './chart.ts';
import { type Html, html, page } from './html.ts';
import { type DurationRow, durations } from './log-bars.ts';
import { verdict } from './sections.ts';

/** Rows: loops. Columns: who, ourselves first. */
export interface VersusTable {
  who: readonly string[];
  loops: readonly {
    loop: string;
    cells: readonly { ns: DurationRow | null; ratio: DurationRow | null }[];
  }[];
}

/** What the page needs of the document of a benchmark. */
export interface BenchPageData {
  environment: { node: string; platform: string; cpu: string; cores: number; load: number };
  method: string;
  results: readonly DurationRow[];
  stages: readonly DurationRow[];
  peers: readonly {
    name: string;
    state: string;
    version: string | null;
    answeredBy: string | null;
    reason: string | null;
    install: string | null;
  }[];
  table: VersusTable;
  durationMs: number;
}

function ratios({ who, loops }: VersusTable): Html {
  const peers = who.slice(1);
  const row = ({ loop, cells }: VersusTable['loops'][number]): Html =>
    html`<tr><td>${loop}</td>${cells
      .slice(1)
      .map(({ ratio }) =>
        ratio === null
          ? html`<td></td>`
          : html`<td class="${ratio.median <= 1 ? 'good' : 'bad'}" title="${formatRatio(ratio.low)} to ${formatRatio(ratio.high)}">${formatRatio(ratio.median)}</td>`,
      )}</tr>\n`;
  return html`<div class="card spaced wide"><h3>Ours divided by theirs</h3>
<p class="muted">Median of the ratios of single rounds; below 1 ours is faster. <code>loop/all</code> is the geometric mean of the loops without I/O.</p>
<table><thead><tr><th scope="col">loop</th>${peers.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${loops.map(row)}</tbody></table></div>`;
}

function charts({ who, loops }: VersusTable): Html {
  const drawn = loops.filter(({ cells }) => cells.some(({ ns }) => ns !== null));
  const one = ({ loop, cells }: VersusTable['loops'][number]): Html => {
    const rows = cells.flatMap(({ ns }, i) => (ns === null ? [] : { ...ns, name: who[i] ?? '' }));
    return durations(loop, rows, `${unit(loop)}; logarithmic, the line from 10 % to 90 %.`);
  };
  return html`<div class="charts">${drawn.map(one)}</div>`;
}

function unit(loop: string): string {
  if (loop.startsWith('loop/')) return 'Per instruction, each repetition of a REP one';
  return loop === 'insb' || loop === 'outsb' ? 'Per byte, 1024 to an instruction' : 'Per access';
}

function peers(all: BenchPageData['peers']): Html | null {
  if (all.length === 0) return null;
  const text = ({ name, state, version, answeredBy, reason, install }: (typeof all)[number]) =>
    state === 'absent'
      ? html`<li><b>${name}</b> absent: ${reason}. To have it: <code>${install}</code></li>\n`
      : html`<li><b>${name}</b> ${version}: ${answeredBy}${state === 'failed' ? ` – failed: ${reason}` : null}</li>\n`;
  return html`<h2>Who was there</h2><div class="card"><ul>${all.map(text)}</ul></div>`;
}

/** @returns a whole HTML file */
export function benchPage(data: BenchPageData): string {
  const { environment: env, table: versus, stages, results } = data;
  const title = versus.loops.length > 0 ? 'I/O traps, monitor by monitor' : 'I/O traps';
  return page(
    `${title} – trapline bench`,
    html`<main>
${verdict(null, 'benchmark', title, html`<p>trapline bench, Node ${env.node}, ${env.platform}, ${env.cores} x ${env.cpu}, load ${env.load.toFixed(1)} at the start, ${formatDuration(data.durationMs)}.</p>`)}
${versus.loops.length === 0 ? null : [ratios(versus), charts(versus)]}
${peers(data.peers)}
${
  stages.length === 0
    ? null
    : html`<h2>What one IN of ours consists of</h2>
<div class="charts">${durations('Stages', stages, 'Differences of configurations that take turns; a difference below 0 is not drawn.')}</div>`
}
${
  results.length === 0
    ? null
    : html`<h2>Ours alone</h2><div class="card wide">${table(
        ['', 'median', '10 %', '90 %'],
        results.map((r) => [r.name, formatNs(r.median), formatNs(r.low), formatNs(r.high)]),
      )}</div>`
}
<footer><p>Method: ${data.method}. Beside other monitors: the same bytes of code in each, 16-bit real mode, each monitor in a process of its own, one slice of each in turn; CPU time of that process.</p></footer>
</main>`,
  );
}
