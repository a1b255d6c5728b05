// SPDX-License-Identifier: GPL-2.0-only
// Pictures: what is drawn where, and files that say the same.
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { encodePng } from '../../../src/screen/png.ts';
import { render } from '../../../src/screen/render.ts';
import { decodePng, page } from './page.ts';

test('a cell is drawn with its glyph, its colours and the cursor', () => {
  // A full block in 14 on 1, a blank in 7 on 4 with a cursor on its last two lines.
  const frame = { ...page(Uint8Array.of(0xdb, 0x1e, 0x20, 0x47), 2), blink: false };
  const picture = render({ ...frame, cursor: { column: 1, row: 0, start: 14, end: 15 } });
  // So narrow a page has dots two wide.
  expect([picture.width, picture.height]).toEqual([32, 16]);
  const row = (y: number): number[] => [...picture.indices.subarray(y * 32, (y + 1) * 32)];
  expect(row(0)).toEqual([...new Array(16).fill(14), ...new Array(16).fill(4)]);
  expect(row(15)).toEqual([...new Array(16).fill(14), ...new Array(16).fill(7)]);
});

test('a background is bright only where attributes do not blink', () => {
  const frame = page(Uint8Array.of(0x20, 0xf0), 1);
  expect(render(frame).indices[0]).toBe(7);
  expect(render({ ...frame, blink: false }).indices[0]).toBe(15);
});

test('the font a guest loaded is used in place of ours', () => {
  const font = new Uint8Array(8192);
  font[0x41 * 32] = 0x81;
  const cells = new Uint8Array(160);
  cells.set([0x41, 0x0f]);
  const picture = render({ ...page(cells, 80), font });
  expect([...picture.indices.subarray(0, 8)]).toEqual([15, 0, 0, 0, 0, 0, 0, 15]);
  expect(picture.indices.subarray(8).every((i) => i === 0)).toBe(true);
});

test('40 columns are as wide as 80', () => {
  const cells = Uint8Array.from({ length: 2 * 40 * 25 }, () => 0xdb);
  const { width, height } = render(page(cells, 40));
  expect([width, height]).toEqual([640, 400]);
});

test('a file gives back the pixels and colours, and each chunk has its checksum', () => {
  const indices = Uint8Array.from({ length: 320 * 200 }, (_, i) => (i * 7) % 251);
  const palette = Uint32Array.from({ length: 256 }, (_, i) => i * 0x010101);
  const picture = render({ kind: 'pixels', width: 320, height: 200, indices, palette });
  expect([picture.width, picture.height]).toEqual([640, 400]);
  const file = encodePng(picture);
  const back = decodePng(file);
  expect([back.width, back.height]).toEqual([640, 400]);
  expect(Buffer.compare(back.indices, picture.indices)).toBe(0);
  expect([...back.palette]).toEqual([...picture.palette]);
  const bytes = Buffer.from(file);
  const types: string[] = [];
  for (let at = 8; at < bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at);
    expect(bytes.readUInt32BE(end)).toBe(crc32(bytes.subarray(at + 4, end)));
    types.push(bytes.toString('latin1', at + 4, at + 8));
    at = end + 4;
  }
  expect(types).toEqual(['IHDR', 'PLTE', 'IDAT', 'IEND']);
});
