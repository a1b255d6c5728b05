// SPDX-License-Identifier: GPL-2.0-only
// The commands of a floppy controller: their lengths, and how long they take.

const COMMAND_NS = 50_000;
const SEEK_NS = 1_000_000;
const TRACK_NS = 200_000;
const SECTOR_NS = 200_000;

/** Bytes of a command by its low five bits; absent: invalid. */
export const LENGTHS: Readonly<Record<number, number>> = {
  2: 9,
  3: 3,
  4: 2,
  5: 9,
  6: 9,
  7: 2,
  8: 1,
  9: 9,
  10: 2,
  12: 9,
  13: 6,
  14: 1,
  15: 3,
  16: 1,
  18: 2,
  19: 4,
  20: 1,
  22: 9,
};

/**
 * ns until a command has done its work; 0: it is done at once.
 * @param cylinder - where the heads of its drive are
 * @param seeks - transfers seek
 */
export function durationOf(command: readonly number[], cylinder: number, seeks: boolean): number {
  const away = Math.abs(cylinder - (command[2] ?? 0));
  switch ((command[0] ?? 0) & 0x1f) {
    case 0x07:
      return SEEK_NS + cylinder * TRACK_NS;
    case 0x0f:
      return SEEK_NS + away * TRACK_NS;
    case 0x0a:
      return SECTOR_NS;
    case 0x0d:
      return COMMAND_NS + SECTOR_NS;
    case 0x02:
    case 0x05:
    case 0x06:
    case 0x09:
    case 0x0c:
    case 0x16:
      return COMMAND_NS + SECTOR_NS + (seeks ? away * TRACK_NS : 0);
    default:
      return 0;
  }
}
