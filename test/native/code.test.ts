// SPDX-License-Identifier: GPL-2.0-only
// Code that changes: by itself, by the host, by being more than the emulator can keep.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT_BUDGET, EXIT_HLT, EXIT_PIO_STRING, RAX, RBX, RCX } from '../../src/cpu/backend.ts';
import { asm16, asm32 } from '../helpers/guest-code.ts';
import { CODE, Machine, MIB } from './machine.ts';

let m: Machine;
beforeAll(() => {
  m = new Machine();
});
afterAll(() => m[Symbol.dispose]());

/** Runs to HLT and gives the number of instructions. */
function count(): number {
  const before = m.cpu.icount;
  m.runTo(EXIT_HLT);
  return m.cpu.icount - before;
}

describe('code that changes itself', () => {
  test('the next instruction, in the same block', () => {
    m.real(asm16('c6060510439041f4', 'org 0x1000; mov byte [n],0x43; n: nop; inc cx; hlt'));
    expect(count()).toBe(4);
    expect([m.cpu.regs.gpr(RBX), m.cpu.regs.gpr(RCX)]).toEqual([1, 1]);
  });

  const stores: readonly [string, Uint8Array, number, number][] = [
    // what, code, INC BX executed, instructions
    [
      'stosb',
      asm16('bf0610b043aa90f4', 'org 0x1000; mov di,n; mov al,0x43; stosb; n: nop; hlt'),
      1,
      5,
    ],
    [
      'movsb',
      asm16(
        'be0910bf0710a490f443',
        'org 0x1000; mov si,s; mov di,n; movsb; n: nop; hlt; s: inc bx',
      ),
      1,
      5,
    ],
    [
      'xchg',
      asm16('b043908606071090f4', 'org 0x1000; mov al,0x43; nop; xchg [n],al; n: nop; hlt'),
      1,
      5,
    ],
    ['sub', asm16('b04d2806061090f4', 'org 0x1000; mov al,0x4d; sub [n],al; n: nop; hlt'), 1, 4],
    [
      'push',
      asm16(
        'bc0910b84343509090f4',
        'org 0x1000; mov sp,n+2; mov ax,0x4343; push ax; n: nop; nop; hlt',
      ),
      2,
      6,
    ],
  ];
  for (const [what, code, incremented, instructions] of stores) {
    test(`by ${what}`, () => {
      m.real(code);
      expect(count()).toBe(instructions);
      expect(m.cpu.regs.gpr(RBX)).toBe(incremented);
    });
  }

  test('by INS, while it repeats', () => {
    m.real(
      asm16(
        'b90300bf0810f36c909090f4',
        'org 0x1000; mov cx,3; mov di,n; rep insb; n: nop; nop; nop; hlt',
      ),
    );
    const before = m.cpu.icount;
    for (let i = 0; i < 3; i++) {
      m.runTo(EXIT_PIO_STRING);
      m.cpu.answer(0x43, 0);
    }
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RBX)).toBe(3);
    // Three repetitions, the look at CX that ends them, and six others.
    expect(m.cpu.icount - before).toBe(10);
  });

  test('a loop that changes an immediate in its body, counted exactly', () => {
    // l: inc byte [n+1]; n: mov al,0; add bx,ax; loop l
    m.real(
      asm16(
        'b9640031c0fe060a10b00001c3e2f6f4',
        'org 0x1000; mov cx,100; xor ax,ax; l: inc byte [n+1]; n: mov al,0; add bx,ax; loop l; hlt',
      ),
    );
    expect(count()).toBe(2 + 4 * 100 + 1);
    expect(m.cpu.regs.gpr(RBX)).toBe(5050);
  });

  test('data beside code does no harm', () => {
    m.real(
      asm16(
        'b9e803ff060a10e2faf40000',
        'org 0x1000; mov cx,1000; l: inc word [d]; loop l; hlt; d: dw 0',
      ),
    );
    expect(count()).toBe(1 + 2000 + 1);
    expect(m.ram.read(CODE + 10, 2)).toBe(1000);
  });

  test('stopped after every instruction', () => {
    m.real(
      asm16(
        'b9140031c0fe060a10b00001c3e2f6f4',
        'org 0x1000; mov cx,20; xor ax,ax; l: inc byte [n+1]; n: mov al,0; add bx,ax; loop l; hlt',
      ),
    );
    const before = m.cpu.icount;
    for (let i = 1; i <= 2 + 80; i++) {
      m.cpu.deadline = before + i;
      m.runTo(EXIT_BUDGET);
      expect(m.cpu.icount).toBe(before + i);
    }
    m.cpu.deadline = Number.MAX_SAFE_INTEGER;
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RBX)).toBe(210);
  });
});

