// SPDX-License-Identifier: GPL-2.0-only
// A frame for a terminal: only what has changed since the last one, in the guest's colours, as ECMA-48 sequences.

import { CP437 } from '../dm/devices/vga/cp437.ts';
import type { Frame, TextFrame } from '../dm/devices/vga/frame.ts';

const ESC = '\u001b[';
export const ENTER_SCREEN: string = `${ESC}?1049h${ESC}2J`;
/** Colours, cursor and the screen from before. */
export const LEAVE_SCREEN: string = `${ESC}0m${ESC}?25h${ESC}?1049l`;

/** One character of the terminal with its colours. */
interface Spot {
  readonly text: string;
  readonly ink: number;
  readonly paper: number;
}

const rgb = (colour: number): string =>
  `2;${(colour >>> 16) & 0xff};${(colour >>> 8) & 0xff};${colour & 0xff}`;

function cellSpot(frame: TextFrame, row: number, column: number): Spot {
  const at = 2 * (row * frame.columns + column);
  const attribute = frame.cells[at + 1] ?? 7;
  return {
    text: CP437[frame.cells[at] ?? 0] ?? ' ',
    ink: frame.palette[attribute & 15] ?? 0,
    paper: frame.palette[(attribute >> 4) & (frame.blink ? 7 : 15)] ?? 0,
  };
}

/** The first row or column shown: where the page is larger than the terminal, what holds the cursor. */
const firstShown = (page: number, terminal: number, cursor: number): number =>
  Math.max(0, Math.min(page - terminal, cursor - terminal + 1));

/** The rows of the terminal that `frame` fills from cell `first` on: text cell by cell, pixels two to a character. */
function spots(
  frame: Frame,
  columns: number,
  rows: number,
  first: { row: number; column: number },
): Spot[][] {
  const part = (n: number, size: number, i: number): number => Math.floor((i * size) / n);
  if (frame.kind === 'text') {
    return Array.from({ length: Math.min(rows, frame.rows) }, (_, row) =>
      Array.from({ length: Math.min(columns, frame.columns) }, (_c, column) =>
        cellSpot(frame, first.row + row, first.column + column),
      ),
    );
  }
  const { width, height, indices, palette } = frame;
  const wide = Math.max(1, Math.min(columns, Math.floor((2 * rows * 4) / 3), 160));
  const high = Math.max(1, Math.min(rows, Math.floor((wide * 3) / 8)));
  const colour = (x: number, y: number): number => palette[indices[y * width + x] ?? 0] ?? 0;
  return Array.from({ length: high }, (_, row) =>
    Array.from({ length: wide }, (_c, column) => {
      const x = part(wide, width, column);
      return {
        text: '▀',
        ink: colour(x, part(2 * high, height, 2 * row)),
        paper: colour(x, part(2 * high, height, 2 * row + 1)),
      };
    }),
  );
}

const same = (a: Spot | undefined, b: Spot): boolean =>
  a !== undefined && a.text === b.text && a.ink === b.ink && a.paper === b.paper;

/** Remembers what the terminal shows. */
export class AnsiScreen {
  #shown: Spot[][] = [];
  #size = '';

  /** The sequences that turn what was drawn last into `frame`; empty when nothing is to be done. */
  draw(frame: Frame, columns: number, rows: number): string {
    const size = `${frame.kind} ${columns} ${rows}`;
    let text = '';
    if (size !== this.#size) {
      this.#shown = [];
      text += `${ESC}0m${ESC}2J`;
    }
    this.#size = size;
    const cursor = frame.kind === 'text' ? frame.cursor : null;
    const first = {
      row: frame.kind === 'text' ? firstShown(frame.rows, rows, cursor?.row ?? 0) : 0,
      column: frame.kind === 'text' ? firstShown(frame.columns, columns, cursor?.column ?? 0) : 0,
    };
    const next = spots(frame, columns, rows, first);
    let ink = -1;
    let paper = -1;
    next.forEach((line, row) => {
      let here = -1;
      line.forEach((spot, column) => {
        if (same(this.#shown[row]?.[column], spot)) return;
        if (here !== column) text += `${ESC}${row + 1};${column + 1}H`;
        if (spot.ink !== ink) text += `${ESC}38;${rgb(spot.ink)}m`;
        if (spot.paper !== paper) text += `${ESC}48;${rgb(spot.paper)}m`;
        ({ ink, paper } = spot);
        text += spot.text;
        here = column + 1;
      });
    });
    this.#shown = next;
    const where =
      cursor === null
        ? `${ESC}?25l`
        : `${ESC}${cursor.row - first.row + 1};${cursor.column - first.column + 1}H${ESC}?25h`;
    if (text === '' && where === this.#cursor) return '';
    this.#cursor = where;
    return text + where;
  }
  #cursor = '';
}
