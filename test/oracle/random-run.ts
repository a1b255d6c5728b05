// SPDX-License-Identifier: GPL-2.0-only
// Random instructions on the CPU host and on the host's processor: registers, flags, memory, faults. 16-bit code in
// segments of 64 KiB, where the processor looks at every limit; and 32-bit code in the same memory.
import {
  EXIT_BUDGET,
  EXIT_EXCEPTION,
  EXIT_HLT,
  EXIT_MMIO,
  EXIT_NAMES,
  EXIT_UNSUPPORTED,
  type SegmentState,
} from '../../src/cpu/backend.ts';
import { UnicornCpu } from '../../src/cpu/unicorn.ts';
import { GuestRam } from '../../src/mem/guest-ram.ts';
import { Random } from '../../src/util/random.ts';
import { POWER_ON_FPU } from './case.ts';
import { type OracleRequest, type OracleResult, SecondCpu } from './helper.ts';
import { type RandomInsn, randomInsn } from './random-insns.ts';

const SEGMENT = 0x10000;
const RAM = 2 * SEGMENT;
const HLT = 0xf4;
/** In the middle: jumps of one byte stay inside, and all the rest of the code is HLT. */
const START = 0x8000;
/** CF PF AF ZF SF DF OF */
const FLAGS = 0xcd5;
const CALLS_ITSELF = 1000;
const BATCH = 1000;
const NO_FAULT = -1;
/** Beyond all RAM: a device here, nothing there. */
const PAGE_FAULT = 14;
const INTERESTING = [
  0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
];
const REGISTERS = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi', 'eip'];
const RCX = 1;
const RSP = 4;
const EIP = 8;

export type Bits = 16 | 32;

interface Start {
  readonly bits: Bits;
  readonly insn: RandomInsn;
  readonly gpr: readonly number[];
  readonly rflags: number;
  readonly segments: OracleRequest['segments'];
}

/** What is left. */
interface End {
  /** Vector of the fault that came instead of a HLT, or `NO_FAULT`. */
  readonly fault: number;
  readonly registers: readonly number[];
  readonly rflags: number;
  readonly ram: Uint8Array;
}

export interface Difference {
  /** Opcode, and register field. */
  readonly name: string;
  readonly text: string;
  /** Enough to repeat it by hand. */
  readonly start: string;
}

export interface Compared {
  /** Instructions that came to an end on both. */
  readonly compared: number;
  /** Of these: a fault on the processor. */
  readonly faults: number;
  readonly differences: readonly Difference[];
}

function randomRegister(random: Random): number {
  const kind = random.below(4);
  if (kind === 0) return random.next();
  if (kind === 1) return random.pick(INTERESTING);
  // Most are offsets that a segment has.
  return random.below(SEGMENT);
}

function randomStart(random: Random, bits: Bits, narrow: boolean): Start {
  const insn = randomInsn(random, bits, narrow);
  const gpr = Array.from({ length: 8 }, () => randomRegister(random));
  if (insn.string) gpr[RCX] = (gpr[RCX] ?? 0) & 0x1f;
  // A stack elsewhere would be a page fault, which ends a process differently at each push.
  if (bits === 32) gpr[RSP] = 0x1000 + random.below(SEGMENT - 0x2000);
  const rflags = (random.next() & FLAGS) | 2;
  const segments = narrow ? narrowSegments(random, bits) : segmentsOf(bits);
  return { bits, insn, gpr, rflags, segments };
}

/** Types of data segments: one that may be written, its neighbour that expands down, and so on. */
const WRITABLE = [0x93, 0x97];
const READABLE = [0x91, 0x95, 0x9b];
const NULL_SEGMENT = { selector: 0, base: 0, limit: 0, attributes: 0 };

