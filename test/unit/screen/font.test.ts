// SPDX-License-Identifier: GPL-2.0-only
// The font: what is committed is what the drawing makes, glyphs can be told apart, lines join.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { FONT_8X8, FONT_8X16 } from '../../../src/screen/font.ts';

const SCRIPT = fileURLToPath(new URL('../../../scripts/font.mjs', import.meta.url));

test('the committed tables are what scripts/font/glyphs.txt makes', () => {
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, '--check'], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

describe.each([
  ['8x16', FONT_8X16, 16],
  ['8x8', FONT_8X8, 8],
] as const)('%s', (_name, font, height) => {
  const glyph = (code: number): string =>
    Buffer.from(font.subarray(code * height, (code + 1) * height)).toString('hex');

  test('256 glyphs; only 00, 20 and FF are blank, no two others look the same', () => {
    expect(font.length).toBe(256 * height);
    const seen = new Map<string, number>();
    const twice: string[] = [];
    for (let code = 0; code < 256; code++) {
      const bits = glyph(code);
      expect(/^0+$/.test(bits)).toBe([0x00, 0x20, 0xff].includes(code));
      const other = seen.get(bits);
      if (other !== undefined && !/^0+$/.test(bits)) twice.push(`${other} ${code}`);
      seen.set(bits, code);
    }
    expect(twice).toEqual([]);
  });

  test.each([
    ['┌─┐', [0xda, 0xc4, 0xbf]],
    ['╔═╗', [0xc9, 0xcd, 0xbb]],
    ['├┼┤', [0xc3, 0xc5, 0xb4]],
    ['╠╬╣', [0xcc, 0xce, 0xb9]],
    ['╞╪╡', [0xc6, 0xd8, 0xb5]],
    ['╟╫╢', [0xc7, 0xd7, 0xb6]],
  ])('%s join at the edges of their cells', (_text, codes) => {
    for (let i = 0; i + 1 < codes.length; i++) {
      for (let y = 0; y < height; y++) {
        const left = (font[(codes[i] ?? 0) * height + y] ?? 0) & 1;
        const right = ((font[(codes[i + 1] ?? 0) * height + y] ?? 0) >> 7) & 1;
        expect(left).toBe(right);
      }
    }
  });
});
