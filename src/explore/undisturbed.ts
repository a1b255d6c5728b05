// SPDX-License-Identifier: GPL-2.0-only
// The record of a guest that nobody interferes with: see reference.ts, which makes it.
import type { ScriptInsn } from '../cpu/script.ts';
import type { AccessEvent } from '../dm/request.ts';

export interface Reference {
  /** By vCPU: its instructions, for a scripted CPU. */
  readonly scripts: readonly (readonly ScriptInsn[])[];
  /** By vCPU: values its guest gets, in order. */
  readonly answers: readonly (readonly number[])[];
  /** By device model: each access it sees, in words. */
  readonly accesses: readonly (readonly string[])[];
}

/** One access of a device model, in words. */
export function accessWords({ space, addr, size, dir, data, dataHi }: AccessEvent): string {
  const what = dir === 1 ? 'read' : 'write';
  const where = `${space === 'pio' ? 'port' : 'memory'} 0x${addr.toString(16)}`;
  const high = size === 8 ? `, high half 0x${dataHi.toString(16)}` : '';
  return `${what} of ${size} at ${where}: 0x${data.toString(16)}${high}`;
}