/** DS, ES and SS with limits and rights of protected mode, in the same memory. */
function narrowSegments(random: Random, bits: Bits): OracleRequest['segments'] {
  const [, code, , , fs, gs] = segmentsOf(bits) as [
    SegmentState,
    SegmentState,
    SegmentState,
    SegmentState,
    SegmentState,
    SegmentState,
  ];
  const big = bits === 32 ? 0x400000 : 0;
  const segment = (selector: number, stack: boolean): SegmentState => {
    const kind = random.below(8);
    if (kind === 0 && !stack) return NULL_SEGMENT;
    const type = random.pick(stack || kind < 4 ? WRITABLE : READABLE);
    const limit = random.below(3) === 0 ? SEGMENT - 1 : random.below(SEGMENT);
    const attributes = big | (type << 8);
    if (kind > 5 && type === 0x93 && bits === 32)
      return { selector, base: 0, limit: 0xffffffff, attributes: 0x800000 | attributes };
    return { selector, base: 0, limit, attributes };
  };
  return [segment(24, false), code, segment(32, true), segment(16, false), fs, gs];
}

/** Memory of all cases: 64 KiB of data, then 64 KiB of code that is nothing but HLT. */
function baseMemory(random: Random): Uint8Array {
  const ram = new Uint8Array(RAM).fill(HLT);
  for (let i = 0; i < SEGMENT; i++) ram[i] = random.below(256);
  return ram;
}

function memoryOf(base: Uint8Array, { insn }: Start): Uint8Array {
  const ram = base.slice();
  ram.set(insn.bytes, SEGMENT + START);
  return ram;
}

function segmentsOf(bits: Bits): OracleRequest['segments'] {
  const wide = bits === 32;
  const size = wide ? 0xc00000 : 0;
  const limit = wide ? 0xffffffff : 0xffff;
  const data = { selector: wide ? 16 : 0, base: 0, limit, attributes: size | 0x9300 };
  const code = {
    selector: wide ? 8 : SEGMENT >> 4,
    base: SEGMENT,
    limit,
    attributes: size | 0x9b00,
  };
  return [data, code, data, data, data, data];
}

/** 16-bit code is in real mode here, unless its segments are those of protected mode. */
function controlOf(bits: Bits, segments: OracleRequest['segments']): number {
  return bits === 32 || segments[2]?.selector !== 0 ? 0x11 : 0x10;
}

class Here implements Disposable {
  readonly #ram = new GuestRam(RAM);
  readonly #cpu = new UnicornCpu(this.#ram, [{ gpa: 0, bytes: RAM, offset: 0, writable: true }]);
  readonly #reset = this.#cpu.save();

