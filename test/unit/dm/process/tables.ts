// SPDX-License-Identifier: GPL-2.0-only
// The tables of a document, by the heading of their first column.
import { textOf } from '../../../helpers/markdown.ts';

/** Rows as cells. */
export function tablesOf(document: string): Map<string, string[][]> {
  const tables = new Map<string, string[][]>();
  let rows: string[][] | null = null;
  for (const line of textOf(document).split('\n')) {
    if (!line.startsWith('|')) {
      rows = null;
      continue;
    }
    const cells = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    if (rows === null) {
      rows = [];
      tables.set(cells[0] ?? '', rows);
    } else if (!/^-+$/.test(cells[0] ?? '')) rows.push(cells);
  }
  return tables;
}
