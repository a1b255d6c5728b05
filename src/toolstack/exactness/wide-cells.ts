// SPDX-License-Identifier: GPL-2.0-only
// Cells of operands of 8 bytes and more: x87, MMX, SSE, CMPXCHG8B, and the states that are stored whole.
import { answerTo, type Cell } from './cell.ts';
import type { Code } from './code.ts';
import { type Op, opCells } from './mmio-cells.ts';

const EAX = 0;
const ECX = 1;
const EDX = 2;
const EBX = 3;
/** High word of the first answer of a device: see `device.ts`. */
const FIRST_HIGH = 0x8899aabb;

/** CR4.OSFXSR: SSE on. */
function sse(c: Code): Code {
  return c.raw(0x0f, 0x20, 0xe0).wide(4).raw(0x0d).imm32(0x200).raw(0x0f, 0x22, 0xe0);
}
/** FNINIT; FLD1; FLDPI: two registers in use. */
function x87(c: Code): Code {
  return c.raw(0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0xeb);
}
/** MM1 and XMM1 hold something: PCMPEQD, PSRLQ. */
function filled(c: Code): Code {
  c.raw(0x0f, 0x76, 0xc9, 0x0f, 0x73, 0xd1, 5);
  return sse(c).raw(0x66, 0x0f, 0x76, 0xc9, 0x66, 0x0f, 0x73, 0xd1, 9);
}

const float = (name: string, size: number, opcode: number, reg: number): Op => ({
  name,
  sizes: [size],
  emit: (c, at) => x87(c).memory([opcode], reg, at, 1),
});
/** With register 1 of MMX or SSE. */
const vector = (name: string, size: number, ...opcode: number[]): Op => ({
  name,
  sizes: [size],
  emit: (c, at) => filled(c).memory(opcode, 1, at, 1),
});
const exchange8 = (name: string, lock: boolean, taken: boolean): Op => ({
  name,
  sizes: [8],
  whole: taken,
  emit: (c, at) => {
    c.set(EAX, taken ? answerTo(0) : 5).set(EDX, taken ? FIRST_HIGH : 6);
    c.set(EBX, 0x55667788).set(ECX, 0x99aabbcc);
    if (lock) c.raw(0xf0);
    c.memory([0x0f, 0xc7], 1, at, 1);
  },
});

const OPS: readonly Op[] = [
  float('fild', 8, 0xdf, 5),
  float('fistp', 8, 0xdf, 7),
  float('fadd', 8, 0xdc, 0),
  float('fcomp', 8, 0xdc, 3),
  float('fst', 8, 0xdd, 2),
  float('fld', 10, 0xdb, 5),
  float('fstp', 10, 0xdb, 7),
  float('fbld', 10, 0xdf, 4),
  float('fbstp', 10, 0xdf, 6),
  exchange8('cmpxchg8b taken', false, true),
  exchange8('cmpxchg8b not taken', false, false),
  exchange8('lock cmpxchg8b taken', true, true),
  vector('movq from', 8, 0x0f, 0x6f),
  vector('movq to', 8, 0x0f, 0x7f),
  vector('paddd mm', 8, 0x0f, 0xfe),
  vector('movq xmm from', 8, 0xf3, 0x0f, 0x7e),
  vector('movq xmm to', 8, 0x66, 0x0f, 0xd6),
  vector('movlps from', 8, 0x0f, 0x12),
  vector('movhps to', 8, 0x0f, 0x17),
  vector('addsd', 8, 0xf2, 0x0f, 0x58),
  vector('cvttsd2si', 8, 0xf2, 0x0f, 0x2c),
  vector('movups from', 16, 0x0f, 0x10),
  vector('movups to', 16, 0x0f, 0x11),
  vector('paddd xmm', 16, 0x66, 0x0f, 0xfe),
  float('fnstenv', 28, 0xd9, 6),
  float('fldenv', 28, 0xd9, 4),
  float('fnsave', 108, 0xdd, 6),
  float('frstor', 108, 0xdd, 4),
];

/** Sizes of what a 16-bit segment stores less of. */
const SHORTER: Readonly<Record<number, number>> = { 28: 14, 108: 94 };

/** Every such cell. */
export function wideCells(): Cell[] {
  return ([16, 32] as const).flatMap((bits) =>
    opCells(
      'MMIO of 8 bytes and more',
      bits,
      OPS.map((op) => ({
        ...op,
        sizes: (op.sizes ?? []).map((size) => (bits === 16 ? (SHORTER[size] ?? size) : size)),
      })),
    ),
  );
}
