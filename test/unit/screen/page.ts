// SPDX-License-Identifier: GPL-2.0-only
// A page of text to try things on, and a picture read back from its file.
import { inflateSync } from 'node:zlib';
import type { TextFrame } from '../../../src/dm/devices/vga/frame.ts';
import type { Picture } from '../../../src/screen/render.ts';

/** A text page of these cells, 80 columns unless told otherwise, in sixteen shades of grey. */
export function page(cells: Uint8Array, columns = 80): TextFrame {
  return {
    kind: 'text',
    columns,
    rows: cells.length / 2 / columns,
    cells,
    cursor: null,
    palette: Uint32Array.from({ length: 16 }, (_, i) => i * 0x111111),
    fontHeight: 16,
    font: null,
    blink: true,
  };
}

/** A palette PNG, without its checksums being looked at. @throws Error for any other */
export function decodePng(file: Uint8Array): Picture {
  const bytes = Buffer.from(file);
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    chunks.set(bytes.toString('latin1', at + 4, at + 8), bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  const part = (name: string): Buffer => {
    const chunk = chunks.get(name);
    if (chunk === undefined) throw new Error(`no ${name} chunk`);
    return chunk;
  };
  const header = part('IHDR');
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const rows = inflateSync(part('IDAT'));
  const indices = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const at = y * (width + 1);
    if (rows[at] !== 0) throw new Error('a filtered row');
    indices.set(rows.subarray(at + 1, at + 1 + width), y * width);
  }
  const colours = part('PLTE');
  const palette = Uint32Array.from({ length: colours.length / 3 }, (_, i) =>
    colours.readUIntBE(3 * i, 3),
  );
  return { width, height, indices, palette };
}
