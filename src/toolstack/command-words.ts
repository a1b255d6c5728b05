// SPDX-License-Identifier: GPL-2.0-only
// Options as words of a command line, quoted where a shell wants it.
import type { DeviceSpec } from '../dm/registry.ts';
import type { LoadOptions } from '../machine/loader.ts';

/** Quoted for a shell if it needs to be. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** An option that takes a value; nothing without one. */
export function word(name: string, value: string | number | null | undefined): string[] {
  return value === undefined || value === null ? [] : [`--${name} ${shellWord(String(value))}`];
}

export function deviceWords(devices: readonly DeviceSpec[]): string[] {
  return devices.flatMap(({ factory, range }) => {
    const space = range.space === 'mmio' ? 'mmio:' : '';
    const [start, end] = [range.start, range.end].map((at) => at.toString(16));
    return word('device', `${factory.name}@${space}0x${start}-0x${end}`);
  });
}

/** How the guest is loaded, but for what makes it a PC: see `pcWords()`. */
export function loadWords(options: LoadOptions): string[] {
  const { memoryBytes, format, load, iterations, parameter, commandLine } = options;
  return [
    ...word('memory', memoryBytes),
    ...word('format', format),
    ...word('load', load && `${load.seg.toString(16)}:${load.off.toString(16)}`),
    ...word('iterations', iterations),
    ...word('parameter', parameter),
    ...word('command-line', commandLine),
  ];
}
