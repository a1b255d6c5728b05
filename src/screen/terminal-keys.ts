// SPDX-License-Identifier: GPL-2.0-only
// What a terminal sends when a key is pressed, as keys of a PC. Sequences: xterm's and those of the Linux console.
import { type Key, keyOf, namedKey } from '../machine/pc/keys.ts';

/** Ctrl-]: leaves. */
const LEAVE = '\u001d';

const FINAL: Readonly<Record<string, string>> = {
  A: 'Up',
  B: 'Down',
  C: 'Right',
  D: 'Left',
  H: 'Home',
  F: 'End',
  P: 'F1',
  Q: 'F2',
  R: 'F3',
  S: 'F4',
};
const NUMBERED: Readonly<Record<string, string>> = {
  1: 'Home',
  2: 'Insert',
  3: 'Delete',
  4: 'End',
  5: 'PageUp',
  6: 'PageDown',
  11: 'F1',
  12: 'F2',
  13: 'F3',
  14: 'F4',
  15: 'F5',
  17: 'F6',
  18: 'F7',
  19: 'F8',
  20: 'F9',
  21: 'F10',
  23: 'F11',
  24: 'F12',
};
/** xterm's modifier: 1 + Shift 1 + Alt 2 + Ctrl 4. */
function held(modifier: string | undefined): string {
  const bits = Number(modifier ?? 1) - 1;
  return `${bits & 4 ? 'Ctrl-' : ''}${bits & 2 ? 'Alt-' : ''}${bits & 1 ? 'Shift-' : ''}`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals send them
const SEQUENCE = /^\u001b(?:\[(\d*)(?:;(\d+))?([A-Z~])|O([A-Z])|([ -~]))/;

function sequenceKey(match: RegExpExecArray): Key | null {
  const [, number = '', modifier, final, application, letter] = match;
  if (letter !== undefined) return namedKey(`Alt-${letter.toLowerCase()}`);
  const plain = final === '~' ? NUMBERED[number] : FINAL[final ?? application ?? ''];
  return plain === undefined ? null : namedKey(held(modifier) + plain);
}

/** The keys in what a terminal has sent, and whether one of them was Ctrl-]. What means nothing is left out. */
export function terminalKeys(sent: string): { keys: Key[]; leave: boolean } {
  const keys: Key[] = [];
  let rest = sent;
  while (rest !== '') {
    if (rest.startsWith(LEAVE)) return { keys, leave: true };
    const match = SEQUENCE.exec(rest);
    const character = String.fromCodePoint(rest.codePointAt(0) ?? 0);
    // Terminals send DEL for Backspace.
    const key =
      match !== null ? sequenceKey(match) : keyOf(character === '\u007f' ? '\b' : character);
    if (key !== null) keys.push(key);
    rest = rest.slice(match?.[0].length ?? character.length);
  }
  return { keys, leave: false };
}
