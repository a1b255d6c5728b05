// SPDX-License-Identifier: GPL-2.0-only
// Numbers, times and columns for people.

/** `1,234,567`; fractions are rounded. */
export function formatCount(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** `0 ms`, `850 ms`, `3.4 s`, `42 s`, `2 min 5 s`, `1 h 3 min`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Nanoseconds with three significant digits: `44.0 ns`, `1.25 µs`. */
export function formatNs(ns: number): string {
  if (ns < 1000) return `${ns.toPrecision(3)} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toPrecision(3)} µs`;
  return `${(ns / 1e6).toPrecision(3)} ms`;
}

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
