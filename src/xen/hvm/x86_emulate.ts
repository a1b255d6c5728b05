// SPDX-License-Identifier: GPL-2.0-only
// Results of the emulation path, and the contract by which a CPU host plays Xen's x86_emulate().
// Values of Xen 4.14.5 xen/arch/x86/x86_emulate/x86_emulate.h.
import type { ioreq_dir } from '../public/hvm_ioreq.ts';

/** Done. */
export const X86EMUL_OKAY = 0;
/** Nobody handled it. */
export const X86EMUL_UNHANDLEABLE = 1;
/** A fault is on its way to the guest. */
export const X86EMUL_EXCEPTION = 2;
/** Not finished: run the instruction again later. */
export const X86EMUL_RETRY = 3;
/** Finished by a hook. */
export const X86EMUL_DONE = 4;
/** The decoder does not know the instruction. */
export const X86EMUL_UNRECOGNIZED = 5;

export type x86emul_rc = 0 | 1 | 2 | 3 | 4 | 5;

/** By value, as the traces print them. */
export const X86EMUL_NAMES = [
  'OKAY',
  'UNHANDLEABLE',
  'EXCEPTION',
  'RETRY',
  'DONE',
  'UNRECOGNIZED',
] as const;

/** IN, OUT, INS, OUTS. */
export const INSN_PORTIO = 1;
/** Has a memory operand, implicit ones included; not LEA, prefetches, INVLPG. */
export const INSN_MEM_ACCESS = 2;
/** A set of the two bits above; 0 for anything else. */
export type insn_class = number;

/** A string instruction at RIP, decoded. Operands are as the instruction will use them. */
export interface StringOp {
  op: 'ins' | 'outs' | 'movs' | 'stos';
  /** Bytes per element. */
  size: 1 | 2 | 4;
  rep: boolean;
  /** Elements still to do: 1 without REP, else CX or ECX (may be 0). */
  count: number;
  df: boolean;
  /** DX for INS and OUTS. */
  port: number;
  /** Address size in bytes: indices wrap at 2^(8*addrSize). */
  addrSize: 2 | 4;
  /** Linear base of the source segment, and SI or ESI masked to addrSize. */
  srcBase: number;
  srcIndex: number;
  /** Linear base of ES, and DI or EDI masked to addrSize. */
  dstBase: number;
  dstIndex: number;
  /** Instruction length in bytes. */
  length: number;
}

/** One device access of the instruction in progress. Answers of reads go into `data`, `data_hi`. */
export interface insn_access {
  is_pio: boolean;
  dir: ioreq_dir;
  /** Linear address; for ports the port. */
  gla: number;
  /** Guest-physical address; for ports the port. */
  gpa: number;
  /** 1 to 8 bytes, any number of them, within one page. */
  size: number;
  data: number;
  data_hi: number;
}

/** How `advance` came back. */
export type insn_step =
  /** Stopped before the access it appended at list[done]. */
  | 'access'
  /** The instruction, or one repetition of it, is complete; its registers are committed. */
  | 'retired'
  /** The CPU has delivered, or recorded for delivery, an exception of its own. */
  | 'exception'
  | 'unrecognized'
  | 'unhandleable';

/**
 * A CPU that can run one instruction access by access. The instruction in progress is the one at
 * RIP; until 'retired' nothing of it is visible but the accesses themselves.
 */
export interface insn_cpu {
  /**
   * The string instruction at RIP, decoded, without side effects; null for any other.
   * The object may be reused by the next call.
   */
  string_op(): StringOp | null;
  /** Class of the instruction at RIP, without side effects. */
  classify(): insn_class;
  /**
   * Runs the instruction at RIP with the first `done` accesses of `list` answered, up to its next
   * access (written into list[done], which exists) or its end. A REP string instruction runs one
   * repetition. After a rollback the same list continues it from its start.
   */
  advance(list: readonly insn_access[], done: number): insn_step;
  /** Nothing of the instruction in progress has happened: back to its start. */
  rollback(): void;
  /**
   * Commits a batch of a string instruction that was done without the CPU: index registers move by
   * `reps_done` elements, the count drops by as many; RIP moves on once the count is zero.
   */
  commit_string(op: StringOp, reps_done: number): void;
  /**
   * Translates a linear address of the current context.
   * @returns the guest-physical address, or -1 if the guest gets a page fault (recorded by the CPU)
   */
  linear_to_phys(gla: number, write: boolean): number;
  /**
   * After the step 'exception': an exception the CPU leaves to the port to hand over.
   * Null, or no such method: the CPU delivers its exceptions itself.
   */
  take_exception?(): insn_exception | null;
  /** CR0.PE. Only asked when real mode itself is emulated; taken as clear if absent. */
  protected_mode?(): boolean;
}

/** A fault of the instruction in progress; `ec` is -1 for none. */
export interface insn_exception {
  vector: number;
  ec: number;
}
