// SPDX-License-Identifier: GPL-2.0-only
// One repetition of INS, OUTS, MOVS or STOS as its device accesses, for the scripted CPU.
import type { GuestRam } from '../mem/guest-ram.ts';
import type { StringOp } from '../xen/hvm/x86_emulate.ts';
import type { ScriptAccess } from './script.ts';

const PAGE = 4096;

/** Whether an address is a device's. */
export type IsDevice = (gpa: number) => boolean;

/**
 * The device accesses of one element; what it loads from memory is in its writes. What a read gets is put into the
 * writes behind it by `carry()`.
 */
export function elementAccesses(
  op: StringOp,
  eax: number,
  ram: GuestRam,
  isDevice: IsDevice,
): ScriptAccess[] {
  const { size } = op;
  const source = op.srcBase + op.srcIndex;
  const target = op.dstBase + op.dstIndex;
  const port = (dir: 0 | 1, data: number): ScriptAccess => ({
    is_pio: true,
    dir,
    size,
    gpa: op.port,
    gla: op.port,
    data,
    data_hi: 0,
  });
  switch (op.op) {
    case 'ins':
      return [port(1, 0), ...memory(0, target, size, 0, isDevice)];
    case 'outs':
      if (isDevice(source)) return [...memory(1, source, size, 0, isDevice), port(0, 0)];
      return [port(0, ram.read(source, size))];
    case 'movs': {
      const reads = memory(1, source, size, 0, isDevice);
      const data = reads.length === 0 ? ram.read(source, size) : 0;
      return [...reads, ...memory(0, target, size, data, isDevice)];
    }
    default:
      return memory(0, target, size, eax, isDevice);
  }
}

/** Accesses of a device operand, cut at page ends; none for RAM. */
function memory(
  dir: 0 | 1,
  gla: number,
  size: number,
  data: number,
  isDevice: IsDevice,
): ScriptAccess[] {
  const pieces: ScriptAccess[] = [];
  for (let at = 0; at < size; ) {
    const gpa = gla + at;
    const length = Math.min(size - at, PAGE - (gpa % PAGE));
    if (isDevice(gpa)) {
      const value = (data >>> (8 * at)) >>> 0;
      pieces.push({
        is_pio: false,
        dir,
        size: length,
        gpa,
        gla: gpa,
        data: cut(value, length),
        data_hi: 0,
      });
    }
    at += length;
  }
  return pieces;
}

/** What was read goes into the writes of the same element. @returns the value read, all pieces together */
export function carry(accesses: readonly ScriptAccess[], answers: readonly number[]): number {
  let value = 0;
  let at = 0;
  accesses.forEach(({ dir, size }, i) => {
    if (dir !== 1) return;
    value |= cut(answers[i] ?? 0, size) << (8 * at);
    at += size;
  });
  if (at === 0) return 0;
  at = 0;
  for (const access of accesses) {
    if (access.dir === 1) continue;
    access.data = cut(value >>> (8 * at), access.size);
    at += access.size;
  }
  return value >>> 0;
}

function cut(value: number, size: number): number {
  return (size < 4 ? value & ((1 << (8 * size)) - 1) : value) >>> 0;
}
