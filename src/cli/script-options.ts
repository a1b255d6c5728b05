// SPDX-License-Identifier: GPL-2.0-only
// What is typed at a PC and waited for, in the order given: options, and lines of a file that say the same.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { CP437 } from '../dm/devices/vga/cp437.ts';
import { EXPECT_NS } from '../machine/pc/config.ts';
import { keysOf } from '../machine/pc/keys.ts';
import type { ScriptStep } from '../machine/pc/script.ts';
import { HvmError } from '../util/errors.ts';
import { durationValue } from './options.ts';

/** One option, and where it stood on the command line. */
export interface Placed {
  readonly place: number;
  readonly word: string;
  readonly value: string;
}

/** A script that is part of the PC: it goes on over checkpoints and processes. */
export interface ScriptFlags {
  type?: Placed[];
  expect?: Placed[];
  wait?: Placed[];
  script?: Placed[];
  /** Milliseconds. */
  expectTimeout?: number;
}

const WORDS = ['type', 'expect', 'wait'];
const NS_PER_MS = 1_000_000;

/** A parser that notes the order of all options given to the same one. */
export type Placing = (word: string) => (value: string, before?: Placed[]) => Placed[];

/** @returns for further options that stand in the same order */
export function addScriptOptions(command: Command): Placing {
  let place = 0;
  const placed: Placing =
    (word) =>
    (value, before = []) => [...before, { place: place++, word, value }];
  command
    .optionsGroup('Keyboard and screen of a PC, in the order given:')
    .option('--type <text>', 'type this: \\n, {F1}, {Up}, {Ctrl-C} are keys', placed('type'))
    .option('--expect <text>', 'go on when this appears on screen', placed('expect'))
    .option(
      '--expect-timeout <time>',
      'of guest time, for each of them (60s)',
      durationValue('--expect-timeout'),
    )
    .option('--wait <time>', 'let so much guest time pass', placed('wait'))
    .option('--script <file>', 'such options as lines: type dir\\n', placed('script'));
  return placed;
}

/**
 * The steps in the order in which they stand on the command line.
 * @param looks - options of this kind, besides, and the number that each of them gets
 * @throws HvmError HVM_USAGE
 */
export function scriptOf(
  flags: ScriptFlags,
  looks: { words: readonly string[]; given: readonly Placed[]; add(look: Placed): number } = {
    words: [],
    given: [],
    add: () => 0,
  },
): ScriptStep[] {
  const { type = [], expect = [], wait = [], script = [], expectTimeout } = flags;
  const given = [...type, ...expect, ...wait, ...script, ...looks.given].sort(
    (a, b) => a.place - b.place,
  );
  const words = [...WORDS, ...looks.words];
  const all = given.flatMap((one) => (one.word === 'script' ? linesOf(one.value, words) : [one]));
  const timeoutNs = expectTimeout === undefined ? EXPECT_NS : Math.ceil(expectTimeout * NS_PER_MS);
  return all.map((one): ScriptStep => {
    const { word, value } = one;
    switch (word) {
      case 'type':
        // Refused here, with the option at hand.
        keysOf(value);
        return { kind: 'type', text: value };
      case 'expect':
        refuseUnseen(value);
        return { kind: 'expect', text: value, timeoutNs };
      case 'wait':
        return { kind: 'wait', ns: Math.ceil(durationValue('--wait')(value) * NS_PER_MS) };
      default:
        return { kind: 'look', number: looks.add(one) };
    }
  });
}

/** @throws HvmError HVM_USAGE for a text that no screen can show */
function refuseUnseen(text: string): void {
  if (text.trim() === '') throw new HvmError('HVM_USAGE', `--expect '${text}': expected a text`);
  for (const character of text) {
    if (CP437.includes(character)) continue;
    throw new HvmError('HVM_USAGE', `--expect '${text}': no screen shows '${character}'`);
  }
}

function lineOf(path: string, number: number, text: string, words: readonly string[]): Placed {
  const [word = '', ...rest] = text.split(' ');
  if (!words.includes(word) || rest.length === 0) {
    throw new HvmError(
      'HVM_USAGE',
      `${path}, line ${number}: '${text}': expected ${words.join(', ')} and what`,
    );
  }
  return { place: 0, word, value: rest.join(' ') };
}

/** The lines of a script; blank ones and those that begin with # count for nothing. */
function linesOf(path: string, words: readonly string[]): Placed[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new HvmError('HVM_USAGE', `cannot read script ${path}: ${why}`, { cause });
  }
  return text.split(/\r?\n/).flatMap((line, i) => {
    const blank = line.trim() === '' || line.startsWith('#');
    return blank ? [] : [lineOf(path, i + 1, line, words)];
  });
}
