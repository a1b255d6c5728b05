// SPDX-License-Identifier: GPL-2.0-only
// Input status 1: where the beam is, as a function of the machine's time.
import * as R from './registers.ts';

/** 800 dots at 25.175 MHz, or 900 at 28.322 MHz: the same. */
const LINE_NS = 31_778;
/** The part of a line in which the beam draws. */
const DRAWN_NS = 25_422;
/** Lines of a picture when the registers name an impossible number of them. */
const USUAL_LINES = 449;
const FEWEST_LINES = 100;

const DISPLAY_OFF = 0x01;
const VERTICAL_RETRACE = 0x08;

/** A ten-bit count whose high bits are in the overflow register. */
export function tenBits(
  crtc: readonly number[],
  index: number,
  bit8: number,
  bit9: number,
): number {
  const overflow = crtc[R.CRTC_OVERFLOW] ?? 0;
  return (crtc[index] ?? 0) | (((overflow >> bit8) & 1) << 8) | (((overflow >> bit9) & 1) << 9);
}

/** Bits 0 and 3 of port 3DAh. */
export function retrace(crtc: readonly number[], nowNs: number): number {
  const total = tenBits(crtc, R.CRTC_VERTICAL_TOTAL, 0, 5) + 2;
  const lines = total < FEWEST_LINES ? USUAL_LINES : total;
  const shown = Math.min(tenBits(crtc, R.CRTC_DISPLAY_END, 1, 6) + 1, lines - 3);
  const inPicture = nowNs % (lines * LINE_NS);
  const line = Math.floor(inPicture / LINE_NS);
  const wanted = tenBits(crtc, R.CRTC_RETRACE_START, 2, 7);
  const start = wanted > shown && wanted < lines - 2 ? wanted : lines - 2;
  const length = ((crtc[R.CRTC_RETRACE_END] ?? 0) - wanted) & 15 || 2;
  const off = line >= shown || inPicture % LINE_NS >= DRAWN_NS;
  const vertical = line >= start && line < start + length;
  return (off ? DISPLAY_OFF : 0) | (vertical ? VERTICAL_RETRACE : 0);
}
