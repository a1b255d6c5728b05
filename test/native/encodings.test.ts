// SPDX-License-Identifier: GPL-2.0-only
// Encodings and flags that the emulator library gets wrong by itself; the results are those of an 80286 and of the
// processors since.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT_HLT, RAX, RBX, RCX } from '../../src/cpu/backend.ts';
import { asm16 } from '../helpers/guest-code.ts';
import { CODE, Machine } from './machine.ts';

const CF = 0x001;
const SF = 0x080;
const OF = 0x800;
const INVALID_OPCODE = 6;

let m: Machine;
beforeAll(() => {
  m = new Machine();
});
afterAll(() => m[Symbol.dispose]());

describe('members that a group does not have', () => {
  test.each([
    ['8F /1', asm16('8f0800b0f4', 'db 0x8f,8; times 2 db 0; hlt')],
    ['8F /7, register', asm16('8ff8f4', 'db 0x8f,0xf8; hlt')],
    ['C6 /2', asm16('c6165555aaf4', 'db 0xc6,0x16,0x55,0x55,0xaa; hlt')],
    [
      'C7 /5 with prefixes',
      asm16('2e66c7c833221100f4', 'db 0x2e,0x66,0xc7,0xc8; dd 0x112233; hlt'),
    ],
  ])('%s: #UD', (_, code) => {
    m.real(code);
    expect(m.toHandler()).toBe(INVALID_OPCODE);
    expect(m.stack(0, 16)).toBe(CODE);
    m.leaveHandler();
  });
  test.each([
    ['8F /0', asm16('6834128fc1f4', 'push 0x1234; pop cx; hlt')],
    ['C7 /0', asm16('c7c13412f4', 'mov cx,0x1234; hlt')],
  ])('%s is executed', (_, code) => {
    m.real(code);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RCX)).toBe(0x1234);
  });
});

describe('F6 /1 and F7 /1 are TEST', () => {
  test.each([
    ['of a register', asm16('b80080f7c80080f4', 'mov ax,0x8000; db 0xf7,0xc8; dw 0x8000; hlt'), SF],
    ['of memory', asm16('f6060c10f0f4', 'test byte [0x100c],0xf0; hlt'), SF],
    ['of memory, as /1', asm16('f60e0c10f0f4', 'db 0xf6,0x0e; dw 0x100c; db 0xf0; hlt'), SF],
    ['to nothing', asm16('f7c8ffffbb0100f4', 'db 0xf7,0xc8; dw 0xffff; mov bx,1; hlt'), 0],
  ])('%s', (_, code, sign) => {
    m.real(code, CF | OF | 2);
    m.ram.write(0x100c, 1, 0x80);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.rflags & (SF | CF | OF)).toBe(sign);
  });
});

test.each([
  [1, 0xff, SF | CF],
  [0x80, 0x80, SF | CF | OF],
  [0xff, 1, CF],
  [0, 0, 0],
])('the flags of LOCK NEG of %i', (value, result, flags) => {
  m.real(asm16('f0f61e0050f4', 'lock neg byte [0x5000]; hlt'));
  m.ram.write(0x5000, 1, value);
  m.runTo(EXIT_HLT);
  expect(m.ram.read(0x5000, 1)).toBe(result);
  expect(m.cpu.regs.rflags & (SF | CF | OF)).toBe(flags);
});

// Undefined by the manuals, but the same on an 80286 and on a processor of today.
test.each([
  ['rcl al,2: 60, with carry', asm16('c0d002f4', 'rcl al,2; hlt'), 0x60, 1, 0x82, CF],
  ['rcl al,2: 40', asm16('c0d002f4', 'rcl al,2; hlt'), 0x40, 0, 0x00, CF | OF],
  ['rcl al,9: as it was', asm16('c0d009f4', 'rcl al,9; hlt'), 0x80, 0, 0x80, OF],
  ['rcr al,2: 01', asm16('c0d802f4', 'rcr al,2; hlt'), 0x01, 0, 0x80, OF],
  ['rcr al,2: 03, with carry', asm16('c0d802f4', 'rcr al,2; hlt'), 0x03, 1, 0xc0, CF],
] as const)('OF of %s', (_, code, al, carry, result, flags) => {
  m.real(code, carry | 2);
  m.cpu.regs.setGpr(RAX, al);
  m.runTo(EXIT_HLT);
  expect(m.cpu.regs.gpr(RAX)).toBe(result);
  expect(m.cpu.regs.rflags & (CF | OF)).toBe(flags);
  expect(m.cpu.regs.gpr(RBX)).toBe(0);
});

test('ICEBP is interrupt 1, INT3 still 3', () => {
  m.real(asm16('f1ccf4', 'icebp; int3; hlt'));
  expect(m.toHandler()).toBe(1);
  expect(m.stack(0, 16)).toBe(CODE + 1);
  m.leaveHandler();
  expect(m.toHandler()).toBe(3);
  expect(m.stack(0, 16)).toBe(CODE + 2);
  m.leaveHandler();
  m.runTo(EXIT_HLT);
});
