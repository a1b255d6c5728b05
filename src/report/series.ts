// SPDX-License-Identifier: GPL-2.0-only
// A rate over time, as steps: each is as wide as the stretch it was counted in.
import type { RateData } from '../util/measure.ts';
import { formatCount, formatDuration } from '../util/quantity.ts';
import { chart, noChart, WIDTH } from './chart.ts';
import { type Html, html } from './html.ts';
import { at, compact, roundTicks } from './scale.ts';

const LEFT = 46;
const RIGHT = 22;
const TOP = 26;
const BOTTOM = 40;
const HEIGHT = 210;

interface Step {
  fromMs: number;
  toMs: number;
  perSecond: number;
}

/** Stretches as rates; a last one too short to be one joins the one before. */
export function stepsOf({ bucketMs, counts, elapsedMs }: RateData): Step[] {
  const parts = counts.map((count, i) => ({
    fromMs: i * bucketMs,
    toMs: Math.min((i + 1) * bucketMs, elapsedMs),
    count,
  }));
  const last = parts.at(-1);
  const before = parts.at(-2);
  if (last !== undefined && before !== undefined && last.toMs - last.fromMs < bucketMs / 2) {
    parts.pop();
    before.toMs = last.toMs;
    before.count += last.count;
  }
  return parts
    .filter(({ fromMs, toMs }) => toMs > fromMs)
    .map(({ fromMs, toMs, count }) => ({
      fromMs,
      toMs,
      perSecond: (count * 1000) / (toMs - fromMs),
    }));
}

/** How times are written on the axis: a unit, and its milliseconds. */
function timeUnit(ms: number): [string, number] {
  if (ms < 2000) return ['ms', 1];
  if (ms < 120_000) return ['s', 1000];
  return ms < 7_200_000 ? ['min', 60_000] : ['h', 3_600_000];
}

export function series(title: string, unit: string, data: RateData): Html {
  const steps = stepsOf(data);
  const endMs = steps.at(-1)?.toMs ?? 0;
  if (steps.length === 0) return noChart(title, 'The run was too short to say.');
  const peak = Math.max(...steps.map((s) => s.perSecond));
  const yTicks = roundTicks(peak, 4);
  const top = yTicks.at(-1) ?? 1;
  const [name, unitMs] = timeUnit(endMs);
  const x = (ms: number): number => at(LEFT + ((WIDTH - LEFT - RIGHT) * ms) / endMs);
  const y = (value: number): number =>
    at(HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * value) / top);
  const xTicks = roundTicks(endMs / unitMs, 5).filter((t) => t * unitMs <= endMs * 1.001);
  const line = steps.map((s) => `H${x(s.fromMs)}V${y(s.perSecond)}H${x(s.toMs)}`).join('');
  const total = data.counts.reduce((sum, count) => sum + count, 0);
  const mean = endMs > 0 ? (total * 1000) / endMs : 0;
  const low = Math.min(...steps.map((s) => s.perSecond));
  const drawing = [
    html`<text x="0" y="12">${unit} per second</text>\n`,
    yTicks.map(
      (t) => html`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(t)}" y2="${y(t)}"/>
<text class="tick end" x="${LEFT - 6}" y="${y(t) + 4}">${compact(t)}</text>\n`,
    ),
    html`<path class="area" d="M${LEFT} ${y(0)}${line}V${y(0)}Z"/>
<path class="line" d="M${LEFT} ${y(steps[0]?.perSecond ?? 0)}${line}"/>\n`,
    xTicks.map(
      (t) =>
        html`<text class="tick mid" x="${x(t * unitMs)}" y="${HEIGHT - BOTTOM + 16}">${compact(t)}</text>\n`,
    ),
    html`<text class="mid" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 4}">time since the start, ${name}</text>`,
  ];
  return chart({
    title,
    summary: `${title}: ${formatCount(mean)} per second on average over ${formatDuration(endMs)}, lowest ${formatCount(low)}, highest ${formatCount(peak)}`,
    height: HEIGHT,
    drawing,
    caption: `A step is ${formatDuration(data.bucketMs)}: lowest ${formatCount(low)}, highest ${formatCount(peak)} per second.`,
    columns: ['from, ms', 'to, ms', 'per second'],
    rows: steps.map((s) => [formatCount(s.fromMs), formatCount(s.toMs), formatCount(s.perSecond)]),
  });
}
