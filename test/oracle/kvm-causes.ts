// SPDX-License-Identifier: GPL-2.0-only
// Why KVM differs, where its instruction emulator executes the code.
import { answersOf, type Case, type Run } from './case.ts';
import {
  bytesOf,
  type Cause,
  COUNTS,
  codeHas,
  EIP,
  isPrefix,
  opcodeAtEnd,
  operandOf,
  same,
  sameEnd,
  sameList,
  samePlace,
} from './cause.ts';
import type { OracleAccess } from './helper.ts';

const PUSHA = 0x60;
const POPA = 0x61;
const POPF = 0x9d;
const ODD_SIZES = [3, 5, 6, 7];
/** Where the handler of every vector counts. */
const COUNTER = 0x3000;

/** LES; far CALL and JMP through a constant address, 16- and 32-bit. */
const FAR_POINTERS = [[0xc4], [0xff, 0x1e], [0xff, 0x2e], [0xff, 0x1d], [0xff, 0x2d]];

const givesUp =
  (isIt: (opcode: number, c: Case) => boolean) =>
  (c: Case, theirs: Run): boolean =>
    (theirs.stopped === 'cannot emulate it' || theirs.stopped === 'it runs for ever') &&
    isPrefix(theirs.accesses, c.ours.accesses) &&
    isIt(opcodeAtEnd(c, theirs), c);

