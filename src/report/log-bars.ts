// SPDX-License-Identifier: GPL-2.0-only
// Durations of very different size beside each other: a dot for the median on a logarithmic axis, a line for the spread.
import { formatNs } from '../util/quantity.ts';
import { chart, noChart, WIDTH } from './chart.ts';
import { clip, type Html, html } from './html.ts';
import { at, logTicks, shortNs } from './scale.ts';

const ROW = 22;
const LABELS = 110;
const VALUES = 62;
const AXIS = 24;

export interface DurationRow {
  name: string;
  median: number;
  low: number;
  high: number;
}

/** @param rows - ns; the first is the one the others are compared with */
export function durations(title: string, rows: readonly DurationRow[], caption: string): Html {
  const drawn = rows.filter(({ median, low }) => median > 0 && low > 0);
  if (drawn.length === 0) return noChart(title, 'Nothing was measured.');
  const from = Math.min(...drawn.map(({ low }) => low)) / 1.5;
  const to = Math.max(...drawn.map(({ high }) => high)) * 1.5;
  const room = WIDTH - LABELS - VALUES;
  const x = (ns: number): number => at(LABELS + (room * Math.log(ns / from)) / Math.log(to / from));
  const bottom = drawn.length * ROW;
  const ticks = logTicks(from, to, to / from < 30).map(
    (ns) => html`<line class="grid" x1="${x(ns)}" y1="0" x2="${x(ns)}" y2="${bottom}"/>
<text class="tick mid" x="${x(ns)}" y="${bottom + 16}">${shortNs(ns)}</text>\n`,
  );
  const lines = drawn.map(({ name, median, low, high }, i) => {
    const y = i * ROW + ROW / 2;
    return html`<g><title>${name}: ${formatNs(median)}, ${formatNs(low)} to ${formatNs(high)}</title>
<text x="0" y="${y + 4}">${clip(name, 16)}</text>
<line class="line" x1="${x(low)}" y1="${y}" x2="${x(high)}" y2="${y}"/>
<circle class="${i === 0 ? 'bar ours' : 'bar'}" cx="${x(median)}" cy="${y}" r="${i === 0 ? 6 : 4}"/>
<text class="value" x="${WIDTH - VALUES + 6}" y="${y + 4}">${formatNs(median)}</text></g>\n`;
  });
  return chart({
    title,
    summary: `${title}: ${rows.map((r) => `${r.name} ${formatNs(r.median)}`).join(', ')}`,
    height: bottom + AXIS,
    drawing: [ticks, lines],
    caption,
    columns: ['', 'median', '10 %', '90 %'],
    rows: rows.map((r) => [r.name, formatNs(r.median), formatNs(r.low), formatNs(r.high)]),
  });
}
