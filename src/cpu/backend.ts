// SPDX-License-Identifier: GPL-2.0-only
// The contract of a CPU back-end: run() returns exits, as KVM_RUN does. Shared by the native and the scripted CPU.
import type { StringOp } from '../xen/hvm/x86_emulate.ts';

/** Why `run()` came back. Mirrors native/run_page.h. */
export const EXIT_NONE = 0;
/** IN or OUT, not string: RIP on the instruction, nothing of it has happened. */
export const EXIT_PIO = 1;
/** INS or OUTS, one element: `stringOp()` describes the whole instruction. */
export const EXIT_PIO_STRING = 2;
/** A load or store to guest-physical memory that is not RAM. */
export const EXIT_MMIO = 3;
/** HLT retired; the CPU waits for an interrupt. */
export const EXIT_HLT = 4;
/** The instruction count has reached the deadline, exactly. */
export const EXIT_BUDGET = 5;
/** `kick()` was called. */
export const EXIT_KICK = 6;
/** Triple fault. The CPU stays there until `reset()`. */
export const EXIT_SHUTDOWN = 7;
/** Something this CPU host does not do; `unsupported()` says what. */
export const EXIT_UNSUPPORTED = 8;
/** `finish()` or `step()` reached the end of the instruction: an instruction boundary. */
export const EXIT_BOUNDARY = 9;

/** With `catchExceptions`: an exception that was not delivered. RIP on its instruction (behind it for INT n). */
export const EXIT_EXCEPTION = 10;

/** The CPU would take an interrupt now: `irq` was IRQ_WINDOW. At a boundary. */
export const EXIT_IRQ_WINDOW = 11;

export type ExitReason = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11;

/** `irq` with nothing to deliver. */
export const IRQ_NONE: number = -1;
/** `irq` that asks for EXIT_IRQ_WINDOW: an interrupt controller decides only then. */
export const IRQ_WINDOW: number = -2;

/** Names of the exits, by number, for messages. */
export const EXIT_NAMES: readonly string[] = [
  'none',
  'port I/O',
  'string port I/O',
  'MMIO',
  'HLT',
  'budget',
  'kick',
  'shutdown',
  'unsupported',
  'boundary',
  'exception',
  'interrupt window',
];

/** Order of the general registers in `CpuRegisters.gpr()`: the hardware's. */
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

/** Order of the segments in `CpuRegisters.segment()`. */
export const SEG_ES = 0;
export const SEG_CS = 1;
export const SEG_SS = 2;
export const SEG_DS = 3;
export const SEG_FS = 4;
export const SEG_GS = 5;
export const SEG_LDTR = 6;
export const SEG_TR = 7;

/** A segment register with its hidden part. `attributes`: the descriptor's high word (type at bit 8, P at 15, D/B at 22). */
export interface SegmentState {
  selector: number;
  base: number;
  limit: number;
  attributes: number;
}

/**
 * Registers at the current exit or boundary. Reading while an access is pending gives the values before its
 * instruction; writing drops the pending access, and the CPU is at the start of that instruction again.
 */
export interface CpuRegisters {
  /** Low 32 bits of a general register. @param index - RAX to RDI */
  gpr(index: number): number;
  /** High 32 bits. */
  gprHigh(index: number): number;
  setGpr(index: number, low: number, high?: number): void;
  rip: number;
  rflags: number;
  /** True while STI or MOV SS holds interrupts off for one boundary. */
  readonly interruptShadow: boolean;
  /** After HLT: no instruction is executed until an interrupt is delivered. */
  halted: boolean;
  segment(index: number): SegmentState;
  setSegment(index: number, state: SegmentState): void;
  /** @param index - 0, 2, 3 or 4 */
  control(index: 0 | 2 | 3 | 4): number;
  setControl(index: 0 | 2 | 3 | 4, value: number): void;
  /** `[base, limit]` of a descriptor table. */
  table(which: 'gdt' | 'idt'): readonly [number, number];
  setTable(which: 'gdt' | 'idt', base: number, limit: number): void;
}

/** One CPU. Nothing a guest does makes any of these throw. */
export interface CpuBackend extends Disposable {
  readonly kind: 'unicorn' | 'scripted';
  readonly regs: CpuRegisters;
  /** Instruction count at which `run()` returns EXIT_BUDGET, an integer up to 2^53. */
  deadline: number;
  /** Instructions completed since creation. Every repetition of a REP and every exception delivered counts as one. */
  readonly icount: number;

  /** Runs until the next exit. An access that was not answered is executed again. */
  run(): ExitReason;
  /** Answers the pending access; the next `run()` goes on behind it. Data is ignored for writes. */
  answer(data: number, dataHigh: number): void;
  /** Answers the pending access and runs to the instruction's next access, or to its end: EXIT_BOUNDARY. */
  finish(data: number, dataHigh: number): ExitReason;
  /** From a boundary: runs one instruction, to its first access or to its end. */
  step(): ExitReason;
  /** Drops the pending access: the CPU is at the start of its instruction, and nothing of it has happened. */
  rollback(): void;

  /** The pending access: 1 read, 0 write; bytes (1 to 8); port or guest-physical address; linear address; data. */
  readonly exitDir: 0 | 1;
  readonly exitSize: number;
  readonly exitAddr: number;
  readonly exitLinear: number;
  readonly exitData: number;
  readonly exitDataHigh: number;
  /** Accesses of the same instruction that were answered before this one. */
  readonly exitIndex: number;
  /** After EXIT_UNSUPPORTED: what, in words. */
  unsupported(): string;

  /** The string instruction at RIP, or null if it is none of INS, OUTS, MOVS, STOS. Changes nothing. */
  stringOp(): StringOp | null;
  /** Instructions to add to the count, for repetitions that were done without this CPU. */
  charge(instructions: number): void;

  /** Vector to deliver at the next boundary that allows it, IRQ_NONE or IRQ_WINDOW. Reads IRQ_NONE again once done. */
  irq: number;
  /** Makes a running `run()`, or the next one, return EXIT_KICK. Other threads use `kickCpu(kickId)`. */
  kick(): void;

  /** Opaque state, the same for the same state. A pending access is dropped as by `rollback()`. */
  save(): Uint8Array;
  /** @throws HvmError HVM_CPU for bytes that are no state of this back-end; nothing is changed then */
  restore(state: Uint8Array): void;
  reset(): void;
}
