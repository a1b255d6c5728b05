// SPDX-License-Identifier: GPL-2.0-only
// Options about a PC's screen and keyboard: what is typed and waited for, in the order given, and pictures and dumps.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Pc } from '../machine/pc/platform.ts';
import { encodePng } from '../screen/png.ts';
import { render } from '../screen/render.ts';
import { Script, type Step } from '../screen/script.ts';
import { textDump } from '../screen/text.ts';
import { HvmError } from '../util/errors.ts';
import { durationValue } from './options.ts';
import { OutputFile } from './output-file.ts';

const WORDS = ['type', 'expect', 'wait', 'screenshot', 'text-dump', 'dump-cells', 'dump-a0000'];

/** One option, and where it stood on the command line. */
interface Placed {
  readonly place: number;
  readonly word: string;
  readonly value: string;
}

export interface ScreenFlags {
  screen?: boolean;
  type?: Placed[];
  expect?: Placed[];
  wait?: Placed[];
  screenshot?: Placed[];
  textDump?: Placed[];
  dumpCells?: Placed[];
  dumpA0000?: Placed[];
  script?: Placed[];
  expectTimeout?: number;
}

const EXPECT_MS = 60_000;

export function addScreenOptions(command: Command): void {
  let place = 0;
  const placed =
    (word: string) =>
    (value: string, before: Placed[] = []): Placed[] => [
      ...before,
      { place: place++, word, value },
    ];
  command
    .optionsGroup('Screen and keyboard of a PC, in the order given:')
    .option('--screen', 'the terminal is its screen and keyboard; Ctrl-] leaves')
    .option('--type <text>', 'type this: \\n, {F1}, {Up}, {Ctrl-C} are keys', placed('type'))
    .option('--expect <text>', 'go on when this stands on screen', placed('expect'))
    .option(
      '--expect-timeout <time>',
      'of guest time, for each of them (60s)',
      durationValue('--expect-timeout'),
    )
    .option('--wait <time>', 'let so much guest time pass', placed('wait'))
    .option('--script <file>', 'such options as lines: type dir\\n', placed('script'))
    .option('--screenshot <file>', 'a PNG of the screen, there or at the end', placed('screenshot'))
    .option('--text-dump <file>', 'its text, - for stdout', placed('text-dump'))
    .option('--dump-cells <file>', 'its characters and attributes', placed('dump-cells'))
    .option('--dump-a0000 <file>', '64000 bytes of video memory at A0000', placed('dump-a0000'));
}

/** What is typed and looked at while the guest runs, and what at its end. */
export interface ScreenRequest {
  /** null: nobody types or waits. */
  readonly script: Script | null;
  /** For the end of the run. */
  readonly last: (pc: Pc) => void;
  /** Files that are written at the end, and nothing else. */
  readonly wanted: boolean;
}

function lineOf(path: string, number: number, text: string): Placed {
  const [word = '', ...rest] = text.split(' ');
  if (!WORDS.includes(word) || rest.length === 0) {
    throw new HvmError(
      'HVM_USAGE',
      `${path}, line ${number}: '${text}': expected ${WORDS.join(', ')} and what`,
    );
  }
  return { place: 0, word, value: rest.join(' ') };
}

/** The lines of a script; blank ones and those that begin with # count for nothing. */
function linesOf(path: string): Placed[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new HvmError('HVM_USAGE', `cannot read script ${path}: ${why}`, { cause });
  }
  return text.split(/\r?\n/).flatMap((line, i) => {
    const blank = line.trim() === '' || line.startsWith('#');
    return blank ? [] : [lineOf(path, i + 1, line)];
  });
}

/** @param print - text that goes to stdout */
function look({ word, value }: Placed, print: (text: string) => void): (pc: Pc) => void {
  const file = word === 'text-dump' && value === '-' ? null : value;
  // That the file can be written is proved before anything runs.
  if (file !== null) new OutputFile(file)[Symbol.dispose]();
  return (pc) => {
    const frame = pc.vga.frame();
    if (file === null) {
      print(textDump(frame));
      return;
    }
    using into = new OutputFile(file);
    if (word === 'text-dump') into.write(textDump(frame));
    else if (word === 'screenshot') into.writeBytes(encodePng(render(frame)));
    else if (word === 'dump-a0000') into.writeBytes(pc.vga.a0000());
    else into.writeBytes(frame.kind === 'text' ? frame.cells : new Uint8Array());
    into.commit();
  };
}

/**
 * @param print - text that goes to stdout
 * @throws HvmError HVM_USAGE, HVM_OUTPUT before anything runs
 */
export function screenRequest(flags: ScreenFlags, print: (text: string) => void): ScreenRequest {
  const { type, expect, wait, screenshot, textDump: text, dumpCells, dumpA0000, script } = flags;
  const lists = [type, expect, wait, screenshot, text, dumpCells, dumpA0000, script];
  const given = lists.flatMap((list) => list ?? []).sort((a, b) => a.place - b.place);
  const all = given.flatMap((one) => (one.word === 'script' ? linesOf(one.value) : [one]));
  const steps = all.map((one): Step => {
    if (one.word === 'type' || one.word === 'expect') return { what: one.word, text: one.value };
    if (one.word === 'wait') return { what: 'wait', ms: durationValue('--wait')(one.value) };
    return { what: 'look', look: look(one, print) };
  });
  if (flags.screen && steps.length > 0) {
    throw new HvmError(
      'HVM_USAGE',
      '--screen with --type, --expect or dumps: expected one of them',
    );
  }
  const acting = steps.findLastIndex((step) => step.what !== 'look') + 1;
  const last = steps.slice(acting);
  const expectMs = flags.expectTimeout ?? EXPECT_MS;
  return {
    script: acting === 0 ? null : new Script({ steps: steps.slice(0, acting), expectMs }),
    last: (pc) => {
      for (const step of last) if (step.what === 'look') step.look(pc);
    },
    wanted: flags.screen === true || steps.length > 0,
  };
}
