// SPDX-License-Identifier: GPL-2.0-only
// Why a test differs. A cause is proved by running the test once more without it, never taken from what failed.
import { finalRegisters, ioOf } from './bus.ts';
import type { MooState, MooTest, RegisterName } from './moo.ts';
import type { Outcome, SstCpu } from './sst-cpu.ts';

/** Causes by name. Several at once are joined by ` + `. */
export const CAUSES = {
  lock: 'LOCK where it is not allowed: a 286 ignores it, a 386 and later raise #UD; without the prefix the test passes',
  'stack-fault':
    'beyond the end of the stack segment: a 286 raises #GP, a 386 and later raise #SS; with the vector of #GP in the place of that of #SS the test passes',
  'string-moved':
    'a string instruction that faults: a 286 has moved SI or DI by one element, CX by up to two, and has asked the port, a 386 and later have not; nothing else differs',
  'pop-moved':
    'POP to a word at offset FFFF: a 286 has moved SP when it raises #GP, a 386 and later have not; with SP moved before the test passes',
  long: 'more than 10 bytes: a 286 raises #GP, a 386 and later allow 15; with #GP delivered the test passes',
  '386': 'MOV from or to FS or GS: a 286 raises #UD; with #UD delivered the test passes',
  '287': 'an x87 instruction: a 286 sends it through the ports F8h and FCh; nothing else differs',
  'aam-0': 'AAM 0: before #DE a 286 makes SF, ZF and PF anew; nothing else differs',
  'idiv-80':
    'IDIV whose quotient does not fit: a 286 may leave 80h where it and all others raise #DE',
  'bad-record':
    'the record contradicts itself: SS is pushed for CS, half a vector is read, or AX is not what OUT writes',
  unexplained: 'none of these',
} as const;
export type Cause = keyof typeof CAUSES;

const LOCK = 0xf0;
const GENERAL_PROTECTION = 13;
const STACK_FAULT = 12;
const INVALID_OPCODE = 6;
const DIVIDE_ERROR = 0;
const LONGEST_OF_286 = 10;
const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0xf2, 0xf3, LOCK]);

/** The causes of an outcome that is not as recorded. */
export function causesOf(
  cpu: SstCpu,
  test: MooTest,
  outcome: Outcome,
  flagsMask: number,
): readonly Cause[] {
  // Nothing is known of a 386 that is not as here.
  if (test.cpu.startsWith('386')) return ['unexplained'];
  const limit = test.exception?.vector === GENERAL_PROTECTION;
  const long = lengthOf(test) > LONGEST_OF_286;
  if (limit && long && passesWith(cpu, test, flagsMask, GENERAL_PROTECTION)) return ['long'];
  if (readsHalfAVector(test)) return ['bad-record'];
  const locks = prefixesOf(test).filter((byte) => byte === LOCK).length;
  if (locks > 0 && cpu.faultOf(test) === INVALID_OPCODE) {
    const plain = withoutLock(test, locks);
    const again = cpu.run(plain, flagsMask);
    return [
      'lock',
      ...(again.differences.length === 0 ? [] : causesOf(cpu, plain, again, flagsMask)),
    ];
  }
  if (limit) {
    const swapped = withGpForSs(test);
    const again = cpu.run(swapped, flagsMask);
    // Only where the vector of #SS was looked at is anything different now.
    const ss: readonly Cause[] =
      again.end !== outcome.end || again.differences.join() !== outcome.differences.join()
        ? ['stack-fault']
        : [];
    if (ss.length > 0 && again.differences.length === 0) return ss;
    if (movesOneElement(swapped, again)) return [...ss, 'string-moved'];
    const popped = withSpMoved(swapped);
    if (popped !== null && cpu.run(popped, flagsMask).differences.length === 0)
      return [...ss, 'pop-moved'];
  }
  if (movesSelectorOf386(test) && passesWith(cpu, test, flagsMask, INVALID_OPCODE)) return ['386'];
  if (isEsc(test) && goesTo287(test, cpu.runWithoutLimits(test, flagsMask))) return ['287'];
  if (opcodeOf(test)[0] === 0xd4 && opcodeOf(test)[1] === 0 && onlyFlags(test, outcome))
    return ['aam-0'];
  if (leavesQuotient80(test) && cpu.faultOf(test) === DIVIDE_ERROR) return ['idiv-80'];
  if (pushesSsForCs(test, outcome) || writesOtherThanAx(test, outcome)) return ['bad-record'];
  return ['unexplained'];
}

