// SPDX-License-Identifier: GPL-2.0-only
// What a video device has on screen at one moment: cells of text, or pixels. Everything else draws from this.

/** Colours as 0xRRGGBB. */
export type Palette = Uint32Array;

export interface Cursor {
  readonly column: number;
  readonly row: number;
  /** First and last line of the cell it covers. */
  readonly start: number;
  readonly end: number;
}

export interface TextFrame {
  readonly kind: 'text';
  readonly columns: number;
  readonly rows: number;
  /** Character and attribute of each cell, row by row. */
  readonly cells: Uint8Array;
  /** null: hidden or off the page. */
  readonly cursor: Cursor | null;
  /** Sixteen colours. */
  readonly palette: Palette;
  /** Lines of a cell. */
  readonly fontHeight: number;
  /** What the guest loaded: 256 glyphs of 32 bytes each; null: nothing yet. */
  readonly font: Uint8Array | null;
  /** Bit 7 of an attribute blinks instead of brightening the background. */
  readonly blink: boolean;
}

export interface PixelFrame {
  readonly kind: 'pixels';
  readonly width: number;
  readonly height: number;
  /** One index into `palette` per pixel. */
  readonly indices: Uint8Array;
  /** 256 colours. */
  readonly palette: Palette;
}

export type Frame = TextFrame | PixelFrame;
