// SPDX-License-Identifier: GPL-2.0-only
// From registers and planes to what is on screen: text cells, 256 colours, 16 colours in planes, CGA's two modes.
import type { Cursor, Frame, Palette, PixelFrame, TextFrame } from './frame.ts';
import * as R from './registers.ts';
import { tenBits } from './retrace.ts';

/** Addresses of a plane, the unit of the CRTC's counters. */
const CELLS = 0x10000;
/** Largest picture the chip can be asked for. */
const MAX_COLUMNS = 256;
/** Where the eight fonts are in plane 2, in KiB, by font number. */
const FONT_KIB = [0, 16, 32, 48, 8, 24, 40, 56] as const;
const FONT_BYTES = 8192;

/** 0xRRGGBB of an entry of the DAC. */
function colour(state: R.VgaState, index: number): number {
  const at = 3 * (index & state.dacMask);
  const level = (i: number): number => {
    const six = state.dac[at + i] ?? 0;
    return (six << 2) | (six >> 4);
  };
  return (level(0) << 16) | (level(1) << 8) | level(2);
}

/** The sixteen colours an attribute or four planes choose from. */
function sixteen(state: R.VgaState): Palette {
  const { attr } = state;
  const select = attr[R.ATTR_COLOUR_SELECT] ?? 0;
  const short = ((attr[R.ATTR_MODE] ?? 0) & R.ATTR_SELECT_4) !== 0;
  return Uint32Array.from({ length: 16 }, (_, i) => {
    const entry = attr[i] ?? 0;
    const index = short ? ((select & 15) << 4) | (entry & 15) : ((select & 12) << 4) | entry;
    return colour(state, index);
  });
}

const pair = (crtc: readonly number[], high: number): number =>
  ((crtc[high] ?? 0) << 8) | (crtc[high + 1] ?? 0);

interface Layout {
  readonly columns: number;
  /** Scan lines on screen. */
  readonly lines: number;
  readonly start: number;
  /** Addresses from one row to the next. */
  readonly pitch: number;
  /** The line behind which memory is shown from 0. */
  readonly split: number;
}

function layout({ crtc }: R.VgaState): Layout {
  const columns = Math.min((crtc[1] ?? 0) + 1, MAX_COLUMNS);
  const high = ((crtc[R.CRTC_MAX_SCAN] ?? 0) & 0x40) << 3;
  const overflow = (crtc[R.CRTC_OVERFLOW] ?? 0) & 0x10;
  return {
    columns,
    lines: tenBits(crtc, R.CRTC_DISPLAY_END, 1, 6) + 1,
    start: pair(crtc, R.CRTC_START_HIGH),
    pitch: 2 * (crtc[R.CRTC_OFFSET] ?? 0),
    split: ((crtc[R.CRTC_LINE_COMPARE] ?? 0) | (overflow << 4) | high) + 1,
  };
}

/** Address of the first cell of row `row`, rows being `height` scan lines high. */
function rowStart({ start, pitch, split }: Layout, row: number, height: number): number {
  const first = Math.ceil(split / height);
  return row < first ? start + row * pitch : (row - first) * pitch;
}

function loadedFont(state: Pick<R.VgaState, 'seq'>, planes: Uint8Array): Uint8Array | null {
  const select = state.seq[R.SEQ_FONT] ?? 0;
  const base = 1024 * (FONT_KIB[(((select >> 3) & 4) | ((select >> 2) & 3)) as 0] ?? 0);
  const font = Uint8Array.from({ length: FONT_BYTES }, (_, i) => planes[4 * (base + i) + 2] ?? 0);
  return font.some((byte) => byte !== 0) ? font : null;
}

function cursorOf(state: R.VgaState, where: Layout, rows: number): Cursor | null {
  const { crtc } = state;
  const from = crtc[R.CRTC_CURSOR_START] ?? 0;
  const at = pair(crtc, R.CRTC_CURSOR_HIGH) - where.start;
  const row = where.pitch === 0 ? 0 : Math.floor(at / where.pitch);
  const column = at - row * where.pitch;
  const hidden = (from & 0x20) !== 0 || at < 0 || row >= rows || column >= where.columns;
  if (hidden) return null;
  return { column, row, start: from & 0x1f, end: (crtc[R.CRTC_CURSOR_END] ?? 0) & 0x1f };
}

