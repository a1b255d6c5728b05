// SPDX-License-Identifier: GPL-2.0-only
// Runs single-instruction tests captured from an 80286 on the CPU host, and says what differs.
import {
  EXIT_EXCEPTION,
  EXIT_HLT,
  EXIT_NAMES,
  EXIT_PIO,
  EXIT_PIO_STRING,
  type ExitReason,
  RAX,
  RBP,
  RBX,
  RCX,
  RDI,
  RDX,
  RSI,
  RSP,
  SEG_CS,
  SEG_DS,
  SEG_ES,
  SEG_SS,
} from '../../src/cpu/backend.ts';
import { UnicornCpu } from '../../src/cpu/unicorn.ts';
import { GuestRam } from '../../src/mem/guest-ram.ts';
import type { MooCycle, MooTest, RegisterName, RegisterValues } from './moo.ts';
import { REGISTERS } from './moo.ts';

const RAM_BYTES = 16 << 20;
const PAGE = 4096;
/** More than the longest test takes: 127 repetitions of a string instruction. */
const MOST_INSTRUCTIONS = 400;
/** The four flags above bit 11 do not exist in the 286's real mode. */
const FLAGS_286 = 0x0fff;

const GPRS = { ax: RAX, bx: RBX, cx: RCX, dx: RDX, sp: RSP, bp: RBP, si: RSI, di: RDI } as const;
const SEGMENTS = { cs: SEG_CS, ss: SEG_SS, ds: SEG_DS, es: SEG_ES } as const;

/** What the CPU host did with one test. */
export interface Outcome {
  /** `HLT`, or the exit that ended it instead. */
  end: string;
  regs: RegisterValues;
  /** Accesses to ports in order: `in 60.1=ff`, `out 20.1=7f` (port, bytes, value). */
  io: readonly string[];
  /** Exceptions and software interrupts delivered. */
  exceptions: number;
  /** What is not as the real processor had it, one line each; empty: passed. */
  differences: readonly string[];
}

/** The accesses to ports that the bus cycles show, as `Outcome.io` writes them. */
export function ioOf(cycles: readonly MooCycle[]): string[] {
  const found: string[] = [];
  cycles.forEach(({ pins, address, status, tState }, row) => {
    if (tState !== 1 || (status !== 9 && status !== 10)) return;
    const data = cycles[row + 1]?.data ?? 0;
    // BHE, active low: the upper half of the data bus carries a byte. An odd port is always there.
    const high = (pins & 2) === 0;
    const odd = (address & 1) !== 0;
    const size = !odd && high ? 2 : 1;
    const value = odd ? data >>> 8 : data & (high ? 0xffff : 0xff);
    found.push(ioText(status === 9, address, size, value));
  });
  return found;
}

function ioText(read: boolean, port: number, size: number, value: number): string {
  return `${read ? 'in' : 'out'} ${port.toString(16)}.${size}=${value.toString(16)}`;
}

/** All registers behind the test: those the file leaves out are as before it. */
export function finalRegisters({ initial, final }: MooTest): RegisterValues {
  const values = { ...initial.regs, ...final.regs } as Record<RegisterName, number>;
  for (const name of REGISTERS) {
    if (values[name] === undefined) throw new Error(`a test that does not say ${name}`);
  }
  return values;
}

/**
 * Where an exception's flags were pushed, -1 without one. With an odd stack pointer the file has the even address below,
 * that of the bus cycle.
 * @throws Error if the file has any other address
 */
export function pushedFlags({ initial, exception, index }: MooTest): number {
  if (exception === null) return -1;
  const { ss = 0, sp = 0 } = initial.regs;
  const at = ss * 16 + ((sp - 2) & 0xffff);
  if (exception.flagsAt !== at - (at & 1)) throw new Error(`test ${index}: flags pushed elsewhere`);
  return at;
}

/** One CPU with 16 MiB of memory, all of it 0 between tests. */
export class Sst286 implements Disposable {
  readonly #ram = new GuestRam(RAM_BYTES);
  /** What memory should hold, of the same size. */
  readonly #expected = new Uint8Array(RAM_BYTES);
  readonly #cpu: UnicornCpu;
  readonly #reset: Uint8Array;

