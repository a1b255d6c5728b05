// SPDX-License-Identifier: GPL-2.0-only
// Text and names to scan codes.
import { expect, test } from 'vitest';
import { keysOf } from '../../../src/machine/pc/keys.ts';

const bytes = (text: string): string =>
  keysOf(text)
    .map((key) => Buffer.from(key.bytes).toString('hex'))
    .join(' ');

test.each([
  ['a', '1e9e'],
  ['A', '2a1e9eaa'],
  ['1!', '0282 2a0282aa'],
  ['C:\\>', '2a2eaeaa 2a27a7aa 2bab 2a34b4aa'],
  ['dir\\n', '20a0 1797 1393 1c9c'],
  ['\\\\', '2bab'],
  ['\\{', '2a1a9aaa'],
  ['{Enter}{esc}', '1c9c 0181'],
  ['{F1}{F12}', '3bbb 58d8'],
  ['{Up}', 'e048e0c8'],
  ['{Ctrl-C}', '1d2eae9d'],
  ['{Ctrl-Alt-Delete}', '1d38e053e0d3b89d'],
  ['\u0003', '1d2eae9d'],
])('%s', (text, codes) => {
  expect(bytes(text)).toBe(codes);
});

test('every printable character can be typed', () => {
  for (let c = 32; c < 127; c++) {
    const text = String.fromCharCode(c);
    if (text !== '{') expect(keysOf(text)).toHaveLength(1);
  }
});

test.each(['ä', '{F13}', '{Foo-a}', '{}'])('%s is refused', (text) => {
  expect(() => keysOf(text)).toThrowError(expect.objectContaining({ code: 'HVM_USAGE' }));
});
