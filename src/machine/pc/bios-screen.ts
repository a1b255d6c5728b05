// SPDX-License-Identifier: GPL-2.0-only
// The text screen as the BIOS data area describes it: what a script looks at, whatever the adapter does with it.
import type { GuestRam } from '../../mem/guest-ram.ts';

const MODE = 0x449;
const COLUMNS = 0x44a;
const PAGE_START = 0x44e;
const CURSOR = 0x450;
const PAGE = 0x462;
const ROWS = 0x484;
const MONOCHROME = 7;
const LAST_TEXT_MODE = 3;

export interface BiosScreen {
  /** Characters as their codes, blanks at the end cut. */
  readonly rows: readonly string[];
  readonly cursorRow: number;
  readonly cursorColumn: number;
}

/** @returns null in a graphics mode */
export function biosScreen(ram: GuestRam): BiosScreen | null {
  const mode = ram.read(MODE, 1) & 0x7f;
  if (mode > LAST_TEXT_MODE && mode !== MONOCHROME) return null;
  const columns = ram.read(COLUMNS, 2);
  const count = (ram.read(ROWS, 1) || 24) + 1;
  if (columns < 20 || columns > 132 || count > 60) return null;
  const base = (mode === MONOCHROME ? 0xb0000 : 0xb8000) + (ram.read(PAGE_START, 2) & 0x7ffe);
  const rows: string[] = [];
  for (let row = 0; row < count; row++) {
    let text = '';
    for (let column = 0; column < columns; column++) {
      text += String.fromCharCode(ram.read(base + (row * columns + column) * 2, 1) || 32);
    }
    rows.push(text.trimEnd());
  }
  const cursor = ram.read(CURSOR + 2 * (ram.read(PAGE, 1) & 7), 2);
  return { rows, cursorRow: cursor >>> 8, cursorColumn: cursor & 0xff };
}

/** Whether the keyboard buffer of the BIOS is empty. */
export function keysTaken(ram: GuestRam): boolean {
  return ram.read(0x41a, 2) === ram.read(0x41c, 2);
}