function passesWith(cpu: SstCpu, test: MooTest, flagsMask: number, fault: number): boolean {
  return cpu.run(test, flagsMask, fault).differences.length === 0;
}

function prefixesOf({ bytes }: MooTest): readonly number[] {
  const end = bytes.findIndex((byte) => !PREFIXES.has(byte));
  return [...bytes.subarray(0, end)];
}

/** The same test with its LOCK prefixes taken out: it begins as many bytes later and ends at the same place. */
export function withoutLock(test: MooTest, locks: number): MooTest {
  const { cs = 0, ip = 0, ss = 0, sp = 0 } = test.initial.regs;
  const kept = prefixesOf(test).filter((byte) => byte !== LOCK);
  const start = ip + locks;
  const ram = [...test.initial.ram, ...kept.flatMap((byte, i) => [cs * 16 + start + i, byte])];
  const initial: MooState = { regs: { ...test.initial.regs, ip: start }, ram };
  let { final } = test;
  const faulted = test.exception !== null && !isInt(test);
  if (faulted) {
    // A fault pushes the address of its instruction, prefixes included.
    const at = (offset: number): number => ss * 16 + ((sp - offset) & 0xffff);
    final = { ...final, ram: [...final.ram, at(6), start & 0xff, at(5), start >>> 8] };
  }
  return { ...test, bytes: Uint8Array.of(...kept, ...opcodeOf(test)), initial, final };
}

/** The same test with the vector of #GP in both places. */
function withGpForSs(test: MooTest): MooTest {
  const { ram } = test.initial;
  const vector = [...ram.keys()].filter(
    (i) => i % 2 === 0 && (ram[i] ?? 0) >>> 2 === GENERAL_PROTECTION,
  );
  const copies = vector.flatMap((i) => [
    (ram[i] ?? 0) - 4 * (GENERAL_PROTECTION - STACK_FAULT),
    ram[i + 1] ?? 0,
  ]);
  return { ...test, initial: { ...test.initial, ram: [...ram, ...copies] } };
}

/** The same test with SP behind the word that it pops to memory; null if it is no such test. */
function withSpMoved(test: MooTest): MooTest | null {
  if (opcodeOf(test)[0] !== 0x8f) return null;
  const { regs } = test.initial;
  return {
    ...test,
    initial: { ...test.initial, regs: { ...regs, sp: ((regs.sp ?? 0) + 2) & 0xffff } },
  };
}

function opcodeOf(test: MooTest): Uint8Array {
  return test.bytes.subarray(prefixesOf(test).length);
}
/** Without the HLT behind it. Of C7 with a group member that does not exist the file has no operands. */
function lengthOf(test: MooTest): number {
  const [opcode, modrm = 0] = opcodeOf(test);
  const missing = opcode === 0xc7 && (modrm & 0x38) !== 0 && test.name === '(bad)';
  const mod = modrm >> 6;
  const displacement = mod === 2 || (mod === 0 && (modrm & 7) === 6) ? 2 : mod === 1 ? 1 : 0;
  return missing ? prefixesOf(test).length + 2 + displacement + 2 : test.bytes.length - 1;
}
function isEsc(test: MooTest): boolean {
  return ((opcodeOf(test)[0] ?? 0) & 0xf8) === 0xd8;
}
/** SF, ZF and PF, in the register and as pushed. */
function onlyFlags({ exception }: MooTest, { differences }: Outcome): boolean {
  const at = `[${exception?.flagsAt.toString(16)}] `;
  return (
    exception?.vector === DIVIDE_ERROR &&
    differences.every((line) => {
      const [, have = '', want = ''] = /^(?:flags|\[.*\]) (.*), not (.*)$/.exec(line) ?? [];
      const unlike = Number.parseInt(have, 16) ^ Number.parseInt(want, 16);
      return (line.startsWith('flags ') || line.startsWith(at)) && (unlike & ~0x8d5) === 0;
    })
  );
}
function leavesQuotient80(test: MooTest): boolean {
  const [opcode, modrm = 0] = opcodeOf(test);
  const al = (finalRegisters(test).ax ?? 0) & 0xff;
  return opcode === 0xf6 && (modrm & 0x38) === 0x38 && test.exception === null && al === 0x80;
}
/** OUT of AX: ours is the AX of the record, the bus has another value. */
function writesOtherThanAx(test: MooTest, { differences, io }: Outcome): boolean {
  const opcode = opcodeOf(test)[0];
  const word = `.2=${(test.initial.regs.ax ?? 0).toString(16)}`;
  return (
    (opcode === 0xe7 || opcode === 0xef) &&
    differences.length === 1 &&
    io.length === 1 &&
    (io[0] ?? '').endsWith(word)
  );
}
/** INT3, INT n, INTO. */
function isInt(test: MooTest): boolean {
  return [0xcc, 0xcd, 0xce].includes(opcodeOf(test)[0] ?? 0);
}
function movesSelectorOf386(test: MooTest): boolean {
  const [opcode, modrm = 0] = opcodeOf(test);
  return (opcode === 0x8c || opcode === 0x8e) && (modrm & 0x30) === 0x20;
}

