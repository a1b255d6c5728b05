// SPDX-License-Identifier: GPL-2.0-only
// Cells to text: against captures of other machines where they are at hand, and against small pages.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CP437 } from '../../../src/dm/devices/vga/cp437.ts';
import { shows, textDump } from '../../../src/dm/devices/vga/text.ts';
import { guestsFolder } from '../../suites/data.ts';
import { page } from './page.ts';

test('the code page has 256 characters, each once but the blanks', () => {
  expect(CP437.length).toBe(256);
  expect(new Set(CP437).size).toBe(255);
  expect([CP437[0x41], CP437[0xb3], CP437[0xe1], CP437[0x01]]).toEqual(['A', '│', 'ß', '☺']);
});

test('trailing blanks and blank rows at the end are cut; a row is searched as it reads', () => {
  const cells = new Uint8Array(8 * 2 * 3).fill(0);
  for (const [i, c] of [...'C:\\>dir'].entries()) cells[2 * (8 + i)] = c.charCodeAt(0);
  const frame = page(cells, 8);
  expect(textDump(frame)).toBe('\nC:\\>dir\n');
  expect(shows(frame, 'C:\\>')).toBe(true);
  expect(shows(frame, 'dir ')).toBe(true);
  expect(shows(frame, 'D:\\>')).toBe(false);
});

const CAPTURES = [
  'freedos-160k/expected/session',
  'mikeos/expected/1-boot',
  'mikeos/expected/2-cli',
  'mikeos/expected/3-session',
  'nanochess-bootsectors/expected/bricks',
  'nanochess-bootsectors/expected/pi',
  'sectorlisp/expected/session',
];
const absent = existsSync(guestsFolder()) ? '' : `: no captures at ${guestsFolder()}`;
describe.skipIf(absent !== '')(`captures of other machines${absent}`, () => {
  test.each(CAPTURES)('%s', (name) => {
    const base = join(guestsFolder(), name);
    const text = readFileSync(`${base}.txt`, 'utf8');
    expect(textDump(page(readFileSync(`${base}.cells.bin`)))).toBe(text);
  });
});
