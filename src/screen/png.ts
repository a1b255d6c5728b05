// SPDX-License-Identifier: GPL-2.0-only
// PNG files of palette pictures. Format: W3C Portable Network Graphics (Second Edition), colour type 3.
import { crc32, deflateSync } from 'node:zlib';
import type { Palette } from '../dm/devices/vga/frame.ts';
import type { Picture } from './render.ts';

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const DEPTH = 8;
const PALETTE_COLOURS = 3;

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const bytes = Buffer.alloc(body.length + 8);
  bytes.writeUInt32BE(data.length, 0);
  body.copy(bytes, 4);
  bytes.writeUInt32BE(crc32(body), body.length + 4);
  return bytes;
}

function colours(palette: Palette): Uint8Array {
  const bytes = new Uint8Array(3 * palette.length);
  palette.forEach((rgb, i) => {
    bytes.set([(rgb >>> 16) & 0xff, (rgb >>> 8) & 0xff, rgb & 0xff], 3 * i);
  });
  return bytes;
}

/** The file's bytes: the same picture always gives the same ones. */
export function encodePng({ width, height, indices, palette }: Picture): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = DEPTH;
  header[9] = PALETTE_COLOURS;
  // Every row begins with its filter: none, which is best for palettes.
  const rows = new Uint8Array((width + 1) * height);
  for (let y = 0; y < height; y++) {
    rows.set(indices.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  }
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('PLTE', colours(palette)),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', new Uint8Array()),
  ]);
}
