// SPDX-License-Identifier: GPL-2.0-only
// What a scripted CPU is given: a guest's instructions with device accesses, in the order of the program.
import type { StringOp } from '../xen/hvm/x86_emulate.ts';

/** One access of a recorded instruction. */
export interface ScriptAccess {
  is_pio: boolean;
  /** 1 reads, 0 writes. */
  dir: 0 | 1;
  size: number;
  gpa: number;
  gla: number;
  /** Of a write. */
  data: number;
  data_hi: number;
}

/** Where a string instruction was met: the first time, after a batch that was not all of it, after a fault. */
export interface ScriptStage {
  /** Instructions completed before it. */
  icount: number;
  /** Linear pages of its operands that were absent. */
  missing: readonly number[];
}

/** A string instruction: its accesses follow from registers and memory. */
export interface ScriptString {
  op: StringOp;
  /** At its start: EAX, ECX, ESI, EDI. */
  regs: readonly [eax: number, ecx: number, esi: number, edi: number];
  stages: ScriptStage[];
  /** What the guest has in memory for OUTS and MOVS to read; null: its source is a device, or it has none. */
  source: { readonly gpa: number; readonly bytes: Uint8Array } | null;
}

/** One instruction with device accesses, or HLT. */
export interface ScriptInsn {
  /** Instructions completed before it. */
  icount: number;
  /** Linear address of its code. */
  code: number;
  /** The flags at its start. */
  rflags: number;
  kind: 'access' | 'string' | 'halt';
  /** Of kind `access`. */
  accesses: ScriptAccess[];
  /** Of kind `string`. */
  string: ScriptString | null;
}