/** Causes of KVM, the first that explains a difference counts. */
export const KVM_CAUSES: readonly Cause[] = [
  {
    whose: 'Xen',
    text: "CMPXCHG that finds another value: the processor writes the value found back, Xen's emulator does not",
    kind: 'differs',
    explains: (c, theirs) => {
      const answers = answersOf(c.request, theirs.accesses);
      const found = new Map<number, bigint>();
      const kept = theirs.accesses.filter(({ read, at, size, data }, i) => {
        if (read) found.set(at, (answers[i] ?? 0n) & ((1n << BigInt(8 * size)) - 1n));
        return read || found.get(at) !== data;
      });
      return (
        [0xb0, 0xb1, 0xc7].some((opcode) => codeHas(c, 0x0f, opcode)) &&
        kept.length < theirs.accesses.length &&
        sameList(kept, c.ours.accesses) &&
        sameEnd(c, theirs)
      );
    },
  },
  {
    whose: 'KVM',
    text: 'far pointer: read as one access, offset and selector',
    kind: 'differs',
    explains: (c, theirs) => {
      const [first, second] = c.ours.accesses;
      const [joined] = theirs.accesses;
      return (
        FAR_POINTERS.some((bytes) => codeHas(c, ...bytes)) &&
        first?.read === true &&
        second?.read === true &&
        second.size === 2 &&
        second.at === first.at + first.size &&
        joined?.read === true &&
        joined.at === first.at &&
        joined.size === first.size + second.size
      );
    },
  },
  {
    whose: 'Xen',
    text: 'three, five, six or seven bytes left over by a page end: sent as powers of two; KVM makes one access',
    kind: 'differs',
    explains: ({ ours }, theirs) => {
      const places = (run: Run): string =>
        bytesOf(run.accesses)
          .map(({ read, space, at }) => `${read} ${space} ${at}`)
          .join();
      return (
        theirs.stopped === null &&
        theirs.accesses.some(({ size }) => ODD_SIZES.includes(size)) &&
        ours.accesses.every(({ size }) => !ODD_SIZES.includes(size)) &&
        places(ours) === places(theirs)
      );
    },
  },
  {
    whose: 'KVM',
    text: 'REP INS: reads ahead and writes the elements as one access',
    kind: 'differs',
    explains: (c, theirs) => {
      const part = (run: Run, space: OracleAccess['space']): OracleAccess[] =>
        bytesOf(run.accesses.filter((access) => access.space === space));
      return (
        (codeHas(c, 0xf3, 0x6c) || codeHas(c, 0xf3, 0x6d)) &&
        theirs.accesses.length < c.ours.accesses.length &&
        sameList(part(c.ours, 'pio'), part(theirs, 'pio')) &&
        part(c.ours, 'mmio').every(({ read }) => !read) &&
        part(c.ours, 'mmio')
          .map(({ at }) => at)
          .join() ===
          part(theirs, 'mmio')
            .map(({ at }) => at)
            .join()
      );
    },
  },
  {
    whose: 'KVM',
    text: 'REP INS of words over the end of a segment: reads ahead as many elements as there are bytes to the page end, and faults when it stores them',
    kind: 'differs',
    explains: ({ bits, ours, request }, theirs) =>
      theirs.stopped !== null &&
      bits === 16 &&
      ours.accesses.every(({ read, space, size }) => read && space === 'pio' && size > 1) &&
      [0xffff, 0].every((gpa) => ours.ram[gpa] !== request.ram[gpa]) &&
      samePlace(ours.accesses[0], theirs.accesses[0]),
  },
  {
    whose: 'KVM',
    text: 'several device writes of one instruction: the last is made, the others are dropped',
    kind: 'differs',
    explains: (c, theirs) =>
      codeHas(c, PUSHA) &&
      c.ours.accesses.length > theirs.accesses.length &&
      theirs.accesses.length === 1 &&
      c.ours.accesses.every(({ read }) => !read) &&
      same(theirs.accesses[0], c.ours.accesses.at(-1)) &&
      sameEnd(c, theirs),
  },
  {
    whose: 'KVM',
    text: 'POPA: ESP moves every time the instruction is started again for an answer',
    kind: 'differs',
    explains: (c, theirs) => {
      const { accesses } = c.ours;
      const off = theirs.accesses.map(({ at }, i) => at - (accesses[i]?.at ?? 0));
      return (
        codeHas(c, POPA) &&
        off.length === accesses.length &&
        theirs.accesses.every((a, i) => a.read && a.size === accesses[i]?.size) &&
        off[0] === 0 &&
        off.every((value, i) => value >= (off[i - 1] ?? 0))
      );
    },
  },
  {
    whose: 'KVM',
    text: 'single step: no trap behind an instruction that device memory answered, one for all elements of a REP',
    kind: 'differs',
    explains: (c, theirs) =>
      codeHas(c, POPF) &&
      sameList(c.ours.accesses, theirs.accesses) &&
      sameEnd(c, theirs, [COUNTER]) &&
      (theirs.ram[COUNTER] ?? 0) < (c.ours.ram[COUNTER] ?? 0),
  },
  COUNTS,
  {
    whose: 'ours',
    text: 'code runs on behind FFFF at 0: a processor raises #GP there',
    kind: 'differs',
    explains: (c, theirs) => {
      const stack = [1, 2, 3, 4, 5, 6].map((n) => 0x7000 - n);
      const handled = (run: Run): number => run.ram[COUNTER] ?? 0;
      return (
        c.bits === 16 &&
        c.ours.ram[0xffff] !== c.request.ram[0xffff] &&
        handled(theirs) === ((handled(c.ours) + 1) & 0xff) &&
        sameList(c.ours.accesses, theirs.accesses) &&
        sameEnd(c, theirs, [COUNTER, ...stack])
      );
    },
  },
  {
    whose: 'KVM',
    text: 'FNSTCW: the control word of FNINIT, not that of power-on which the machine has',
    kind: 'differs',
    explains: (c, theirs) => {
      const at = Math.max(operandOf(c, 0xd9, 0x3e), operandOf(c, 0xd9, 0x3d));
      const of = (run: Run, i: number): number | undefined => {
        const found = run.accesses.find((a) => a.at <= at + i && at + i < a.at + a.size);
        return found === undefined
          ? run.ram[at + i]
          : Number((found.data >> BigInt(8 * (at + i - found.at))) & 0xffn);
      };
      return (
        at >= 0 &&
        [0x40, 0].every((value, i) => of(c.ours, i) === value) &&
        [0x7f, 3].every((value, i) => of(theirs, i) === value) &&
        theirs.accesses.length === c.ours.accesses.length &&
        theirs.accesses.every((access, i) => samePlace(access, c.ours.accesses[i])) &&
        sameEnd(c, theirs, [at, at + 1])
      );
    },
  },
  {
    whose: 'KVM',
    text: 'here runs nothing with page tables of 32-bit mode: a triple fault before the first instruction',
    kind: 'gave up',
    explains: ({ request }, theirs) =>
      request.cr0 >>> 31 === 1 &&
      theirs.stopped === 'triple fault' &&
      theirs.accesses.length === 0 &&
      theirs.registers[EIP] === request.rip &&
      theirs.ram.every((byte, gpa) => byte === request.ram[gpa]),
  },
  ...(
    [
      ['x87', (opcode) => opcode >= 0xd8 && opcode <= 0xdf],
      ['BOUND', (opcode) => opcode === 0x62],
      ['ENTER onto a device', (opcode) => opcode === 0xc8],
      ['SGDT, LGDT', (opcode) => opcode === 0x0f01],
      ['an MMX, SSE or other instruction of two bytes', (opcode) => opcode >= 0x0f00],
      ['another instruction', () => true],
    ] satisfies [string, (opcode: number, c: Case) => boolean][]
  ).map(
    ([what, isIt]): Cause => ({
      whose: 'KVM',
      text: `cannot emulate ${what}`,
      kind: 'gave up',
      explains: givesUp(isIt),
    }),
  ),
];
