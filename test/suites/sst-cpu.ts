// SPDX-License-Identifier: GPL-2.0-only
// Runs single-instruction tests captured from an 80286 or a 386 on the CPU host, and says what differs.
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
  SEG_FS,
  SEG_GS,
  SEG_SS,
} from '../../src/cpu/backend.ts';
import { UnicornCpu } from '../../src/cpu/unicorn.ts';
import { GuestRam } from '../../src/mem/guest-ram.ts';
import { finalRegisters, ioOf, ioText, pushedFlags } from './bus.ts';
import type { MooTest, RegisterName, RegisterValues } from './moo.ts';

const RAM_BYTES = 16 << 20;
const PAGE = 4096;
const NOTHING = new Uint8Array(PAGE);
/** More than the longest test takes: 127 repetitions of a string instruction. */
const MOST_INSTRUCTIONS = 400;
/** The four flags above bit 11 do not exist in the 286's real mode. */
const FLAGS_286 = 0x0fff;
/** CF to OF, IOPL and NT; what is above and between them is as the rig of the captures has it. */
const FLAGS_386 = 0x7fd5;
/** Registers that no test is about. */
const BESIDE: readonly RegisterName[] = ['cr0', 'cr3', 'dr6', 'dr7'];

const GPRS = { ax: RAX, bx: RBX, cx: RCX, dx: RDX, sp: RSP, bp: RBP, si: RSI, di: RDI } as const;
const SEGMENTS = {
  cs: SEG_CS,
  ss: SEG_SS,
  ds: SEG_DS,
  es: SEG_ES,
  fs: SEG_FS,
  gs: SEG_GS,
} as const;

/** Flags that a processor has. */
function flagsOf({ cpu }: MooTest): number {
  return cpu.startsWith('386') ? FLAGS_386 : FLAGS_286;
}

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
  /** Those of `differences` that are not about SI, DI, CX or ports. */
  others: readonly string[];
}

/** One CPU with 16 MiB of memory, all of it 0 between tests. */
export class SstCpu implements Disposable {
  readonly #ram = new GuestRam(RAM_BYTES);
  readonly #cpu: UnicornCpu;
  readonly #reset: Uint8Array;
  #limit = 0xffff;

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
    const unlike = compareRegisters(test, regs, flagsMask);
    const counting = unlike.filter((line) => /^(si|di|cx) /.test(line));
    const others = [
      ...(end === 'HLT' ? [] : [`ended by ${end}`]),
      ...unlike.filter((line) => !counting.includes(line)),
      ...this.#compareMemory(test, flagsMask),
    ];
    const differences = [...others, ...counting, ...compareIo(ioOf(test.cycles, test.cpu), io)];
    const exceptions = this.#cpu.exceptionsTaken - before;
    return { end, regs, io, exceptions, differences, others };
  }

  /** The same with segments of 4 GiB. */
  runWithoutLimits(test: MooTest, flagsMask: number): Outcome {
    this.#limit = 0xffffffff;
    const outcome = this.run(test, flagsMask);
    this.#limit = 0xffff;
    return outcome;
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

  #load(test: MooTest): void {
    const { initial } = test;
    const { regs } = this.#cpu;
    this.#cpu.restore(this.#reset);
    this.#cpu.deadline = this.#cpu.icount + MOST_INSTRUCTIONS;
    for (const [name, index] of Object.entries(GPRS)) {
      regs.setGpr(index, initial.regs[name as RegisterName] ?? 0);
    }
    for (const [name, index] of Object.entries(SEGMENTS)) {
      const selector = initial.regs[name as RegisterName] ?? 0;
      regs.setSegment(index, {
        ...regs.segment(index),
        selector,
        base: selector * 16,
        limit: this.#limit,
      });
    }
    regs.rip = initial.regs.ip ?? 0;
    regs.rflags = ((initial.regs.flags ?? 0) & flagsOf(test)) | 2;
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
    return values;
  }

  /** Every byte of every page that anybody wrote, then all of it is 0 again. */
  #compareMemory(test: MooTest, flagsMask: number): string[] {
    const { initial, final } = test;
    const have = this.#ram.bytes;
    const pages = new Set<number>();
    const flagsAt = pushedFlags(test);
    const unlike = new Map<number, number>();
    const compare = (at: number, want: number): void => {
      const flags = at === flagsAt ? flagsMask : at === flagsAt + 1 ? flagsMask >>> 8 : 0xff;
      if ((((have[at] ?? 0) ^ want) & flags) !== 0) unlike.set(at, want);
    };
    const found: string[] = [];
    const note = (at: number, want: number): void =>
      void found.push(
        `[${at.toString(16)}] ${(have[at] ?? 0).toString(16)}, not ${want.toString(16)}`,
      );
    const said = new Set<number>();
    // The last word about an address counts.
    for (const ram of [final.ram, initial.ram]) {
      for (let i = ram.length - 2; i >= 0; i -= 2) {
        const at = ram[i] ?? 0;
        if (said.has(at)) continue;
        said.add(at);
        pages.add(at - (at % PAGE));
        compare(at, ram[i + 1] ?? 0);
      }
    }
    for (const [at, want] of unlike) note(at, want);
    for (const at of said) have[at] = 0;
    this.#cpu.takeDirty((offset) => pages.add(offset));
    for (const page of pages) {
      const bytes = have.subarray(page, page + PAGE);
      if (Buffer.compare(bytes, NOTHING) !== 0) {
        for (let at = page; at < page + PAGE; at++) if (have[at] !== 0) note(at, 0);
        bytes.fill(0);
      }
      this.#cpu.hostWrote(page, PAGE);
    }
    return found.sort();
  }
}

function compareRegisters(test: MooTest, have: RegisterValues, flagsMask: number): string[] {
  const { masks = {} } = test.final;
  const unlike: string[] = [];
  for (const [key, want] of Object.entries(finalRegisters(test))) {
    const name = key as RegisterName;
    if (BESIDE.includes(name)) continue;
    const flags = name === 'flags' ? flagsMask & flagsOf(test) : 0xffffffff;
    const is = have[name] ?? -1;
    if (((want ^ is) & flags & (masks[name] ?? 0xffffffff)) === 0) continue;
    unlike.push(`${name} ${is.toString(16)}, not ${want.toString(16)}`);
  }
  return unlike;
}

function compareIo(want: readonly string[], have: readonly string[]): string[] {
  if (want.join() === have.join()) return [];
  return [`ports: ${have.join(' ') || 'none'}, not ${want.join(' ') || 'none'}`];
}
