// SPDX-License-Identifier: GPL-2.0-only
// Formats of floppies: geometry and data rate by size, and the type of drive that CMOS has to name for them.
import { SECTOR_BYTES } from './medium.ts';

export interface FloppyFormat {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
  /** Codes of the data rate register: 0 500, 1 300, 2 250 kbit/s, 3 1 Mbit/s. */
  readonly rates: readonly number[];
  /** CMOS: 1 360K, 2 1.2M, 3 720K, 4 1.44M, 5 2.88M. */
  readonly driveType: number;
}

const DOUBLE = [1, 2];
const format = (
  cylinders: number,
  heads: number,
  sectorsPerTrack: number,
  rates: readonly number[],
  driveType: number,
): FloppyFormat => ({ cylinders, heads, sectorsPerTrack, rates, driveType });

export const F360K: FloppyFormat = format(40, 2, 9, DOUBLE, 1);
export const F1440K: FloppyFormat = format(80, 2, 18, [0], 4);

const FORMATS: readonly FloppyFormat[] = [
  format(40, 1, 8, DOUBLE, 1),
  format(40, 1, 9, DOUBLE, 1),
  format(40, 2, 8, DOUBLE, 1),
  F360K,
  format(80, 2, 8, DOUBLE, 3),
  format(80, 2, 9, DOUBLE, 3),
  format(80, 2, 15, [0], 2),
  F1440K,
  format(80, 2, 36, [3], 5),
  // More sectors or cylinders than DOS gave them: 400K, 800K, 820K, 1.6M to 1.92M.
  format(40, 2, 10, DOUBLE, 1),
  ...[10, 11].map((sectors) => format(80, 2, sectors, DOUBLE, 3)),
  ...[82, 83].map((cylinders) => format(cylinders, 2, 10, DOUBLE, 3)),
  ...[20, 21, 22, 23, 24].map((sectors) => format(80, 2, sectors, [0], 4)),
  ...[82, 83].flatMap((cylinders) => [18, 21].map((n) => format(cylinders, 2, n, [0], 4))),
];

export function floppySectors(f: FloppyFormat): number {
  return f.cylinders * f.heads * f.sectorsPerTrack;
}

/**
 * The format of an image. One that ends early is padded: a track's worth or less of a 360K floppy to that, else to 1.44M.
 * @returns null for an image larger than that and of no format
 */
export function floppyFormat(bytes: number): FloppyFormat | null {
  const exact = FORMATS.find((f) => floppySectors(f) * SECTOR_BYTES === bytes);
  if (exact !== undefined) return exact;
  if (bytes <= F360K.sectorsPerTrack * SECTOR_BYTES) return F360K;
  return bytes < floppySectors(F1440K) * SECTOR_BYTES ? F1440K : null;
}
