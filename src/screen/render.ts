// SPDX-License-Identifier: GPL-2.0-only
// A frame as a picture: text drawn with the guest's font or ours, low resolutions doubled.
import type { Frame, Palette, PixelFrame, TextFrame } from '../dm/devices/vga/frame.ts';
import { FONT_8X8, FONT_8X16 } from './font.ts';

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly indices: Uint8Array;
  /** At most 256 colours. */
  readonly palette: Palette;
}

/** Bytes of a glyph in a font the guest loaded. */
const LOADED_GLYPH = 32;
const CELL_WIDTH = 8;
/** A picture of so many pixels and fewer fills the monitor with pixels two dots wide. */
const WIDEST_HALF = 360;

/** Row `y` of glyph `code` in a cell of `height` lines. */
function glyphRow(frame: TextFrame, code: number, y: number): number {
  if (frame.font !== null) return frame.font[code * LOADED_GLYPH + y] ?? 0;
  if (frame.fontHeight <= 8) return FONT_8X8[code * 8 + y] ?? 0;
  // 14 lines: the first and the last of 16 are blank in every letter.
  const first = frame.fontHeight < 16 ? Math.ceil((16 - frame.fontHeight) / 2) : 0;
  return y + first < 16 ? (FONT_8X16[code * 16 + y + first] ?? 0) : 0;
}

function drawCell(frame: TextFrame, into: Uint8Array, column: number, row: number): void {
  const { cells, columns, fontHeight, blink } = frame;
  const cell = 2 * (row * columns + column);
  const [code = 0, attribute = 7] = [cells[cell], cells[cell + 1]];
  const ink = attribute & 15;
  const paper = (attribute >> 4) & (blink ? 7 : 15);
  const { cursor } = frame;
  const here = cursor !== null && cursor.column === column && cursor.row === row ? cursor : null;
  for (let y = 0; y < fontHeight; y++) {
    const under = here !== null && y >= here.start && y <= here.end;
    const bits = under ? 0xff : glyphRow(frame, code, y);
    const at = ((row * fontHeight + y) * columns + column) * CELL_WIDTH;
    for (let x = 0; x < CELL_WIDTH; x++) into[at + x] = (bits << x) & 0x80 ? ink : paper;
  }
}

function drawText(frame: TextFrame): Picture {
  const { columns, rows, fontHeight, palette } = frame;
  const [width, height] = [columns * CELL_WIDTH, rows * fontHeight];
  const indices = new Uint8Array(width * height);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) drawCell(frame, indices, column, row);
  }
  return { width, height, indices, palette };
}

/** Each pixel becomes `x` by `y`. */
function enlarge(frame: Omit<PixelFrame, 'kind'>, x: number, y: number): Picture {
  const [width, height] = [frame.width * x, frame.height * y];
  const indices = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    const from = Math.floor(row / y) * frame.width;
    for (let column = 0; column < width; column++) {
      indices[row * width + column] = frame.indices[from + Math.floor(column / x)] ?? 0;
    }
  }
  return { width, height, indices, palette: frame.palette };
}

/** What is on screen, about 640 pixels wide. */
export function render(frame: Frame): Picture {
  if (frame.kind === 'text') {
    const drawn = drawText(frame);
    // With 40 columns each dot is two wide, as on the monitor.
    return drawn.width <= WIDEST_HALF ? enlarge(drawn, 2, 1) : drawn;
  }
  const wide = frame.width <= WIDEST_HALF;
  return enlarge(frame, wide ? 2 : 1, frame.height <= 240 ? 2 : 1);
}
