// SPDX-License-Identifier: GPL-2.0-only
// The CPU as an HVM context's record has it: by name, beside the opaque state that restores it.
import * as P from '../../cpu/run-page.ts';
import type { UnicornCpu } from '../../cpu/unicorn.ts';
import {
  type CpuDouble,
  type CpuQuad,
  emptyHvmCpu,
  encodeHvmCpu,
  type HvmCpu,
} from '../../image/hvm-cpu.ts';

const GENERAL = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
] as const satisfies readonly CpuQuad[];
/** In the order of the run page. */
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;
/** In the order of native/named_state.cc, behind the FXSAVE image. */
const EXTENDED = [
  'sysenter_cs',
  'sysenter_esp',
  'sysenter_eip',
  'shadow_gs',
  'msr_lstar',
  'msr_star',
  'msr_cstar',
  'msr_syscall_mask',
  'msr_tsc_aux',
  'tsc',
] as const satisfies readonly CpuQuad[];
const FPU_BYTES = 512;
/** pending_event: valid, and has an error code; the type of a hardware exception. */
const EVENT_VALID = 0x80000000;
const EVENT_ERROR_CODE = 1 << 11;
const EVENT_EXCEPTION = 3 << 8;
/** Vectors that push an error code. */
const WITH_ERROR_CODE = [8, 10, 11, 12, 13, 14, 17];

/** Registers at an instruction boundary; a pending access is dropped. */
export function hvmCpuOf(cpu: UnicornCpu): HvmCpu {
  const record = emptyHvmCpu();
  const { quads, doubles } = record;
  const extended = cpu.extended();
  const words = cpu.regs.snapshot();
  const word = (at: number): number => words[at - P.PAGE_GPR] ?? 0;
  const quad = (at: number): bigint => BigInt(word(at)) | (BigInt(word(at + 1)) << 32n);
  record.fpu = extended.slice(0, FPU_BYTES);
  const v = new DataView(extended.buffer, extended.byteOffset + FPU_BYTES);
  EXTENDED.forEach((name, i) => {
    quads[name] = v.getBigUint64(8 * i, true);
  });
  // Time that a HLT has skipped and the CPU has yet to count.
  quads.tsc += BigInt(cpu.charged);
  GENERAL.forEach((name, i) => {
    quads[name] = quad(P.PAGE_GPR + 2 * i);
  });
  quads.rip = quad(P.PAGE_RIP);
  quads.rflags = BigInt(word(P.PAGE_RFLAGS) | 2);
  quads.cr0 = BigInt(word(P.PAGE_CR0));
  quads.cr2 = BigInt(word(P.PAGE_CR0 + 1));
  quads.cr3 = BigInt(word(P.PAGE_CR0 + 2));
  quads.cr4 = BigInt(word(P.PAGE_CR0 + 3));
  quads.msr_efer = BigInt(word(P.PAGE_EFER));
  for (const i of [0, 1, 2, 3, 6, 7] as const) quads[`dr${i}`] = BigInt(word(P.PAGE_DR + i));
  SEGMENTS.forEach((name, i) => {
    const at = P.PAGE_SEGMENT + 8 * i;
    const flags = word(at + 4);
    doubles[`${name}_sel` satisfies CpuDouble] = word(at);
    quads[`${name}_base` satisfies CpuQuad] = quad(at + 1);
    doubles[`${name}_limit` satisfies CpuDouble] = word(at + 3);
    doubles[`${name}_arbytes` satisfies CpuDouble] =
      ((flags >>> 8) & 0xff) | (((flags >>> 20) & 0xf) << 8);
  });
  quads.gdtr_base = quad(P.PAGE_GDT);
  doubles.gdtr_limit = word(P.PAGE_GDT + 2);
  quads.idtr_base = quad(P.PAGE_IDT);
  doubles.idtr_limit = word(P.PAGE_IDT + 2);
  doubles.flags = 1;
  setPending(cpu, doubles);
  return record;
}

function setPending(cpu: UnicornCpu, doubles: HvmCpu['doubles']): void {
  const { injected, irq } = cpu;
  if (injected !== null) {
    const coded = WITH_ERROR_CODE.includes(injected.vector);
    const event = EVENT_VALID | EVENT_EXCEPTION | (coded ? EVENT_ERROR_CODE : 0) | injected.vector;
    doubles.pending_event = event >>> 0;
    doubles.error_code = coded ? injected.errorCode : 0;
  } else if (irq >= 0) {
    doubles.pending_event = (EVENT_VALID | irq) >>> 0;
  }
}

/** The body of the CPU record. */
export function encodeCpu(cpu: UnicornCpu): Uint8Array {
  return encodeHvmCpu(hvmCpuOf(cpu));
}
