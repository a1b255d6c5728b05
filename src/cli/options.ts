// SPDX-License-Identifier: GPL-2.0-only
// The values of options: numbers, sizes, durations, and the options that several commands share.
import type { Command } from 'commander';
import { Option } from 'commander';
import type { DeviceSpec } from '../dm/registry.ts';
import { parseDeviceSpec } from '../dm/registry.ts';
import type { GuestFormat } from '../machine/guest-manifest.ts';
import { GUEST_FORMATS } from '../machine/guest-manifest.ts';
import type { LoadOptions } from '../machine/loader.ts';
import { findBug } from '../toolstack/museum/index.ts';
import { HvmError } from '../util/errors.ts';
import { hex, parseDuration, parseNumber } from '../util/hex.ts';
import { REVISION_NAMES } from '../xen/hvm/revision.ts';

function refuse(flag: string, text: string, expected: string): never {
  throw new HvmError('HVM_USAGE', `${flag} '${text}': expected ${expected}`, {
    details: { option: flag, value: text },
  });
}

function show(value: number): string {
  return value > 0xffff ? hex(value) : String(value);
}

/** A parser for whole numbers from `min` to `max`, both included. */
export function numberValue(
  flag: string,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  const bounds =
    max === Number.MAX_SAFE_INTEGER ? `at least ${show(min)}` : `${show(min)} to ${show(max)}`;
  return (text) => {
    const value = parseNumber(text);
    if (value === null || value < min || value > max) {
      refuse(flag, text, `a whole number, ${bounds} (forms: 1000, 0x3e8, 64K, 1M)`);
    }
    return value;
  };
}

/** A parser for durations above zero, in milliseconds. */
export function durationValue(flag: string): (text: string) => number {
  return (text) => {
    const value = parseDuration(text);
    if (value === null || value <= 0) {
      refuse(flag, text, 'a duration above zero (forms: 500ms, 10s, 2m, 1h)');
    }
    return value;
  };
}

/** Every command has these. */
export interface CommonOptions {
  json?: boolean;
  quiet?: boolean;
  color: 'auto' | 'always' | 'never';
}

export function addCommonOptions(command: Command): void {
  command
    .optionsGroup('Output:')
    .option('-j, --json', 'one JSON document on stdout, also for errors')
    .option('-q, --quiet', 'no progress line')
    .addOption(
      new Option('--color <when>', 'colour in text output')
        .choices(['auto', 'always', 'never'])
        .default('auto'),
    )
    .addHelpOption(new Option('-h, --help', 'this text').helpGroup('Output:'));
}

/** Which guest, how it is read, and what it runs with. */
export interface GuestOptions {
  /** Absent: what the guest's manifest says. */
  device?: readonly DeviceSpec[];
  /** Bytes of guest RAM; absent: the manifest's, else 1 MiB. */
  memory?: number;
  format?: GuestFormat;
  load?: { seg: number; off: number };
  iterations?: number;
  parameter?: number;
  commandLine?: string;
}

function segOffValue(text: string): { seg: number; off: number } {
  const match = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(text);
  if (match === null) refuse('--load', text, 'segment:offset in hex (form: 07c0:0000)');
  return { seg: Number.parseInt(match[1] ?? '', 16), off: Number.parseInt(match[2] ?? '', 16) };
}

/** The argument `<guest>` and the options about it. */
export function addGuest(command: Command, optional = false): void {
  command.argument(
    optional ? '[guest]' : '<guest>',
    'a guest of the package, a folder with a guest.json, or any file',
  );
  addGuestOptions(command);
}

/** The options alone, for commands that have the guest from elsewhere. */
export function addGuestOptions(command: Command): void {
  command
    .optionsGroup('Guest:')
    .option(
      '--device <name@range>',
      "a device at ports, or at mmio: and memory; repeatable; replaces the guest's own of that name",
      (text: string, before: readonly DeviceSpec[] = []) => [...before, parseDeviceSpec(text)],
    )
    .option(
      '--memory <bytes>',
      "guest memory (the guest's own, else 1M)",
      numberValue('--memory', 4096, 2 ** 32),
    )
    .addOption(
      new Option('--format <name>', 'how to read a bare file (by its name and content)').choices([
        ...GUEST_FORMATS,
      ]),
    )
    .option('--load <seg:off>', 'where a bare flat file goes (0000:7c00)', segOffValue)
    .option(
      '--iterations <n>',
      "rounds the guest makes, 0 for ever (the guest's own)",
      numberValue('--iterations', 0, 0xffffffff),
    )
    .option(
      '--parameter <n>',
      "the guest's own parameter",
      numberValue('--parameter', 0, 0xffffffff),
    )
    .option('--command-line <text>', 'command line of a DOS program');
}

/** What was asked for about the guest: as the loader takes it, and its devices. */
export interface GuestRequest {
  /** A name, a folder or a file. */
  guest: string;
  load: LoadOptions;
  /** In place of the manifest's devices of the same name, or besides. */
  devices: readonly DeviceSpec[];
}

export function guestRequest(guest: string, options: GuestOptions): GuestRequest {
  const { commandLine, device, format, iterations, load, memory, parameter } = options;
  return {
    guest,
    devices: device ?? [],
    load: {
      ...(memory === undefined ? {} : { memoryBytes: memory }),
      ...(format === undefined ? {} : { format }),
      ...(load === undefined ? {} : { load }),
      ...(iterations === undefined ? {} : { iterations }),
      ...(parameter === undefined ? {} : { parameter }),
      ...(commandLine === undefined ? {} : { commandLine }),
    },
  };
}

export function revisionOption(): Option {
  return new Option('--revision <name>', 'behaviour of the I/O path')
    .choices([...REVISION_NAMES])
    .default('exact');
}

/** @param others - options it cannot go with */
export function bugOption(others: readonly string[] = []): Option {
  return new Option('--bug <id>', "with a defect of the past in it, see 'trapline bugs'")
    .argParser(findBug)
    .conflicts(['revision', ...others]);
}

/** How a run is bounded; null: what the guest's manifest says, else no bound. */
export interface LimitOptions {
  maxInstructions?: number;
  /** Milliseconds. */
  timeout?: number;
}

export function addLimitOptions(command: Command): void {
  command
    .optionsGroup('Limits:')
    .option(
      '--max-instructions <n>',
      'stop after so many guest instructions, exit 4',
      numberValue('--max-instructions', 1),
    )
    .option('--timeout <duration>', 'stop after this time, exit 4', durationValue('--timeout'));
}

/** 32 bits: the same seed gives the same run. */
/** @param start - the default */
export function seedOption(start = 1): Option {
  return new Option('--seed <n>', 'where the checkpoints land')
    .argParser(numberValue('--seed', 0, 0xffffffff))
    .default(start);
}

export const checkpointsValue: (text: string) => number = numberValue('--checkpoints', 1, 2 ** 32);

export function checkpointsOption(count: number): Option {
  return new Option('--checkpoints <n>', 'how many').argParser(checkpointsValue).default(count);
}