function textFrame(state: R.VgaState, planes: Uint8Array): TextFrame {
  const where = layout(state);
  const { columns } = where;
  const fontHeight = ((state.crtc[R.CRTC_MAX_SCAN] ?? 0) & 0x1f) + 1;
  const doubled = ((state.crtc[R.CRTC_MAX_SCAN] ?? 0) & 0x80) !== 0 ? 2 : 1;
  const rows = Math.max(1, Math.floor(where.lines / (fontHeight * doubled)));
  // Only who draws asks for it, and it takes longer than all the rest. The planes are a copy; the register is not.
  const registers = { seq: [...state.seq] };
  let font: { glyphs: Uint8Array | null } | null = null;
  const cells = new Uint8Array(2 * columns * rows);
  for (let row = 0; row < rows; row++) {
    const from = rowStart(where, row, fontHeight * doubled);
    for (let column = 0; column < columns; column++) {
      const source = 4 * ((from + column) % CELLS);
      const cell = 2 * (row * columns + column);
      cells[cell] = planes[source] ?? 0;
      cells[cell + 1] = planes[source + 1] ?? 0;
    }
  }
  return {
    kind: 'text',
    columns,
    rows,
    cells,
    cursor: cursorOf(state, where, rows),
    palette: sixteen(state),
    fontHeight,
    get font() {
      font ??= { glyphs: loadedFont(registers, planes) };
      return font.glyphs;
    },
    blink: ((state.attr[R.ATTR_MODE] ?? 0) & R.ATTR_BLINK) !== 0,
  };
}

/** 320 pixels of one byte each, chained or not. */
function pixels256(state: R.VgaState, planes: Uint8Array): PixelFrame {
  const where = layout(state);
  const width = where.columns * 4;
  const repeat = repeated(state);
  const height = Math.max(1, Math.floor(where.lines / repeat));
  const indices = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const from = 4 * rowStart(where, y, repeat);
    for (let x = 0; x < width; x++) {
      indices[y * width + x] = planes[(from + x) % planes.length] ?? 0;
    }
  }
  const palette = Uint32Array.from({ length: 256 }, (_, i) => colour(state, i));
  return { kind: 'pixels', width, height, indices, palette };
}

const isCga = ({ crtc }: R.VgaState): boolean => ((crtc[R.CRTC_MODE] ?? 0) & 1) === 0;

/** Scan lines of one row of pixels. */
function repeated(state: R.VgaState): number {
  const scan = state.crtc[R.CRTC_MAX_SCAN] ?? 0;
  const doubled = scan >> 7;
  return isCga(state) ? 1 + doubled : ((scan & 0x1f) + 1) << doubled;
}

/** Eight pixels of a plane address: bit 7 first, one bit from each plane, or pairs of bits from the first two. */
function eight(planes: Uint8Array, cell: number, pairs: boolean, x: number): number {
  const at = 4 * cell;
  if (pairs) return ((planes[at + (x >> 2)] ?? 0) >> (6 - 2 * (x & 3))) & 3;
  let index = 0;
  for (let p = 0; p < 4; p++) index |= (((planes[at + p] ?? 0) >> (7 - x)) & 1) << p;
  return index;
}

/** 16 colours in planes; with CGA's addressing 4 or 2 colours. */
function pixels16(state: R.VgaState, planes: Uint8Array): PixelFrame {
  const where = layout(state);
  const width = where.columns * 8;
  const repeat = repeated(state);
  const height = Math.max(1, Math.floor(where.lines / repeat));
  const pairs = ((state.gc[R.GC_MODE] ?? 0) & R.MODE_SHIFT_INTERLEAVE) !== 0;
  const cga = isCga(state);
  const bank = (state.crtc[R.CRTC_MODE] ?? 0) & 0x40 ? 13 : 12;
  const enabled = (state.attr[R.ATTR_PLANE_ENABLE] ?? 0) & 15;
  const indices = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = cga ? y >> 1 : y;
    let from = rowStart(where, row, cga ? 2 * repeat : repeat);
    if (cga) from = (from & ~(1 << bank)) | ((y & 1) << bank);
    for (let x = 0; x < width; x++) {
      const cell = (from + (x >> 3)) % CELLS;
      indices[y * width + x] = eight(planes, cell, pairs, x & 7) & enabled;
    }
  }
  const palette = new Uint32Array(256);
  palette.set(sixteen(state));
  return { kind: 'pixels', width, height, indices, palette };
}

/** @param planes - all of video memory */
export function frameOf(state: R.VgaState, planes: Uint8Array): Frame {
  if (((state.gc[R.GC_MISC] ?? 0) & R.MISC_GRAPHICS) === 0) return textFrame(state, planes);
  const wide = ((state.gc[R.GC_MODE] ?? 0) & R.MODE_SHIFT_256) !== 0;
  return wide ? pixels256(state, planes) : pixels16(state, planes);
}
