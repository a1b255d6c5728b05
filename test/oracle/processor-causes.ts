// SPDX-License-Identifier: GPL-2.0-only
// Why the host's processor differs, where the code runs as a part of a process and memory is RAM; and flags that are
// undefined on both.
import { type Case, pagesOf, type Run } from './case.ts';
import {
  type Cause,
  COUNTS,
  codeHas,
  differingBytes,
  EFLAGS,
  EIP,
  ESP,
  opcodeAtEnd,
  operandOf,
  SS,
  sameEnd,
  sameList,
} from './cause.ts';
import type { OracleAccess } from './helper.ts';

/** A process' own selector: entry 1 of its LDT. */
const PROCESS_SELECTOR = 0x0f;
const CS = 1;
const FS = 4;
const MOV_FROM_SEGMENT = 0x8c;
const PUSHF = 0x9c;
const CMPS = [0xa6, 0xa7];
/** Where the handler of page faults puts the error code. */
const ERROR_CODE = 0x3008;
const MAY_NOT = 'exception 13';
/** INS, OUTS, MOV to a segment register, STI, far CALL and JMP (calls and jumps by a register never fault here), LGDT. */
const PRIVILEGED = [0x6c, 0x6d, 0x6e, 0x6f, 0x8e, 0xfb, 0xff, 0x0f01];

// One byte of RAM differs, in these bits only.
function onlyBit(c: Case, theirs: Run, bit: number): boolean {
  const [gpa = -1, ...more] = differingBytes(c, theirs);
  return (
    more.length === 0 &&
    ((c.ours.ram[gpa] ?? 0) ^ (theirs.ram[gpa] ?? 0)) === bit &&
    sameList(c.ours.accesses, theirs.accesses) &&
    sameEnd(c, theirs, [gpa])
  );
}

// Address of the operand of one of these: opcode, and register number in ModRM.
function at(c: Case, ...ops: readonly (readonly [number, number])[]): number {
  const modrm = c.bits === 16 ? 6 : 5;
  return Math.max(...ops.map(([opcode, reg]) => operandOf(c, opcode, (reg << 3) | modrm)));
}

// As if the first element's second operand came before its first; an operand may be several accesses.
function secondOperandFirst(accesses: readonly OracleAccess[]): OracleAccess[] {
  const starts = accesses.flatMap(({ at }, i) => {
    const before = accesses[i - 1];
    return before !== undefined && before.at + before.size === at ? [] : [i];
  });
  const [, second = accesses.length, third = accesses.length] = starts;
  return [...accesses.slice(second, third), ...accesses.slice(0, second), ...accesses.slice(third)];
}

