// SPDX-License-Identifier: GPL-2.0-only
// Cells of everything else that has a memory operand, and of a stack in device memory.
import { answerTo, type Cell, STACK } from './cell.ts';
import { type Code, TARGET } from './code.ts';
import { alu, type Op, opCells, unary, wide } from './mmio-cells.ts';

const EAX = 0;
const ECX = 1;
const EDX = 2;
const ESP = 4;

/** STC, and CL = 3 for the shifts that want it. */
const shift = (name: string, opcode: number, reg: number): Op => ({
  name,
  emit: (c, at, size) =>
    c
      .set(ECX, 3)
      .raw(0xf9)
      .memory([opcode + wide(size)], reg, at, size),
});
/** Reads, and writes registers or flags only. */
const reads = (name: string, sizes: readonly number[], reg: number, ...opcode: number[]): Op => ({
  name,
  sizes,
  emit: (c, at, size) => c.set(EAX, 0x12345678).set(EDX, 1).memory(opcode, reg, at, size),
});
const locked = (name: string, emit: Op['emit'], more: Partial<Op> = {}): Op => ({
  ...more,
  name,
  emit: (c, at, size) => {
    c.set(EAX, more.whole === true ? answerTo(0) : 5).set(ECX, 0x55667788);
    emit(c.raw(0xf0), at, size);
  },
});
/** ESP is at the operand while `body` runs, and in RAM again afterwards. */
const stack = (
  name: string,
  sizes: readonly number[],
  push: boolean,
  body: (c: Code, size: number) => void,
): Op => ({
  name,
  sizes,
  emit: (c, at, size) => {
    c.set(EAX, 0xa1b2c3d4).set(ESP, push ? at + size : at);
    body(c, size);
    c.set(ESP, STACK);
  },
});
/** PUSH, POP, CALL and RET with a stack in device memory, and what stores several registers. */
const word = (c: Code, size: number, ...bytes: number[]): Code =>
  c.wide(size as 2 | 4).raw(...bytes);

const OPS: readonly Op[] = [
  alu('sbb', 0x18),
  alu('cmp', 0x38),
  alu('test', 0x84),
  shift('rol cl', 0xd2, 0),
  shift('rcl 1', 0xd0, 2),
  shift('rcr cl', 0xd2, 3),
  shift('shl cl', 0xd2, 4),
  shift('sar 1', 0xd0, 7),
  unary('mul', 0xf6, 4),
  unary('imul', 0xf6, 5),
  { name: 'bt', sizes: [2, 4], emit: (c, at, s) => c.memory([0x0f, 0xba], 4, at, s).raw(3) },
  reads('cmovc', [2, 4], EAX, 0x0f, 0x42),
  reads('imul r', [2, 4], EAX, 0x0f, 0xaf),
  reads('bsf', [2, 4], EAX, 0x0f, 0xbc),
  reads('fnstcw', [2], 7, 0xd9),
  reads('fnstsw', [2], 7, 0xdd),
  reads('smsw', [2], 4, 0x0f, 0x01),
  reads('mov from FS', [2], 4, 0x8c),
  { name: 'shld', sizes: [2, 4], emit: (c, at, s) => c.memory([0x0f, 0xa4], ECX, at, s).raw(3) },
  { name: 'setc', sizes: [1], emit: (c, at) => c.raw(0xf9).memory([0x0f, 0x92], 0, at, 1) },
  {
    name: 'store immediate',
    emit: (c, at, size) => {
      c.memory([0xc6 + wide(size)], 0, at, size).raw(0x5a);
      if (size > 1) c.raw(0x6b);
      if (size > 2) c.raw(0x7c, 0x0d);
    },
  },
  {
    name: 'div',
    sizes: [4],
    emit: (c, at, size) => c.set(EAX, 0x7fffffff).set(EDX, 0).memory([0xf7], 6, at, size),
  },
  locked('lock add', (c, at, size) => c.memory([wide(size)], ECX, at, size)),
  locked('lock xadd', (c, at, size) => c.memory([0x0f, 0xc0 + wide(size)], ECX, at, size)),
  locked(
    'lock cmpxchg taken',
    (c, at, size) => c.memory([0x0f, 0xb0 + wide(size)], ECX, at, size),
    {
      whole: true,
    },
  ),
  locked('lock bts', (c, at, size) => c.memory([0x0f, 0xba], 5, at, size).raw(7), {
    sizes: [2, 4],
  }),
  stack('push onto a device', [2, 4], true, (c, size) => word(c, size, 0x50)),
  stack('pop from a device', [2, 4], false, (c, size) => word(c, size, 0x58)),
  stack('pushf onto a device', [2, 4], true, (c, size) => word(c, size, 0x9c)),
  stack('call with a stack in a device', [2, 4], true, (c, size) => {
    // CALL to the next instruction.
    word(c, size, 0xe8, 0, 0);
    if (size === 4) c.raw(0, 0);
  }),
  stack('pusha onto a device', [16, 32], true, (c, size) => word(c, size / 8, 0x60)),
  {
    name: 'popa from a device',
    sizes: [16, 32],
    // ESP is not loaded; the flags of the cell's end do not depend on EBP.
    emit: (c, at, size) => {
      c.set(ESP, at);
      word(c, size / 8, 0x61).set(ESP, STACK);
    },
  },
  {
    name: 'ret from a device',
    sizes: [2, 4],
    whole: true,
    answers: [TARGET],
    emit: (c, at, size) => word(c.set(ESP, at), size, 0xc2, 0, 0),
  },
  {
    name: 'bound',
    sizes: [4],
    answers: [1, 9],
    whole: true,
    emit: (c, at) => c.set(EAX, 5).memory([0x62], EAX, at, 4),
  },
  {
    name: 'jmp far m',
    sizes: [2],
    modes: [16],
    whole: true,
    answers: [TARGET, 0],
    emit: (c, at) => c.memory([0xff], 5, at, 2),
  },
  {
    name: 'les',
    sizes: [2],
    modes: [16],
    whole: true,
    answers: [0x1234, 0],
    emit: (c, at) => c.memory([0xc4], EAX, at, 2),
  },
];

/** Every such cell. */
export function moreCells(): Cell[] {
  return ([16, 32] as const).flatMap((bits) => opCells('MMIO, more forms', bits, OPS));
}
