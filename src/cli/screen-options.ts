// SPDX-License-Identifier: GPL-2.0-only
// Options about what a PC shows: pictures and dumps, where they stand in its script or at the end.
import type { Command } from 'commander';
import { textDump } from '../dm/devices/vga/text.ts';
import type { Pc } from '../machine/pc/platform.ts';
import type { ScriptStep } from '../machine/pc/script.ts';
import { encodePng } from '../screen/png.ts';
import { render } from '../screen/render.ts';
import { HvmError } from '../util/errors.ts';
import { OutputFile } from './output-file.ts';
import { addScriptOptions, type Placed, type ScriptFlags, scriptOf } from './script-options.ts';

const LOOKS = ['screenshot', 'text-dump', 'dump-cells', 'dump-a0000'];

export interface ScreenFlags extends ScriptFlags {
  screen?: boolean;
  screenshot?: Placed[];
  textDump?: Placed[];
  dumpCells?: Placed[];
  dumpA0000?: Placed[];
}

export function addScreenOptions(command: Command): void {
  const placed = addScriptOptions(command);
  command
    .option('--screenshot <file>', 'a PNG of the screen, there or at the end', placed('screenshot'))
    .option('--text-dump <file>', 'its text, - for stdout', placed('text-dump'))
    .option('--dump-cells <file>', 'its characters and attributes', placed('dump-cells'))
    .option('--dump-a0000 <file>', '64000 bytes of video memory at A0000', placed('dump-a0000'))
    .option('--screen', 'the terminal is its screen and keyboard; Ctrl-] leaves');
}

/** What is typed and looked at while the guest runs, and what at its end. */
export interface ScreenRequest {
  readonly script: ScriptStep[];
  /** A step of the script, by its number. */
  readonly look: (number: number, pc: Pc) => void;
  /** For the end of the run. */
  readonly last: (pc: Pc) => void;
  /** Whether a screen is asked for. */
  readonly wanted: boolean;
}

/** @param print - text that goes to stdout */
function lookOf({ word, value }: Placed, print: (text: string) => void): (pc: Pc) => void {
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
  const { screenshot = [], textDump: text = [], dumpCells = [], dumpA0000 = [] } = flags;
  const looks: ((pc: Pc) => void)[] = [];
  const steps = scriptOf(flags, {
    words: LOOKS,
    given: [...screenshot, ...text, ...dumpCells, ...dumpA0000],
    add: (one) => looks.push(lookOf(one, print)) - 1,
  });
  if (flags.screen && steps.length > 0) {
    throw new HvmError(
      'HVM_USAGE',
      '--screen with --type, --expect or dumps: expected one of them',
    );
  }
  const acting = steps.findLastIndex((step) => step.kind !== 'look') + 1;
  return {
    script: steps.slice(0, acting),
    look: (number, pc) => looks[number]?.(pc),
    last: (pc) => {
      for (const step of steps.slice(acting)) if (step.kind === 'look') looks[step.number]?.(pc);
    },
    wanted: flags.screen === true || steps.length > 0,
  };
}
