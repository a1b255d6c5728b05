// SPDX-License-Identifier: GPL-2.0-only
// What a disk says of itself: the 256 words of IDENTIFY DEVICE (ATA/ATAPI-4, 8.12).
import { SECTOR_BYTES } from './medium.ts';

const HEADS = 16;
const SECTORS = 63;
const MOST_CYLINDERS = 16383;
const MOST_SECTORS = 0x0fffffff;

/** 512 bytes. @param multiple - sectors per interrupt that are set */
export function identify(sectors: number, multiple: number): Uint8Array {
  const bytes = new Uint8Array(512);
  const word = (index: number, value: number): void => {
    bytes[index * 2] = value & 0xff;
    bytes[index * 2 + 1] = (value >>> 8) & 0xff;
  };
  /** Two characters a word, the first one in the high byte. */
  const text = (index: number, words: number, value: string): void => {
    const padded = value.padEnd(words * 2);
    for (let i = 0; i < words; i++) {
      word(index + i, (padded.charCodeAt(2 * i) << 8) | padded.charCodeAt(2 * i + 1));
    }
  };
  const cylinders = Math.min(MOST_CYLINDERS, Math.max(1, Math.floor(sectors / (HEADS * SECTORS))));
  const addressable = Math.min(sectors, MOST_SECTORS);
  const byChs = Math.min(cylinders * HEADS * SECTORS, addressable);
  word(0, 0x0040);
  word(1, cylinders);
  word(3, HEADS);
  // Retired words of ATA-1, bytes of a track and of a sector: Bochs's BIOS takes its count from the second.
  word(4, SECTORS * SECTOR_BYTES);
  word(5, SECTOR_BYTES);
  word(6, SECTORS);
  text(10, 10, 'TRAPLINE0001');
  text(23, 4, '1.0');
  text(27, 20, 'TRAPLINE DISK');
  word(47, 0x8010);
  word(49, 0x0200); // LBA, no DMA
  word(51, 0x0200);
  word(53, 0x0001);
  word(54, cylinders);
  word(55, HEADS);
  word(56, SECTORS);
  word(57, byChs & 0xffff);
  word(58, byChs >>> 16);
  word(59, 0x0100 | multiple);
  word(60, addressable & 0xffff);
  word(61, addressable >>> 16);
  word(80, 0x001e);
  return bytes;
}
