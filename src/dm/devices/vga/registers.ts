// SPDX-License-Identifier: GPL-2.0-only
// The VGA's registers by their numbers, and what they hold after power-on: 80x25 text, as boards leave it behind.

export const MISC_COLOUR = 0x01;
export const MISC_RAM = 0x02;

export const SEQ_CLOCKING = 1;
export const SEQ_MAP_MASK = 2;
export const SEQ_FONT = 3;
export const SEQ_MEMORY = 4;
export const MEMORY_SEQUENTIAL = 0x04;
export const MEMORY_CHAIN4 = 0x08;

export const GC_SET_RESET = 0;
export const GC_ENABLE_SET_RESET = 1;
export const GC_COMPARE = 2;
export const GC_ROTATE = 3;
export const GC_READ_MAP = 4;
export const GC_MODE = 5;
export const GC_MISC = 6;
export const GC_DONT_CARE = 7;
export const GC_BIT_MASK = 8;
export const MODE_READ_COMPARE = 0x08;
export const MODE_SHIFT_INTERLEAVE = 0x20;
export const MODE_SHIFT_256 = 0x40;
export const MISC_GRAPHICS = 0x01;

export const CRTC_VERTICAL_TOTAL = 0x06;
export const CRTC_OVERFLOW = 0x07;
export const CRTC_MAX_SCAN = 0x09;
export const CRTC_CURSOR_START = 0x0a;
export const CRTC_CURSOR_END = 0x0b;
export const CRTC_START_HIGH = 0x0c;
export const CRTC_CURSOR_HIGH = 0x0e;
export const CRTC_RETRACE_START = 0x10;
export const CRTC_RETRACE_END = 0x11;
export const CRTC_DISPLAY_END = 0x12;
export const CRTC_OFFSET = 0x13;
export const CRTC_MODE = 0x17;
export const CRTC_LINE_COMPARE = 0x18;
export const CRTC_LOCK = 0x80;

export const ATTR_MODE = 0x10;
export const ATTR_PLANE_ENABLE = 0x12;
export const ATTR_COLOUR_SELECT = 0x14;
export const ATTR_BLINK = 0x08;
export const ATTR_SELECT_4 = 0x80;

/** Every register the guest can see. Video memory is kept apart. */
export interface VgaState {
  misc: number;
  feature: number;
  seqIndex: number;
  seq: number[];
  gcIndex: number;
  gc: number[];
  crtcIndex: number;
  crtc: number[];
  attrIndex: number;
  /** The next write to 3C0 is data. */
  attrData: boolean;
  attr: number[];
  dacMask: number;
  dacWrite: number;
  dacRead: number;
  /** 3 after a read address was set, 0 after a write address. */
  dacDirection: number;
  /** Which of red, green and blue comes next. */
  dacStep: number;
  dacLatch: number[];
  /** 256 times red, green, blue, six bits each. */
  dac: number[];
  /** The byte of each plane that was read last. */
  latch: number[];
  /** Video memory as base64 of its deflated bytes; empty: all zero. */
  memory: string;
}

/** How many registers each block has; the rest of an index reads as 0. */
export const SEQ_COUNT = 5;
export const GC_COUNT = 9;
export const CRTC_COUNT = 25;
export const ATTR_COUNT = 21;

/** The bits that there are; reserved ones read as 0, by which programs tell a VGA from what came after it. */
export const SEQ_BITS: readonly number[] = [0x03, 0x3d, 0x0f, 0x3f, 0x0e];
export const GC_BITS: readonly number[] = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff];
/** From register 10h on; the palette before has six bits each. */
export const ATTR_BITS: readonly number[] = [0xef, 0xff, 0x3f, 0x0f, 0x0f];
export const ATTR_PALETTE_BITS = 0x3f;

/** The 64 colours of an EGA, two bits each of red, green and blue. */
function egaColour(index: number): number[] {
  const level = (high: number, low: number): number =>
    (index & high ? 0x2a : 0) + (index & low ? 0x15 : 0);
  return [level(0x04, 0x20), level(0x02, 0x10), level(0x01, 0x08)];
}

export function powerOn(): VgaState {
  const dac = new Array<number>(768).fill(0);
  for (let i = 0; i < 64; i++) dac.splice(3 * i, 3, ...egaColour(i));
  return {
    misc: 0x67,
    feature: 0,
    seqIndex: 0,
    seq: [0x03, 0x00, 0x03, 0x00, 0x02],
    gcIndex: 0,
    gc: [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x0f, 0xff],
    crtcIndex: 0,
    // 80 columns, 400 lines, a cursor on the last two lines of a cell of 16.
    crtc: [
      0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00,
      0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
    ],
    attrIndex: 0x20,
    attrData: false,
    attr: [
      0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e,
      0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00,
    ],
    dacMask: 0xff,
    dacWrite: 0,
    dacRead: 0,
    dacDirection: 0,
    dacStep: 0,
    dacLatch: [0, 0, 0],
    dac,
    latch: [0, 0, 0, 0],
    memory: '',
  };
}
