// SPDX-License-Identifier: GPL-2.0-only
// The text on screen: lines of Unicode, and what of it may be looked for.

import { CP437 } from './cp437.ts';
import type { Frame, TextFrame } from './frame.ts';

/** Row `row` of the page, trailing blanks cut. */
function rowText(frame: TextFrame, row: number): string {
  const { cells, columns } = frame;
  let line = '';
  for (let column = 0; column < columns; column++) {
    line += CP437[cells[2 * (row * columns + column)] ?? 0] ?? ' ';
  }
  return line.replace(/[ \u00a0]+$/, '');
}

/** The lines on screen without trailing blanks; none in a graphics mode. */
export function textLines(frame: Frame): string[] {
  if (frame.kind !== 'text') return [];
  return Array.from({ length: frame.rows }, (_, row) => rowText(frame, row));
}

/** What `--text-dump` writes: one line per row, each ended; blank rows at the bottom are cut. */
export function textDump(frame: Frame): string {
  const lines = textLines(frame);
  while (lines.length > 0 && lines.at(-1) === '') lines.pop();
  return lines.map((line) => `${line}\n`).join('');
}

/** Whether `wanted` stands somewhere on screen, in one row. */
export function shows(frame: Frame, wanted: string): boolean {
  return textLines(frame).some((line) => line.includes(wanted.replace(/ +$/, '')));
}