describe('host writes into code', () => {
  test('take effect in code that has run, and at a pending exit', () => {
    m.real(asm16('e46043ebfb', 'l: in al,0x60; inc bx; jmp l'));
    for (let i = 0; i < 3; i++) m.port();
    m.port();
    expect(m.cpu.regs.gpr(RBX)).toBe(3);
    m.runTo(1);
    // inc bx -> dec bx, while the access is pending
    m.ram.write(CODE + 2, 1, 0x4b);
    m.cpu.rollback();
    m.port();
    m.port();
    m.runTo(1);
    expect(m.cpu.regs.gpr(RBX)).toBe(2);
  });

  test('at a pending exit that is then answered: from the next block on', () => {
    m.real(asm16('e460eb0043ebf9', 'l: in al,0x60; jmp n; n: inc bx; jmp l'));
    for (let i = 0; i < 3; i++) m.port();
    m.runTo(1);
    m.ram.write(CODE + 4, 1, 0x4b);
    m.cpu.answer(0, 0);
    m.runTo(1);
    expect(m.cpu.regs.gpr(RBX)).toBe(2);
  });

  test('behind the back of GuestRam, announced with hostWrote()', () => {
    m.real(asm16('e46043ebfb', 'l: in al,0x60; inc bx; jmp l'));
    for (let i = 0; i < 3; i++) m.port();
    m.runTo(1);
    m.ram.bytes[CODE + 2] = 0x4b;
    m.cpu.hostWrote(CODE + 2, 1);
    m.cpu.rollback();
    m.port();
    m.runTo(1);
    expect(m.cpu.regs.gpr(RBX)).toBe(2);
  });

  test('over the end of a page, and into a page without code', () => {
    m.real(asm16('eafe8f0000', 'jmp 0:0x8ffe'));
    m.ram.writeBytes(0x8ffe, asm16('43b001f4', 'inc bx; mov al,1; hlt'));
    m.runTo(EXIT_HLT);
    m.real(asm16('eafe8f0000', 'jmp 0:0x8ffe'));
    m.ram.writeBytes(0x8fff, asm16('b002', 'mov al,2'));
    m.ram.writeBytes(0xa000, Uint8Array.of(1, 2, 3));
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RAX) & 0xff).toBe(2);
  });
});

test('a ROM cannot be changed by its guest, and its code runs', () => {
  using rom = new Machine(MIB, [
    { gpa: 0, bytes: 0x80000, offset: 0, writable: true },
    { gpa: 0x80000, bytes: 0x80000, offset: 0x80000, writable: false },
  ]);
  rom.real(asm16('ea00000080', 'jmp 0x8000:0'));
  rom.ram.writeBytes(0x80000, asm16('2ec60606004b43f4', 'mov byte [cs:6],0x4b; inc bx; hlt'));
  rom.runTo(EXIT_HLT);
  expect(rom.cpu.regs.gpr(RBX)).toBe(1);
});

test('more code than the emulator can keep: 300,000 different blocks, twice', () => {
  const blocks = 300_000;
  using big = new Machine(2 * MIB, [{ gpa: 0, bytes: 2 * MIB, offset: 0, writable: true }]);
  big.flat32(asm32('31c941e9f8ff0000', 'xor ecx,ecx; l: inc ecx; jmp 0x10000'));
  // Each block: add eax,imm8; jmp to the next
  const code = new Uint8Array(blocks * 5);
  for (let i = 0; i < blocks; i++) code.set([0x83, 0xc0, i & 0x7f, 0xeb, 0x00], i * 5);
  big.ram.writeBytes(0x10000, code);
  big.ram.writeBytes(0x10000 + code.length, asm32('f4', 'hlt'));
  let sum = 0;
  for (let i = 0; i < blocks; i++) sum += i & 0x7f;
  for (let round = 1; round <= 2; round++) {
    const before = big.cpu.icount;
    big.cpu.regs.halted = false;
    big.cpu.regs.setGpr(RAX, 0);
    big.cpu.regs.rip = 0x10000;
    big.runTo(EXIT_HLT);
    expect(big.cpu.regs.gpr(RAX)).toBe(sum);
    expect(big.cpu.icount - before).toBe(2 * blocks + 1);
  }
}, 240_000);
