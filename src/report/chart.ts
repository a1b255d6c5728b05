// SPDX-License-Identifier: GPL-2.0-only
// What every chart has: a size in which its letters are about as large as those around it, a title, and its figures.
import { type Html, html, type Part } from './html.ts';

/** Width in user units; on the page a chart is between 310 and 440 pixels wide. */
export const WIDTH = 380;

export interface Chart {
  title: string;
  /** One sentence with what it shows, figures included: for those who do not see it. */
  summary: string;
  height: number;
  drawing: Part;
  /** Below the drawing. */
  caption?: string;
  /** The same as a table: column names, then rows. */
  columns: readonly string[];
  rows: readonly (readonly string[])[];
}

/** The chart as a figure, its table folded away. */
export function chart({ title, summary, height, drawing, caption, columns, rows }: Chart): Html {
  return html`<figure class="card chart">
<h3>${title}</h3>
<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${summary}">${drawing}</svg>
<figcaption>${caption ?? ''}</figcaption>
<details><summary>figures</summary>${table(columns, rows)}</details>
</figure>`;
}

/** A plain table; all columns but the first line up at their right end. */
export function table(columns: readonly string[], rows: readonly (readonly string[])[]): Html {
  return html`<table><thead><tr>${columns.map((c) => html`<th scope="col">${c}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>\n`)}</tbody></table>`;
}

/** In place of a chart without data. */
export function noChart(title: string, why: string): Html {
  return html`<figure class="card chart"><h3>${title}</h3><p class="muted">${why}</p></figure>`;
}