  /** Null: it is not over after many instructions. */
  run({ bits, insn, gpr, rflags, segments }: Start, memory: Uint8Array): End | null {
    const cpu = this.#cpu;
    cpu.restore(this.#reset);
    this.#ram.bytes.set(memory);
    cpu.hostWrote(0, RAM);
    cpu.catchExceptions = true;
    cpu.regs.setControl(0, controlOf(bits, segments));
    for (const [i, segment] of segments.entries()) cpu.regs.setSegment(i, segment);
    for (const [i, value] of gpr.entries()) cpu.regs.setGpr(i, value);
    cpu.regs.rip = START;
    cpu.regs.rflags = rflags;
    cpu.deadline = cpu.icount + CALLS_ITSELF;
    const exit = cpu.run();
    if (exit === EXIT_BUDGET) return null;
    let fault = NO_FAULT;
    if (exit === EXIT_EXCEPTION) fault = cpu.exception.vector;
    // No memory is there: of a device, or of nobody where code would be.
    else if (exit === EXIT_MMIO || exit === EXIT_UNSUPPORTED) fault = PAGE_FAULT;
    else if (exit !== EXIT_HLT) throw new Error(`${insn.name}: ${EXIT_NAMES[exit]}`);
    const end = {
      fault,
      registers: [...gpr.map((_, i) => cpu.regs.gpr(i)), cpu.regs.rip],
      rflags: cpu.regs.rflags,
      ram: this.#ram.bytes.slice(),
    };
    cpu.rollback();
    return end;
  }
  [Symbol.dispose](): void {
    this.#cpu[Symbol.dispose]();
  }
}

function requestOf({ bits, gpr, rflags, segments }: Start, ram: Uint8Array): OracleRequest {
  return {
    gpr,
    rip: START,
    rflags,
    cr0: controlOf(bits, segments),
    cr3: 0,
    cr4: 0x200,
    ...POWER_ON_FPU,
    segments,
    gdt: [0, 0],
    idt: [0, 0xffff],
    interrupt: null,
    writesCount: true,
    ranges: [],
    streams: [[]],
    ram,
  };
}

/** Null: it runs for ever. */
function endOf({ bits }: Start, result: OracleResult, memory: Uint8Array): End | null {
  const { stopped, registers } = result;
  const vector = /^exception (\d+)$/.exec(stopped ?? '')?.[1];
  if (stopped !== null && vector === undefined) return null;
  const ram = memory.slice();
  for (const [at, value] of result.changed) ram[at] = value;
  // A process cannot execute the HLT.
  const behind = ((registers[EIP] ?? 0) + 1) & (bits === 16 ? 0xffff : -1);
  return {
    fault: stopped === null ? NO_FAULT : Number(vector),
    registers: registers
      .slice(0, 9)
      .with(EIP, stopped === null ? behind >>> 0 : (registers[EIP] ?? 0)),
    rflags: registers[9] ?? 0,
    ram,
  };
}

function differenceOf({ insn }: Start, ours: End, theirs: End): string | null {
  const hex = (value: number | undefined): string => (value ?? 0).toString(16);
  // Outside of all memory: what a process finds there is another thing.
  if (ours.fault === PAGE_FAULT || theirs.fault === PAGE_FAULT) return null;
  // Which operand of CMPS comes first is a processor's own affair: with a source in the stack segment its fault tells.
  if (
    /^a[67]$/.test(insn.name) &&
    [ours, theirs].every(({ fault }) => fault === 12 || fault === 13)
  )
    return null;
  if (ours.fault !== theirs.fault) return `fault ${ours.fault} here, ${theirs.fault} there`;
  const register = REGISTERS.findIndex((_, i) => ours.registers[i] !== theirs.registers[i]);
  if (register >= 0)
    return `${REGISTERS[register]} ${hex(ours.registers[register])} here, ${hex(theirs.registers[register])} there`;
  const defined = FLAGS & ~insn.undefinedFlags;
  if (ours.fault === NO_FAULT && ((ours.rflags ^ theirs.rflags) & defined) !== 0)
    return `flags ${hex(ours.rflags & defined)} here, ${hex(theirs.rflags & defined)} there`;
  if (Buffer.compare(ours.ram, theirs.ram) === 0) return null;
  const at = ours.ram.findIndex((byte, i) => byte !== theirs.ram[i]);
  return `[${hex(at)}] ${hex(ours.ram[at])} here, ${hex(theirs.ram[at])} there`;
}

function startText({ bits, insn, gpr, rflags, segments }: Start): string {
  const hex = (value: number): string => value.toString(16);
  const bytes = insn.bytes.map((byte) => hex(byte).padStart(2, '0')).join(' ');
  const regs = gpr.map((value, i) => `${REGISTERS[i]}=${hex(value)}`).join(' ');
  const places = segments
    .slice(0, 4)
    .map(({ limit, attributes }) => `${hex(attributes)}:${hex(limit)}`)
    .join(' ');
  return `${bits}-bit ${bytes}: ${regs} flags=${hex(rflags)} segments ${places}`;
}

/**
 * @param narrow - in protected mode, with limits and rights of segments at random
 * @param count - instructions
 * @param seed - the same ones for the same seed
 * @throws NoOracle
 */
export function compareRandom(bits: Bits, count: number, seed: number, narrow = false): Compared {
  const random = new Random(seed);
  const base = baseMemory(random);
  const differences: Difference[] = [];
  let compared = 0;
  let faults = 0;
  using there = new SecondCpu('processor');
  using here = new Here();
  for (let done = 0; done < count; done += BATCH) {
    const starts = Array.from({ length: Math.min(BATCH, count - done) }, () =>
      randomStart(random, bits, narrow),
    );
    const memories = starts.map((start) => memoryOf(base, start));
    const results = there.ask(
      starts.map((start, i) => requestOf(start, memories[i] as Uint8Array)),
    );
    for (const [i, start] of starts.entries()) {
      const memory = memories[i] as Uint8Array;
      const theirs = endOf(start, results[i] as OracleResult, memory);
      const ours = here.run(start, memory);
      if (ours === null || theirs === null) continue;
      compared++;
      if (theirs.fault !== NO_FAULT) faults++;
      const text = differenceOf(start, ours, theirs);
      if (text !== null) differences.push({ name: start.insn.name, text, start: startText(start) });
    }
  }
  return { compared, faults, differences };
}
