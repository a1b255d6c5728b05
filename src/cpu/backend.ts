// SPDX-License-Identifier: GPL-2.0-only
// The contract of a CPU back-end: run() returns exits, as KVM_RUN does. Shared by the native and the scripted CPU.

/** Why `run()` came back. Mirrors native/run_page.h. */
export const EXIT_NONE = 0;
/** IN or OUT, not string: RIP on the instruction, nothing of it has happened. */
export const EXIT_PIO = 1;
/** INS or OUTS, one element: `string` describes the whole instruction. */
export const EXIT_PIO_STRING = 2;
/** A load or store to guest-physical memory that is not RAM. */
export const EXIT_MMIO = 3;
/** HLT retired; the CPU waits for an interrupt. */
export const EXIT_HLT = 4;
/** The instruction budget is used up, exactly. */
export const EXIT_BUDGET = 5;
/** `kick()` was called. */
export const EXIT_KICK = 6;
/** Triple fault. The CPU stays there until `reset()`. */
export const EXIT_SHUTDOWN = 7;
/** Something this CPU host does not do; `unsupported` says what. */
export const EXIT_UNSUPPORTED = 8;
/** `finish()` reached the end of the instruction: an instruction boundary. */
export const EXIT_BOUNDARY = 9;

export type ExitReason = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/** A string instruction at RIP, decoded. Operands are as the instruction will use them. */
export interface StringOp {
  op: 'ins' | 'outs' | 'movs' | 'stos';
  /** bytes per element */
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
