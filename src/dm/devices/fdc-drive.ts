// SPDX-License-Identifier: GPL-2.0-only
// A floppy drive: its heads' place, what lies in it, and moving whole sectors by cylinder, head and sector number.
import { type FloppyFormat, floppyFormat, floppySectors } from './floppy-formats.ts';
import { type ImageSource, Medium, SECTOR_BYTES } from './medium.ts';

/** No data rate has been chosen since power-on; chosen ones are 0 to 3. */
export const ANY_RATE = 4;

/** Highest cylinder a drive's heads reach. */
const LAST_CYLINDER = 83;

/** Why a sector could not be had: bits of ST1 and ST2. */
export interface SectorFault {
  readonly st1: number;
  readonly st2: number;
}

const NO_ADDRESS_MARK: SectorFault = { st1: 0x01, st2: 0x00 };
const NO_DATA: SectorFault = { st1: 0x04, st2: 0x00 };
const WRONG_CYLINDER: SectorFault = { st1: 0x04, st2: 0x10 };

export class FloppyDrive {
  readonly format: FloppyFormat | null;
  readonly medium: Medium | null;
  /** Where the heads are. */
  cylinder = 0;
  /** Set until the heads move with a floppy in the drive. */
  changed = true;

  /** @param image - null: the drive is empty. One of no format counts as empty */
  constructor(image: ImageSource | null) {
    this.format = image === null ? null : floppyFormat(image.bytes);
    this.medium =
      image === null || this.format === null ? null : new Medium(image, floppySectors(this.format));
  }

  /** Moves the heads. */
  seek(cylinder: number): void {
    this.cylinder = Math.max(0, Math.min(cylinder, LAST_CYLINDER));
    if (this.medium !== null) this.changed = false;
  }

  /** Whether a track under the heads can be read at a data rate, on a side. */
  readable(rate: number, head: number): SectorFault | null {
    const { format } = this;
    if (format === null) return NO_ADDRESS_MARK;
    if (rate !== ANY_RATE && !format.rates.includes(rate)) return NO_ADDRESS_MARK;
    if (this.cylinder >= format.cylinders || head >= format.heads) return NO_ADDRESS_MARK;
    return null;
  }

  /** The number of a sector under the heads, or why there is none. */
  find(rate: number, cylinder: number, head: number, sector: number): number | SectorFault {
    const { format } = this;
    const fault = this.readable(rate, head);
    if (fault !== null || format === null) return fault ?? NO_ADDRESS_MARK;
    if (cylinder !== this.cylinder) return WRONG_CYLINDER;
    if (sector < 1 || sector > format.sectorsPerTrack) return NO_DATA;
    return (cylinder * format.heads + head) * format.sectorsPerTrack + sector - 1;
  }
}

/** Room for one sector. */
export function sectorBuffer(): Uint8Array {
  return new Uint8Array(SECTOR_BYTES);
}