  constructor() {
    this.#cpu = new UnicornCpu(this.#ram, [
      { gpa: 0, bytes: RAM_BYTES, offset: 0, writable: true },
    ]);
    this.#reset = this.#cpu.save();
  }
  [Symbol.dispose](): void {
    this.#cpu[Symbol.dispose]();
  }

  /**
   * @param flagsMask - the flags that the instruction defines, as metadata.json has them
   * @param fault - the vector of a fault to deliver in place of the instruction
   */
  run(test: MooTest, flagsMask: number, fault?: number): Outcome {
    this.#load(test);
    if (fault !== undefined) this.#cpu.injectException(fault, -1);
    const before = this.#cpu.exceptionsTaken;
    const io: string[] = [];
    const end = this.#toHalt(io);
    const regs = this.#registers();
    const differences = [
      ...(end === 'HLT' ? [] : [`ended by ${end}`]),
      ...compareRegisters(finalRegisters(test), regs, flagsMask & FLAGS_286),
      ...compareIo(ioOf(test.cycles), io),
      ...this.#compareMemory(test, flagsMask),
    ];
    return { end, regs, io, exceptions: this.#cpu.exceptionsTaken - before, differences };
  }

  /** The vector of the exception that the instruction raises before it has done anything, or -1. */
  faultOf(test: MooTest): number {
    this.#load(test);
    this.#cpu.catchExceptions = true;
    const caught = this.#cpu.step() === EXIT_EXCEPTION;
    const vector =
      caught && this.#cpu.regs.rip === test.initial.regs.ip ? this.#cpu.exception.vector : -1;
    this.#cpu.catchExceptions = false;
    this.#compareMemory(test, 0xffff);
    return vector;
  }

  #load({ initial }: MooTest): void {
    const { regs } = this.#cpu;
    this.#cpu.restore(this.#reset);
    this.#cpu.deadline = this.#cpu.icount + MOST_INSTRUCTIONS;
    for (const [name, index] of Object.entries(GPRS)) {
      regs.setGpr(index, initial.regs[name as RegisterName] ?? 0);
    }
    for (const [name, index] of Object.entries(SEGMENTS)) {
      const selector = initial.regs[name as RegisterName] ?? 0;
      regs.setSegment(index, { ...regs.segment(index), selector, base: selector * 16 });
    }
    regs.rip = initial.regs.ip ?? 0;
    regs.rflags = ((initial.regs.flags ?? 0) & FLAGS_286) | 2;
    const pages = new Set<number>();
    for (let i = 0; i < initial.ram.length; i += 2) {
      const at = initial.ram[i] ?? 0;
      this.#ram.bytes[at] = initial.ram[i + 1] ?? 0;
      pages.add(at - (at % PAGE));
    }
    for (const page of pages) this.#cpu.hostWrote(page, PAGE);
  }

  #toHalt(io: string[]): string {
    const cpu = this.#cpu;
    for (;;) {
      const exit: ExitReason = cpu.run();
      if (exit === EXIT_HLT) return 'HLT';
      if (exit !== EXIT_PIO && exit !== EXIT_PIO_STRING) return EXIT_NAMES[exit] ?? `exit ${exit}`;
      const read = cpu.exitDir === 1;
      const size = cpu.exitSize;
      // The rig of the captures left the data bus high.
      const value = read ? 2 ** (8 * size) - 1 : cpu.exitData;
      io.push(ioText(read, cpu.exitAddr, size, value));
      cpu.answer(value, 0);
    }
  }

  #registers(): RegisterValues {
    const { regs } = this.#cpu;
    const values: Partial<Record<RegisterName, number>> = { ip: regs.rip, flags: regs.rflags };
    for (const [name, index] of Object.entries(GPRS)) {
      values[name as RegisterName] = regs.gpr(index);
    }
    for (const [name, index] of Object.entries(SEGMENTS)) {
      const { selector, base } = regs.segment(index);
      // A base that is not its selector's would be wrong whatever the selector is.
      values[name as RegisterName] = base === selector * 16 ? selector : -1;
    }
    return values as RegisterValues;
  }

  /** Every byte of every page that anybody wrote, then all of it is 0 again. */
  #compareMemory(test: MooTest, flagsMask: number): string[] {
    const { initial, final } = test;
    const want = this.#expected;
    const have = this.#ram.bytes;
    const pages = new Set<number>();
    for (const ram of [initial.ram, final.ram]) {
      for (let i = 0; i < ram.length; i += 2) {
        const at = ram[i] ?? 0;
        want[at] = ram[i + 1] ?? 0;
        pages.add(at - (at % PAGE));
      }
    }
    this.#cpu.takeDirty((offset) => pages.add(offset));
    const flagsAt = pushedFlags(test);
    const undefinedFlags = (at: number): number => {
      if (at === flagsAt) return ~flagsMask & 0xff;
      return at === flagsAt + 1 ? (~flagsMask >>> 8) & 0xff : 0;
    };
    const found: string[] = [];
    for (const page of pages) {
      const [a, b] = [want, have].map((bytes) => bytes.subarray(page, page + PAGE));
      if (a === undefined || b === undefined) continue;
      if (Buffer.compare(a, b) !== 0) {
        for (let i = 0; i < PAGE; i++) {
          const [w, h] = [a[i] ?? 0, b[i] ?? 0];
          if (((w ^ h) & ~undefinedFlags(page + i)) === 0) continue;
          found.push(`[${(page + i).toString(16)}] ${h.toString(16)}, not ${w.toString(16)}`);
        }
      }
      a.fill(0);
      b.fill(0);
      this.#cpu.hostWrote(page, PAGE);
    }
    return found;
  }
}

function compareRegisters(want: RegisterValues, have: RegisterValues, flagsMask: number): string[] {
  return REGISTERS.filter((name) => {
    const mask = name === 'flags' ? flagsMask : 0xffffffff;
    return ((want[name] ^ have[name]) & mask) !== 0;
  }).map((name) => `${name} ${have[name].toString(16)}, not ${want[name].toString(16)}`);
}

function compareIo(want: readonly string[], have: readonly string[]): string[] {
  if (want.join() === have.join()) return [];
  return [`ports: ${have.join(' ') || 'none'}, not ${want.join(' ') || 'none'}`];
}
