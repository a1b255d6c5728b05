// SPDX-License-Identifier: GPL-2.0-only
// What a cause of a difference is, and what the rules are made of. Every cause is a rule over the two runs, none a list
// of names; what no rule explains is a failure.
import { type Case, type Run, sameBytes } from './case.ts';
import type { OracleAccess, OracleRange } from './helper.ts';

/** A difference that is understood. */
export interface Cause {
  /** Whose: ours, Xen's (and therefore ours), KVM's, or no fault of anybody. */
  readonly whose: 'ours' | 'Xen' | 'KVM' | 'nobody';
  readonly text: string;
  /** Counted by itself: no end was reached, or nothing was run. */
  readonly kind: 'differs' | 'gave up' | 'not run';
  readonly explains: (c: Case, theirs: Run) => boolean;
}

export const ESP = 4;
export const EIP = 8;
export const EFLAGS = 9;
const CS = 1;
const HLT = 0xf4;
export const SS = 2;

export const samePlace = (a: OracleAccess | undefined, b: OracleAccess | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.read === b.read &&
  a.size === b.size &&
  a.space === b.space &&
  a.at === b.at;
export const same = (a: OracleAccess | undefined, b: OracleAccess | undefined): boolean =>
  samePlace(a, b) && a?.data === b?.data;
export const sameList = (a: readonly OracleAccess[], b: readonly OracleAccess[]): boolean =>
  a.length === b.length && a.every((access, i) => same(access, b[i]));
export const isPrefix = (short: readonly OracleAccess[], long: readonly OracleAccess[]): boolean =>
  short.length <= long.length && short.every((access, i) => same(access, long[i]));

/** Single bytes in order: what is left when accesses are joined or split. */
export function bytesOf(accesses: readonly OracleAccess[]): OracleAccess[] {
  return accesses.flatMap(({ size, at, data, ...rest }) =>
    Array.from({ length: size }, (_, i) => ({
      ...rest,
      size: 1,
      at: at + i,
      data: (data >> BigInt(8 * i)) & 0xffn,
    })),
  );
}

/** Registers and RAM as here. @param except - addresses that may differ */
export function sameEnd(
  { ours, request }: Case,
  theirs: Run,
  except: readonly number[] = [],
): boolean {
  return (
    theirs.stopped === null &&
    ours.registers.every((value, i) => value === theirs.registers[i]) &&
    sameBytes(ours.ram, theirs.ram, request, except)
  );
}

/** Whether bytes stand one behind the other in the code of a case, which ends with HLT. */
export function codeHas({ request }: Case, ...bytes: readonly number[]): boolean {
  const start = (request.segments[CS]?.base ?? 0) + request.rip;
  const code = request.ram.subarray(start, request.ram.indexOf(HLT, start));
  return Buffer.from(code).includes(Buffer.from(bytes));
}

/** The opcode at EIP where a run ended, behind prefixes; 0F and its second byte as 0x0fxx. */
export function opcodeAtEnd({ request }: Case, { registers, ram }: Run): number {
  let at = (request.segments[CS]?.base ?? 0) + (registers[EIP] ?? 0);
  while ([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3].includes(ram[at] ?? 0))
    at++;
  const first = ram[at] ?? 0;
  return first === 0x0f ? 0x0f00 | (ram[at + 1] ?? 0) : first;
}

/** Where RAM differs. */
export function differingBytes({ ours, request }: Case, theirs: Run): number[] {
  const all: number[] = [];
  for (let gpa = 0; gpa < ours.ram.length; gpa++) {
    const device = ({ space, start, end }: OracleRange): boolean =>
      space === 'mmio' && gpa >= start && gpa <= end;
    if (ours.ram[gpa] !== theirs.ram[gpa] && !request.ranges.some(device)) all.push(gpa);
  }
  return all;
}

/** The constant address of the first instruction with these opcode bytes, the last one its ModRM byte; or -1. */
export function operandOf({ bits, request }: Case, ...bytes: readonly number[]): number {
  const start = (request.segments[CS]?.base ?? 0) + request.rip;
  const code = Buffer.from(request.ram.subarray(start, start + 256));
  const at = code.indexOf(Buffer.from(bytes));
  if (at === -1) return -1;
  return bits === 16 ? code.readUInt16LE(at + bytes.length) : code.readUInt32LE(at + bytes.length);
}

/** RDTSC counts instructions here: a cell that looks at the count says nothing about another CPU. */
export const COUNTS: Cause = {
  whose: 'nobody',
  text: 'asks RDTSC for the number of instructions',
  kind: 'not run',
  explains: (c) => codeHas(c, 0x0f, 0x31),
};
