// SPDX-License-Identifier: GPL-2.0-only
// Text as scan codes of a US keyboard: make and break of each key, with Shift around it where it is needed.

const ROWS: readonly [first: number, plain: string, shifted: string][] = [
  [0x02, '1234567890-=', '!@#$%^&*()_+'],
  [0x10, 'qwertyuiop[]', 'QWERTYUIOP{}'],
  [0x1e, "asdfghjkl;'`", 'ASDFGHJKL:"~'],
  [0x2b, '\\zxcvbnm,./', '|ZXCVBNM<>?'],
  [0x39, ' ', ''],
  [0x1c, '\n', ''],
];
const NAMED: Readonly<Record<string, number>> = { Right: 0x4d, Esc: 0x01, F1: 0x3b };
const EXTENDED = ['Right'];
const SHIFT = 0x2a;
const BREAK = 0x80;

function ofChar(char: string): number[] {
  for (const [first, plain, shifted] of ROWS) {
    const at = plain.indexOf(char);
    if (at >= 0) return [first + at, (first + at) | BREAK];
    const up = shifted.indexOf(char);
    if (up >= 0) return [SHIFT, first + up, (first + up) | BREAK, SHIFT | BREAK];
  }
  throw new Error(`no key for '${char}'`);
}

/** The bytes of each key of `text`. */
export function scanCodes(text: string): number[][] {
  return [...text.matchAll(/\{(\w+)\}|[\s\S]/g)].map(([char, name]) => {
    if (name === undefined) return ofChar(char);
    const code = NAMED[name];
    if (code === undefined) throw new Error(`no key called ${name}`);
    const bytes = [code, code | BREAK];
    return EXTENDED.includes(name) ? bytes.flatMap((byte) => [0xe0, byte]) : bytes;
  });
}
