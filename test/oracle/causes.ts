// SPDX-License-Identifier: GPL-2.0-only
// Why a second CPU differs. Every cause is a rule over the two runs, none a list of names; what no rule explains is a
// failure.
import { answersOf, type Case, type Run, sameBytes } from './case.ts';
import type { OracleAccess } from './helper.ts';

/** A difference that is understood. */
export interface Cause {
  /** Whose: ours, Xen's (and therefore ours), KVM's, or no fault of anybody. */
  readonly whose: 'ours' | 'Xen' | 'KVM' | 'nobody';
  readonly text: string;
  /** Counted by itself: no end was reached, or nothing was run. */
  readonly kind: 'differs' | 'gave up' | 'not run';
  readonly explains: (c: Case, theirs: Run) => boolean;
}

const ESP = 4;
const EIP = 8;
const EFLAGS = 9;
const CS = 1;
const HLT = 0xf4;
const PUSHA = 0x60;
const POPA = 0x61;
const POPF = 0x9d;
const ODD_SIZES = [3, 5, 6, 7];
const SS = 2;
/** Where the handler of every vector counts. */
const COUNTER = 0x3000;
/** A process' own selector: entry 1 of its LDT. */
const PROCESS_SELECTOR = 0x0f;

const samePlace = (a: OracleAccess | undefined, b: OracleAccess | undefined): boolean =>
  a !== undefined &&
  b !== undefined &&
  a.read === b.read &&
  a.size === b.size &&
  a.space === b.space &&
  a.at === b.at;
const same = (a: OracleAccess | undefined, b: OracleAccess | undefined): boolean =>
  samePlace(a, b) && a?.data === b?.data;
const sameList = (a: readonly OracleAccess[], b: readonly OracleAccess[]): boolean =>
  a.length === b.length && a.every((access, i) => same(access, b[i]));
const isPrefix = (short: readonly OracleAccess[], long: readonly OracleAccess[]): boolean =>
  short.length <= long.length && short.every((access, i) => same(access, long[i]));

/** Single bytes in order: what is left when accesses are joined or split. */
function bytesOf(accesses: readonly OracleAccess[]): OracleAccess[] {
  return accesses.flatMap(({ size, at, data, ...rest }) =>
    Array.from({ length: size }, (_, i) => ({
      ...rest,
      size: 1,
      at: at + i,
      data: (data >> BigInt(8 * i)) & 0xffn,
    })),
  );
}

/** LES; far CALL and JMP through a constant address, 16- and 32-bit. */
const FAR_POINTERS = [[0xc4], [0xff, 0x1e], [0xff, 0x2e], [0xff, 0x1d], [0xff, 0x2d]];

/** Registers and RAM as here. @param except - addresses that may differ */
function sameEnd({ ours, request }: Case, theirs: Run, except: readonly number[] = []): boolean {
  return (
    theirs.stopped === null &&
    ours.registers.every((value, i) => value === theirs.registers[i]) &&
    sameBytes(ours.ram, theirs.ram, request, except)
  );
}

/** Whether bytes stand one behind the other in the code of a case, which ends with HLT. */
function codeHas({ request }: Case, ...bytes: readonly number[]): boolean {
  const start = (request.segments[CS]?.base ?? 0) + request.rip;
  const code = request.ram.subarray(start, request.ram.indexOf(HLT, start));
  return Buffer.from(code).includes(Buffer.from(bytes));
}

/** The opcode at EIP where a run ended, behind prefixes; 0F and its second byte as 0x0fxx. */
function opcodeAtEnd({ request }: Case, { registers, ram }: Run): number {
  let at = (request.segments[CS]?.base ?? 0) + (registers[EIP] ?? 0);
  while ([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3].includes(ram[at] ?? 0))
    at++;
  const first = ram[at] ?? 0;
  return first === 0x0f ? 0x0f00 | (ram[at + 1] ?? 0) : first;
}

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
  ...(
    [
      ['x87', (opcode) => opcode >= 0xd8 && opcode <= 0xdf],
      ['IRET of protected mode', (opcode, { bits }) => opcode === 0xcf && bits === 32],
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

const MAY_NOT = 'exception 13';
/** INS, OUTS, MOV to a segment register, STI, far CALL and JMP (calls and jumps by a register never fault here), LGDT. */
const PRIVILEGED = [0x6c, 0x6d, 0x6e, 0x6f, 0x8e, 0xfb, 0xff, 0x0f01];

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
      const ours = c.request.segments[SS]?.selector ?? 0;
      const registers = theirs.registers.map((value, i) => {
        const selector = value === PROCESS_SELECTOR && c.ours.registers[i] === ours;
        return i < ESP && selector ? ours : value;
      });
      return sameList(c.ours.accesses, theirs.accesses) && sameEnd(c, { ...theirs, registers });
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
