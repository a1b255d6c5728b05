// SPDX-License-Identifier: GPL-2.0-only
// Options of a PC: which BIOS, what lies in its drives, its clock and its serial line.
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Command } from 'commander';
import { Option } from 'commander';
import type { LoadOptions } from '../machine/loader.ts';
import type { PcRequest } from '../machine/pc/request.ts';
import type { ScriptStep } from '../machine/pc/script.ts';
import { HvmError } from '../util/errors.ts';
import { type GuestOptions, type GuestRequest, guestRequest } from './options.ts';

export interface PcFlags {
  machine: 'auto' | 'pc' | 'bare';
  bios?: string;
  vgabios?: string;
  floppy?: string[];
  disk?: string[];
  writable?: boolean;
  /** Seconds since 1970. */
  rtc?: number;
  dir?: string;
  env?: string[];
}

/** Seconds since 1970 of `2020-01-01T12:00:00`, which is the guest's local time. */
function clockValue(text: string): number {
  const shaped = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(text);
  const ms = shaped ? Date.parse(`${text}Z`) : Number.NaN;
  if (!Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text)) return ms / 1000;
  throw new HvmError('HVM_USAGE', `--rtc '${text}': expected a date (form: 2020-01-01T12:00:00)`);
}

const several = (text: string, before: string[] = []): string[] => [...before, text];

export function addPcOptions(command: Command): void {
  command
    .optionsGroup('PC:')
    .addOption(
      new Option('--machine <kind>', 'auto: a bare file that a PC boots runs on one')
        .choices(['auto', 'pc', 'bare'])
        .default('auto'),
    )
    .option('--bios <name>', "builtin, seabios (Debian's package), or a file (builtin)")
    .option('--vgabios <file>', 'a VGA BIOS at C0000 (SeaBIOS brings its own)')
    .option('--floppy <file>', 'an image in the next drive, A first; repeatable', several)
    .option('--disk <file>', 'an image of a hard disk; repeatable', several)
    .option('--dir <folder>', 'drive C of a DOS program (an empty one); see --writable')
    .option('--env <name=value>', 'in its environment; repeatable', several)
    .option('--writable', 'what the guest wrote goes into images and --dir when the run ends')
    .option('--rtc <time>', 'local time at power-on (2020-01-01T12:00:00)', clockValue);
}

/** The part of `LoadOptions` about the PC. @throws HvmError HVM_USAGE for options that contradict each other */
function pcLoad(flags: PcFlags, devices: number, script: readonly ScriptStep[]): LoadOptions {
  const { machine, bios, vgabios, floppy, disk, writable, rtc, dir, env } = flags;
  const pc: PcRequest = {
    ...(bios === undefined ? {} : { bios }),
    ...(vgabios === undefined ? {} : { vgaBios: vgabios }),
    ...(floppy === undefined ? {} : { floppies: floppy }),
    ...(disk === undefined ? {} : { disks: disk }),
    ...(writable === undefined ? {} : { writable }),
    ...(rtc === undefined ? {} : { startSeconds: rtc }),
    ...(dir === undefined ? {} : { dir }),
    ...(env === undefined ? {} : { environment: env }),
    ...(script.length === 0 ? {} : { script }),
  };
  const asked = Object.keys(pc).length > 0;
  if (machine === 'bare' && asked) {
    throw new HvmError('HVM_USAGE', `--machine bare with options of a PC: expected neither or pc`);
  }
  if (machine === 'auto' && !asked && devices > 0) return {};
  if (machine === 'bare') return {};
  return { machine, ...(asked || machine === 'pc' ? { pc } : {}) };
}

/** `guestRequest()` of a command that may run its guest on a PC. */
export function pcGuestRequest(
  guest: string,
  options: GuestOptions & PcFlags,
  script: readonly ScriptStep[] = [],
): GuestRequest {
  const asked = guestRequest(guest, options);
  return {
    ...asked,
    load: { ...asked.load, ...pcLoad(options, asked.devices.length, script) },
  };
}

/** Options of a PC that runs by itself, rather than under checkpoints. */
export interface PcRunFlags {
  serial: string;
  time: 'virtual' | 'real';
}

export function addPcRunOptions(command: Command): void {
  command
    .option('--serial <where>', 'COM1: stdio, file:PATH or null', 'stdio')
    .addOption(
      new Option('--time <how>', "real: the guest's time keeps step with the host's")
        .choices(['virtual', 'real'])
        .default('virtual'),
    );
}

/** Where COM1 goes; null: to the terminal. Close it at the end. */
export interface SerialSink extends Disposable {
  put(byte: number): void;
}

/** @throws HvmError HVM_USAGE, HVM_OUTPUT */
export function openSerial(where: string): SerialSink | null {
  if (where === 'stdio') return null;
  if (where === 'null') return { put: () => {}, [Symbol.dispose]: () => {} };
  if (!where.startsWith('file:') || where.length === 5) {
    throw new HvmError('HVM_USAGE', `--serial '${where}': expected stdio, file:PATH or null`);
  }
  const path = where.slice(5);
  let file: number;
  try {
    file = openSync(path, 'w');
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new HvmError('HVM_OUTPUT', `cannot write ${path}: ${why}`, { cause });
  }
  const byte = new Uint8Array(1);
  return {
    put(value) {
      byte[0] = value;
      writeSync(file, byte);
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}
