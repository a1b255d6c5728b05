// SPDX-License-Identifier: GPL-2.0-only
// Columns for people; numbers and times come from util/quantity.ts.

export { formatCount, formatDuration, formatNs } from '../util/quantity.ts';

/** Widths and alignment of a table's columns follow from its content. */
export interface TableOptions {
  /** Columns (by index) that line up at their right end. */
  right?: readonly number[];
  indent?: string;
}

/** Rows of cells as lines; the last column is not padded. */
export function formatTable(
  rows: readonly (readonly string[])[],
  options: TableOptions = {},
): string {
  const { right = [], indent = '' } = options;
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) =>
        right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return rows.map((row) => `${indent}${line(row)}`.trimEnd()).join('\n');
}

/** `text` in lines of at most `width` characters, broken at blanks; longer words stay whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  if (line !== '' || lines.length === 0) lines.push(line);
  return lines;
}

/** Two texts side by side, lines cut to fit. */
export function sideBySide(left: readonly string[], right: readonly string[], width = 80): string {
  const column = Math.floor((width - 3) / 2);
  const lines: string[] = [];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const a = (left[i] ?? '').slice(0, column).padEnd(column);
    lines.push(`${a} | ${(right[i] ?? '').slice(0, column)}`.trimEnd());
  }
  return lines.join('\n');
}
