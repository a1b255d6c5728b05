// SPDX-License-Identifier: GPL-2.0-only
// What stands in a folder of a DOS drive: attributes, entries, which of them a search finds; and DOS's errors.
import { fits } from './dos-names.ts';
import type { DosTime } from './dos-time.ts';

/** Attributes of a directory entry. */
export const READ_ONLY = 0x01;
export const HIDDEN = 0x02;
export const SYSTEM = 0x04;
export const LABEL = 0x08;
export const FOLDER = 0x10;
export const ARCHIVE = 0x20;

/** DOS's error numbers. */
export const NO_FUNCTION = 1;
export const NO_FILE = 2;
export const NO_PATH = 3;
export const NO_HANDLES = 4;
export const NO_ACCESS = 5;
export const BAD_HANDLE = 6;
export const CURRENT_FOLDER = 16;
export const NO_MORE = 18;
export const FILE_EXISTS = 80;

/** Thrown inside a command only. */
export class DosError {
  readonly code: number;
  constructor(code: number) {
    this.code = code;
  }
}

export interface DosEntry extends DosTime {
  readonly name: string;
  readonly attributes: number;
  readonly bytes: number;
}

/**
 * Whether a search for `attributes` finds an entry: hidden, system and folders only when asked for. Who asks for the
 * volume's name alone finds nothing: it has none.
 */
export function matches(entry: DosEntry, attributes: number, wanted: string): boolean {
  if (attributes === LABEL) return false;
  const special = entry.attributes & (HIDDEN | SYSTEM | FOLDER);
  return (special & ~attributes) === 0 && fits(entry.name, wanted);
}