/** INS, OUTS, MOVS, CMPS, STOS, LODS, SCAS of words: which of SI and DI they move. */
const STRINGS: Readonly<Record<number, readonly RegisterName[]>> = {
  109: ['di'],
  111: ['si'],
  165: ['si', 'di'],
  167: ['si', 'di'],
  171: ['di'],
  173: ['si'],
  175: ['di'],
};
const INS = 0x6d;

/** Nothing differs but that the record is one element further on, in some of its registers and at the port. */
function movesOneElement(test: MooTest, { end, regs, io, others }: Outcome): boolean {
  const opcode = opcodeOf(test)[0] ?? 0;
  const index = STRINGS[opcode];
  if (index === undefined || end !== 'HLT' || others.length > 0) return false;
  const step = ((test.initial.regs.flags ?? 0) & 0x400) === 0 ? 2 : -2;
  const want = finalRegisters(test);
  const moved = (name: RegisterName, ...by: number[]): boolean =>
    [0, ...by].some((n) => want[name] === (((regs[name] ?? 0) + n) & 0xffff));
  const asked = ioOf(test.cycles);
  const port = `in ${(test.initial.regs.dx ?? 0).toString(16)}.2=ffff`;
  return (
    index.every((name) => moved(name, step)) &&
    moved('cx', -1, -2) &&
    ['si', 'di', 'cx'].every(
      (name) =>
        [...index, 'cx'].includes(name as RegisterName) ||
        want[name as RegisterName] === regs[name as RegisterName],
    ) &&
    (asked.join() === io.join() || (opcode === INS && asked.join() === [...io, port].join()))
  );
}

/** The record shows an ESC instruction on its way to the coprocessor, and everything else as here. */
function goesTo287(test: MooTest, { io, differences }: Outcome): boolean {
  const [opcode = 0, modrm = 0] = opcodeOf(test);
  const [first, ...rest] = ioOf(test.cycles);
  return (
    differences.length === 1 &&
    io.length === 0 &&
    first === `out f8.2=${(opcode | (modrm << 8)).toString(16)}` &&
    rest.every((access) => access.startsWith('out fc.2='))
  );
}

/** On the bus of the record one byte is read of a word of the exception's vector, whose upper half the processor has. */
function readsHalfAVector({ exception, cycles }: MooTest): boolean {
  return (
    exception !== null &&
    cycles.some(
      ({ pins, address, status, tState }) =>
        tState === 1 && status === 5 && address === 4 * exception.vector && (pins & 2) !== 0,
    )
  );
}

/** The only difference is the CS that was pushed: ours is the one the code was fetched from, the record has SS. */
function pushesSsForCs(test: MooTest, { differences }: Outcome): boolean {
  if (test.exception === null) return false;
  const { cs = 0, ss = 0, sp = 0 } = test.initial.regs;
  const line = (offset: number, have: number, want: number): string =>
    `[${(ss * 16 + ((sp - offset) & 0xffff)).toString(16)}] ${have.toString(16)}, not ${want.toString(16)}`;
  const expected = [line(4, cs & 0xff, ss & 0xff), line(3, cs >>> 8, ss >>> 8)];
  return [...differences].sort().join() === expected.sort().join();
}
