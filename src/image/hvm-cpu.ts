// SPDX-License-Identifier: GPL-2.0-only
// struct hvm_hw_cpu, field by field: the CPU of an HVM context.

/** Fields of 64 bits and their offsets, in the record's own order. */
const QUADS = {
  rax: 512,
  rbx: 520,
  rcx: 528,
  rdx: 536,
  rbp: 544,
  rsi: 552,
  rdi: 560,
  rsp: 568,
  r8: 576,
  r9: 584,
  r10: 592,
  r11: 600,
  r12: 608,
  r13: 616,
  r14: 624,
  r15: 632,
  rip: 640,
  rflags: 648,
  cr0: 656,
  cr2: 664,
  cr3: 672,
  cr4: 680,
  dr0: 688,
  dr1: 696,
  dr2: 704,
  dr3: 712,
  dr6: 720,
  dr7: 728,
  cs_base: 808,
  ds_base: 816,
  es_base: 824,
  fs_base: 832,
  gs_base: 840,
  ss_base: 848,
  tr_base: 856,
  ldtr_base: 864,
  idtr_base: 872,
  gdtr_base: 880,
  sysenter_cs: 920,
  sysenter_esp: 928,
  sysenter_eip: 936,
  shadow_gs: 944,
  msr_lstar: 960,
  msr_star: 968,
  msr_cstar: 976,
  msr_syscall_mask: 984,
  msr_efer: 992,
  msr_tsc_aux: 1000,
  tsc: 1008,
} as const;

/** Fields of 32 bits. */
const DOUBLES = {
  cs_sel: 736,
  ds_sel: 740,
  es_sel: 744,
  fs_sel: 748,
  gs_sel: 752,
  ss_sel: 756,
  tr_sel: 760,
  ldtr_sel: 764,
  cs_limit: 768,
  ds_limit: 772,
  es_limit: 776,
  fs_limit: 780,
  gs_limit: 784,
  ss_limit: 788,
  tr_limit: 792,
  ldtr_limit: 796,
  idtr_limit: 800,
  gdtr_limit: 804,
  cs_arbytes: 888,
  ds_arbytes: 892,
  es_arbytes: 896,
  fs_arbytes: 900,
  gs_arbytes: 904,
  ss_arbytes: 908,
  tr_arbytes: 912,
  ldtr_arbytes: 916,
  pending_event: 1016,
  error_code: 1020,
  flags: 1024,
} as const;

export const HVM_CPU_BYTES = 1032;
/** msr_flags and pad0: always 0. */
const ZEROS = [952, 956, 1028] as const;
const FPU_BYTES = 512;

export type CpuQuad = keyof typeof QUADS;
export type CpuDouble = keyof typeof DOUBLES;

/** The registers by name, as Xen's record has them. */
export interface HvmCpu {
  /** FXSAVE image, 512 bytes. */
  fpu: Uint8Array;
  quads: Record<CpuQuad, bigint>;
  doubles: Record<CpuDouble, number>;
}

export const CPU_QUADS: readonly CpuQuad[] = Object.keys(QUADS) as CpuQuad[];
export const CPU_DOUBLES: readonly CpuDouble[] = Object.keys(DOUBLES) as CpuDouble[];

/** A CPU with every field 0. */
export function emptyHvmCpu(): HvmCpu {
  return {
    fpu: new Uint8Array(FPU_BYTES),
    quads: Object.fromEntries(CPU_QUADS.map((name) => [name, 0n])) as Record<CpuQuad, bigint>,
    doubles: Object.fromEntries(CPU_DOUBLES.map((name) => [name, 0])) as Record<CpuDouble, number>,
  };
}

export function encodeHvmCpu(cpu: HvmCpu): Uint8Array {
  const body = new Uint8Array(HVM_CPU_BYTES);
  const v = new DataView(body.buffer);
  body.set(cpu.fpu);
  for (const name of CPU_QUADS) v.setBigUint64(QUADS[name], cpu.quads[name], true);
  for (const name of CPU_DOUBLES) v.setUint32(DOUBLES[name], cpu.doubles[name], true);
  return body;
}

/**
 * The record's fields, and the first rule of Xen's loader they break.
 * @param body - 1032 bytes
 */
export function decodeHvmCpu(body: Uint8Array): { cpu: HvmCpu; problem: string | null } {
  const v = new DataView(body.buffer, body.byteOffset, body.length);
  const cpu = emptyHvmCpu();
  cpu.fpu = body.slice(0, FPU_BYTES);
  for (const name of CPU_QUADS) cpu.quads[name] = v.getBigUint64(QUADS[name], true);
  for (const name of CPU_DOUBLES) cpu.doubles[name] = v.getUint32(DOUBLES[name], true);
  const zero = ZEROS.every((at) => v.getUint32(at, true) === 0);
  return { cpu, problem: zero ? problemOf(cpu) : 'obsolete or padding fields are not 0' };
}

function problemOf({ quads, doubles }: HvmCpu): string | null {
  const { cr0, cr3, msr_efer: efer, msr_tsc_aux: tscAux } = quads;
  if (cr0 >> 32n !== 0n) return 'cr0 has reserved bits set';
  if ((cr0 & 0x10n) === 0n) return 'cr0.ET is not set';
  if ((cr0 & 0x80000001n) === 0x80000000n) return 'cr0.PG without cr0.PE';
  if (cr3 >> 52n !== 0n) return 'cr3 lies beyond physical memory';
  if ((efer & ~0xd01n) !== 0n) return 'msr_efer has unknown bits set';
  if (tscAux >> 32n !== 0n) return 'msr_tsc_aux has more than 32 bits';
  if ((doubles.flags & ~1) !== 0) return 'flags has unknown bits set';
  return null;
}
