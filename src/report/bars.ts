// SPDX-License-Identifier: GPL-2.0-only
// Horizontal bars: how often each window was hit.
import { formatCount } from '../util/quantity.ts';
import { chart, noChart, WIDTH } from './chart.ts';
import { clip, type Html, html } from './html.ts';
import { at, compact } from './scale.ts';

const ROW = 24;
const LABELS = 142;
const VALUES = 66;
/** Rows drawn; further ones are only in the table. */
const MOST_ROWS = 40;

/** A number with as many digits as there is room for. */
function short(value: number): string {
  return value < 1e7 ? formatCount(value) : compact(value);
}

export function bars(title: string, unit: string, values: Readonly<Record<string, number>>): Html {
  const entries = Object.entries(values);
  if (entries.length === 0) return noChart(title, 'None were recorded.');
  const max = Math.max(1, ...entries.map(([, value]) => value));
  const room = WIDTH - LABELS - VALUES;
  const shown = entries.slice(0, MOST_ROWS);
  const drawing = shown.map(([name, value], i) => {
    const width = at((room * value) / max);
    const y = i * ROW;
    return html`<g><title>${name}: ${formatCount(value)} ${unit}</title>
<text x="0" y="${y + 16}">${clip(name, 20)}</text>
<rect class="bar" x="${LABELS}" y="${y + 4}" width="${width}" height="${ROW - 8}" rx="2"/>
<text class="value" x="${at(LABELS + width + 6)}" y="${y + 16}">${short(value)}</text></g>\n`;
  });
  const least = entries.reduce((a, b) => (b[1] < a[1] ? b : a));
  const more =
    entries.length > MOST_ROWS ? ` ${entries.length - MOST_ROWS} more in the figures.` : '';
  return chart({
    title,
    summary: `${title}: ${shown.map(([name, value]) => `${name} ${formatCount(value)}`).join(', ')}`,
    height: shown.length * ROW + 4,
    drawing,
    caption: `In ${unit}. Rarest: ${clip(least[0], 40)}, ${formatCount(least[1])}.${more}`,
    columns: ['window', unit],
    rows: entries.map(([name, value]) => [name, formatCount(value)]),
  });
}