/** Causes of the processor itself, where the code runs as a part of a process and memory is RAM. */
export const PROCESSOR_CAUSES: readonly Cause[] = [
  {
    whose: 'nobody',
    text: 'a process may not: STI, INS and OUTS, LGDT, a selector that is not its own',
    kind: 'not run',
    explains: (c, theirs) => {
      const opcode = opcodeAtEnd(c, theirs);
      return theirs.stopped === MAY_NOT && PRIVILEGED.includes(opcode);
    },
  },
  {
    whose: 'nobody',
    text: 'a selector is read: those of a process are others',
    kind: 'differs',
    explains: (c, theirs) => {
      const [ss, fs] = [SS, FS].map((s) => c.request.segments[s]?.selector ?? 0);
      const registers = theirs.registers.map((value, i) => {
        const selector = value === PROCESS_SELECTOR && c.ours.registers[i] === ss;
        return i < ESP && selector ? (ss ?? 0) : value;
      });
      const stored = differingBytes(c, theirs);
      return (
        stored.every((gpa) => c.ours.ram[gpa] === fs && theirs.ram[gpa] === 0) &&
        stored.length <= (codeHas(c, MOV_FROM_SEGMENT) ? 1 : 0) &&
        sameList(c.ours.accesses, theirs.accesses) &&
        sameEnd(c, { ...theirs, registers }, stored)
      );
    },
  },
  {
    whose: 'nobody',
    text: 'a process may not write through CS',
    kind: 'not run',
    explains: ({ request }, { stopped, registers, ram }) =>
      stopped === MAY_NOT &&
      ram[(request.segments[CS]?.base ?? 0) + (registers[EIP] ?? 0)] === 0x2e,
  },
  COUNTS,
  {
    whose: 'nobody',
    text: 'CMPS: some processors read ES:DI before the other operand',
    kind: 'differs',
    explains: (c, theirs) => {
      const places = (accesses: readonly OracleAccess[]): string =>
        pagesOf(accesses.map(({ at }) => at)).join();
      return (
        CMPS.some((opcode) => codeHas(c, opcode)) &&
        places(theirs.accesses) === places(secondOperandFirst(c.ours.accesses)) &&
        sameEnd(c, theirs)
      );
    },
  },
  {
    whose: 'nobody',
    text: "SMSW: the kernel answers in the processor's place",
    kind: 'not run',
    explains: (c) => [0x26, 0x25].some((modrm) => codeHas(c, 0x0f, 0x01, modrm)),
  },
  {
    whose: 'nobody',
    text: 'PUSHF stores IF, which is on in a process',
    kind: 'differs',
    explains: (c, theirs) => onlyBit(c, theirs, 0x02) && codeHas(c, PUSHF),
  },
  {
    whose: 'ours',
    text: 'RF of the flags that a page fault pushes: set by a processor, not here',
    kind: 'differs',
    explains: (c, theirs) => c.request.cr0 >>> 31 === 1 && onlyBit(c, theirs, 0x01),
  },
  {
    whose: 'ours',
    text: 'page fault of a read-modify-write: to a processor it is a write, here the read comes first',
    kind: 'differs',
    explains: (c, theirs) => {
      // Where the handler puts the error code, and on the stack.
      const differing = differingBytes(c, theirs);
      return (
        differing.includes(ERROR_CODE) &&
        differing.length <= 2 &&
        differing.every((gpa) => c.ours.ram[gpa] === 0 && theirs.ram[gpa] === 2) &&
        sameList(c.ours.accesses, theirs.accesses) &&
        sameEnd(c, theirs, differing)
      );
    },
  },
  {
    whose: 'ours',
    text: 'an SSE operand of 16 bytes that is not aligned: a processor raises #GP',
    kind: 'differs',
    explains: (c, theirs) => theirs.stopped === MAY_NOT && opcodeAtEnd(c, theirs) === 0x0ffe,
  },
  {
    whose: 'ours',
    text: 'code runs on behind FFFF at 0: a processor raises #GP there',
    kind: 'differs',
    explains: ({ bits }, { stopped, registers }) =>
      bits === 16 && stopped === MAY_NOT && registers[EIP] === 0x10000,
  },
  {
    whose: 'ours',
    text: 'FBLD and FBSTP: ten accesses of a byte, the last one first',
    kind: 'differs',
    explains: (c, theirs) =>
      at(c, [0xdf, 4], [0xdf, 6]) >= 0 &&
      c.ours.accesses.every(({ size }) => size === 1) &&
      sameEnd(c, theirs),
  },
  {
    whose: 'ours',
    text: 'FLDENV reads control, status and tags; a processor reads the whole environment',
    kind: 'differs',
    explains: (c, theirs) =>
      at(c, [0xd9, 4]) >= 0 && c.ours.accesses.every(({ read }) => read) && sameEnd(c, theirs),
  },
  {
    whose: 'nobody',
    text: 'FNSTENV and FNSAVE: reserved words are ones, and pointers to the last instruction are lost to signals',
    kind: 'differs',
    explains: (c, theirs) => {
      const from = at(c, [0xd9, 6], [0xdd, 6]);
      const differing = differingBytes(c, theirs);
      const unlike = (offset: number): boolean =>
        c.bits === 16
          ? offset >= 6 && offset < 14
          : offset < 28 && (offset >= 12 || offset % 4 > 1);
      return (
        from >= 0 &&
        differing.every((gpa) => gpa >= from && unlike(gpa - from)) &&
        sameList(c.ours.accesses, theirs.accesses) &&
        sameEnd(c, theirs, differing)
      );
    },
  },
];

/** Flags that an instruction leaves undefined, by the case's name; only looked at where they differ. */
const UNDEFINED: readonly [RegExp, number, string][] = [
  [/\bbt[src]?\b/, 0x894, 'BT, BTS, BTR, BTC: OF, SF, AF and PF'],
  [/\b(and|or|xor|test)\b/, 0x010, 'AND, OR, XOR, TEST: AF'],
  [/\bi?mul\b/, 0x0d4, 'IMUL, MUL: SF, ZF, AF and PF'],
];

/** The two runs are equal but for undefined flags. */
export const UNDEFINED_FLAGS: Cause = {
  whose: 'nobody',
  text: 'flags that the instruction leaves undefined',
  kind: 'differs',
  explains: (c, theirs) => {
    const mask = UNDEFINED.reduce((all, [name, bits]) => (name.test(c.name) ? all | bits : all), 0);
    const esp = theirs.registers[ESP] ?? 0;
    const flags = (run: Run): number => (run.registers[EFLAGS] ?? 0) & ~mask;
    // PUSHFD at the end of every case stores them, too.
    const pushed = (run: Run): number =>
      (new DataView(run.ram.buffer, run.ram.byteOffset).getUint32(esp & 0xfffc, true) & ~mask) >>>
      0;
    const registers = theirs.registers.with(EFLAGS, c.ours.registers[EFLAGS] ?? 0);
    return (
      mask !== 0 &&
      flags(c.ours) === flags(theirs) &&
      pushed(c.ours) === pushed(theirs) &&
      sameList(c.ours.accesses, theirs.accesses) &&
      sameEnd(c, { ...theirs, registers }, [esp, esp + 1, esp + 2, esp + 3])
    );
  },
};
