// SPDX-License-Identifier: GPL-2.0-only
// A third-party guest as files that a PC takes: padded to a floppy's size, with its second floppy.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestsFolder } from '../suites/data.ts';
import { fat12 } from './fat12.ts';

/** Which files a guest is made of. */
export interface GuestFiles {
  name: string;
  /** Folder and file below the folder of guests. */
  image: string;
  /** Zeros follow up to so many bytes. */
  padded?: number;
  /** Files of a floppy in drive B. */
  floppyB?: () => Record<string, Uint8Array>;
}

export const guestFile = (path: string): Buffer => readFileSync(join(guestsFolder(), path));

/** @param scratch - a folder for files that are made */
export function prepare(guest: GuestFiles, scratch: string): { image: string; floppies: string[] } {
  let image = join(guestsFolder(), guest.image);
  if (guest.padded !== undefined) {
    const whole = Buffer.alloc(guest.padded);
    whole.set(guestFile(guest.image));
    image = join(scratch, `${guest.name}.img`);
    writeFileSync(image, whole);
  }
  const floppies: string[] = [];
  if (guest.floppyB !== undefined) {
    const path = join(scratch, `${guest.name}-b.img`);
    writeFileSync(path, fat12(guest.floppyB()));
    floppies.push(path);
  }
  return { image, floppies };
}
