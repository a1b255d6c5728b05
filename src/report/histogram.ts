// SPDX-License-Identifier: GPL-2.0-only
// Durations by size, both axes logarithmic: a rare slow one is seen beside a million fast ones.
import type { HistogramData } from '../util/measure.ts';
import { formatCount, formatNs } from '../util/quantity.ts';
import { chart, noChart, WIDTH } from './chart.ts';
import { type Html, html } from './html.ts';
import { at, compact, logTicks, shortNs } from './scale.ts';

const LEFT = 46;
const RIGHT = 22;
const TOP = 26;
const BOTTOM = 40;
const HEIGHT = 210;
/** Between the middles of two labels of the lower axis. */
const APART = 54;

/** The upper end of the step in which the share `q` of all is reached; 0 without any. */
export function quantileNs({ total, buckets }: HistogramData, q: number): number {
  let seen = 0;
  for (const { toNs, count } of buckets) {
    seen += count;
    if (seen >= q * total) return toNs;
  }
  return buckets.at(-1)?.toNs ?? 0;
}

export function histogram(title: string, unit: string, data: HistogramData): Html {
  const { buckets, total, maxNs } = data;
  const first = buckets[0];
  const last = buckets.at(-1);
  if (first === undefined || last === undefined) return noChart(title, 'None were recorded.');
  const [from, to] = [Math.log(first.fromNs), Math.log(last.toNs)];
  const x = (ns: number): number =>
    at(LEFT + ((WIDTH - LEFT - RIGHT) * (Math.log(ns) - from)) / (to - from));
  const peak = Math.max(...buckets.map((b) => b.count));
  const yTicks = logTicks(1, 10 ** Math.max(1, Math.ceil(Math.log10(peak))), false);
  // One is half a step above the floor, or it would have no height.
  const floor = Math.log10(0.6);
  const span = Math.log10(yTicks.at(-1) ?? 10) - floor;
  const y = (count: number): number =>
    at(HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * (Math.log10(count) - floor)) / span);
  let free = Number.NEGATIVE_INFINITY;
  const fine = to - from < Math.log(1000);
  const xTicks = logTicks(first.fromNs, last.toNs, fine).filter((t) => {
    if (x(t) < free) return false;
    free = x(t) + APART;
    return true;
  });
  const every = Math.max(1, Math.ceil(yTicks.length / 6));
  const base = y(0.6);
  const drawing = [
    html`<text x="0" y="12">${unit}, log scale</text>\n`,
    yTicks
      .filter((_, i) => i % every === 0)
      .map(
        (
          t,
        ) => html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(t)}" y2="${y(t)}"/>
<text class="tick end" x="${LEFT - 6}" y="${y(t) + 4}">${compact(t)}</text>\n`,
      ),
    buckets.map(({ fromNs, toNs, count }) => {
      const width = at(Math.max(1, x(toNs) - x(fromNs) - 1));
      return html`<rect class="bar" x="${x(fromNs)}" y="${y(count)}" width="${width}" height="${at(base - y(count))}"><title>${formatNs(fromNs)} to ${formatNs(toNs)}: ${formatCount(count)}</title></rect>\n`;
    }),
    html`<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${base}" y2="${base}"/>\n`,
    xTicks.map(
      (t) => html`<line class="axis" x1="${x(t)}" x2="${x(t)}" y1="${base}" y2="${base + 4}"/>
<text class="tick mid" x="${x(t)}" y="${base + 17}">${shortNs(t)}</text>\n`,
    ),
    html`<text class="mid" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 4}">round trip, log scale</text>`,
  ];
  const half = formatNs(quantileNs(data, 0.5));
  const most = formatNs(quantileNs(data, 0.99));
  const slowest = formatNs(maxNs ?? 0);
  return chart({
    title,
    summary: `${title}: ${formatCount(total)} in all, half below ${half}, 99 of 100 below ${most}, longest ${slowest}`,
    height: HEIGHT,
    drawing,
    caption: `${formatCount(total)} ${unit}: half below ${half}, 99 of 100 below ${most}, longest ${slowest}.`,
    columns: ['from', 'to', unit],
    rows: buckets.map((b) => [formatNs(b.fromNs), formatNs(b.toNs), formatCount(b.count)]),
  });
}
