// SPDX-License-Identifier: GPL-2.0-only
// Text and names of keys as what a keyboard of US layout sends: scan codes of set 1, press and release.
import { HvmError } from '../../util/errors.ts';

/** One key pressed and released, with what is held meanwhile. */
export interface Key {
  /** As it was asked for. */
  readonly name: string;
  readonly bytes: readonly number[];
}

const SHIFT = 0x2a;
const CTRL = 0x1d;
const ALT = 0x38;
const RELEASED = 0x80;
const EXTENDED = 0xe0;

/** Rows of the keyboard from their first scan code on, without and with Shift. */
const ROWS: readonly (readonly [number, string, string])[] = [
  [0x02, '1234567890-=', '!@#$%^&*()_+'],
  [0x10, 'qwertyuiop[]', 'QWERTYUIOP{}'],
  [0x1e, "asdfghjkl;'`", 'ASDFGHJKL:"~'],
  [0x2b, '\\zxcvbnm,./', '|ZXCVBNM<>?'],
  [0x39, ' ', ' '],
];

const PLAIN = new Map<string, number>([
  ['\n', 0x1c],
  ['\r', 0x1c],
  ['\t', 0x0f],
  ['\b', 0x0e],
  ['\u001b', 0x01],
]);
const SHIFTED = new Map<string, number>();
for (const [first, plain, shifted] of ROWS) {
  for (let i = 0; i < plain.length; i++) {
    PLAIN.set(plain[i] ?? '', first + i);
    if (shifted[i] !== ' ') SHIFTED.set(shifted[i] ?? '', first + i);
  }
}

/** Names in braces; 0xe0 in front where the key sends it. */
const NAMED: Readonly<Record<string, readonly number[]>> = {
  enter: [0x1c],
  esc: [0x01],
  tab: [0x0f],
  backspace: [0x0e],
  space: [0x39],
  up: [EXTENDED, 0x48],
  down: [EXTENDED, 0x50],
  left: [EXTENDED, 0x4b],
  right: [EXTENDED, 0x4d],
  home: [EXTENDED, 0x47],
  end: [EXTENDED, 0x4f],
  pageup: [EXTENDED, 0x49],
  pagedown: [EXTENDED, 0x51],
  insert: [EXTENDED, 0x52],
  delete: [EXTENDED, 0x53],
  capslock: [0x3a],
  f1: [0x3b],
  f2: [0x3c],
  f3: [0x3d],
  f4: [0x3e],
  f5: [0x3f],
  f6: [0x40],
  f7: [0x41],
  f8: [0x42],
  f9: [0x43],
  f10: [0x44],
  f11: [0x57],
  f12: [0x58],
};
const HELD: Readonly<Record<string, number>> = { shift: SHIFT, ctrl: CTRL, alt: ALT };

const released = (code: readonly number[]): number[] =>
  code.map((byte) => (byte === EXTENDED ? byte : byte | RELEASED));

function pressed(name: string, code: readonly number[], held: readonly number[]): Key {
  const up = held.toReversed().map((byte) => byte | RELEASED);
  return { name, bytes: [...held, ...code, ...released(code), ...up] };
}

/** The key that makes a character; null: there is none on this keyboard. */
export function keyOf(character: string): Key | null {
  const plain = PLAIN.get(character);
  if (plain !== undefined) return pressed(character, [plain], []);
  const shifted = SHIFTED.get(character);
  if (shifted !== undefined) return pressed(character, [shifted], [SHIFT]);
  // Ctrl-A to Ctrl-Z, as a terminal sends them.
  const code = character.charCodeAt(0);
  const letter = PLAIN.get(String.fromCharCode(code + 0x60));
  return code < 27 && letter !== undefined ? pressed(character, [letter], [CTRL]) : null;
}

/** `F1`, `Up`, `Ctrl-C`, `Alt-F4`; null: no such key. */
export function namedKey(name: string): Key | null {
  const parts = name.split('-');
  // `Ctrl--` is a minus with Ctrl held.
  const last = name.endsWith('-') ? '-' : (parts.at(-1) ?? '');
  const before = name
    .slice(0, name.length - last.length)
    .split('-')
    .filter((p) => p !== '');
  const held: number[] = [];
  for (const part of before) {
    const byte = HELD[part.toLowerCase()];
    if (byte === undefined) return null;
    held.push(byte);
  }
  const code = NAMED[last.toLowerCase()];
  if (code !== undefined) return pressed(name, code, held);
  const plain = last.length === 1 ? PLAIN.get(last.toLowerCase()) : undefined;
  return plain !== undefined && held.length > 0 ? pressed(name, [plain], held) : null;
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  b: '\b',
  e: '\u001b',
  '\\': '\\',
  '{': '{',
};

/**
 * The keys of a text: characters, `\n \t \b \e \\ \{`, and names in braces as `{F1} {Up} {Ctrl-C}`. A backslash in front
 * of anything else is itself, so that `C:\>` needs no care.
 * @throws HvmError HVM_USAGE for what no key makes
 */
export function keysOf(text: string): Key[] {
  const keys: Key[] = [];
  const add = (key: Key | null, what: string): void => {
    if (key === null) {
      throw new HvmError(
        'HVM_USAGE',
        `'${what}' cannot be typed: expected keys of a US keyboard, \\n, or names as {F1} {Up} {Ctrl-C}`,
      );
    }
    keys.push(key);
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? '';
    const escaped = c === '\\' ? ESCAPES[text[i + 1] ?? ''] : undefined;
    const end = c === '{' ? text.indexOf('}', i) : -1;
    if (escaped !== undefined) {
      add(keyOf(escaped), escaped);
      i++;
    } else if (end > i) {
      const name = text.slice(i + 1, end);
      add(namedKey(name), `{${name}}`);
      i = end;
    } else add(keyOf(c), c);
  }
  return keys;
}
