// SPDX-License-Identifier: GPL-2.0-only
// What an operand size of 32 bits means in 16-bit code, as a processor has it (test/oracle/random.test.ts asks one).
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT_HLT, RAX, RBP, RBX, RCX, RSI, RSP, SEG_DS, SEG_ES } from '../../src/cpu/backend.ts';
import { asm16, asm32 } from '../helpers/guest-code.ts';
import { CODE, Machine, STACK } from './machine.ts';

const GP = 13;
const SS = 12;
const INVALID_OPCODE = 6;
const BOUND = 5;
const ZF = 0x40;
const CF = 1;
const SF_OF = 0x880;
const FAR = 0x12345678;

let m: Machine;
beforeAll(() => {
  m = new Machine();
});
afterAll(() => m[Symbol.dispose]());

type Registers = Readonly<Record<number, number>>;

function start(code: Uint8Array, flags = 2, gpr: Registers = {}): void {
  m.real(code, flags);
  for (const [index, value] of Object.entries(gpr)) m.cpu.regs.setGpr(Number(index), value);
}

/** Nothing of the instruction was done, and the handler is told where it is. */
function faults(vector: number): void {
  const sp = m.cpu.regs.gpr(RSP);
  expect(m.toHandler()).toBe(vector);
  expect(m.stack(0, 16)).toBe(CODE);
  expect(m.cpu.regs.gpr(RSP) & 0xffff).toBe((sp - 6) & 0xffff);
  m.leaveHandler();
}

describe('a near branch behind the end of the code segment is #GP', () => {
  test.each([
    ['JMP', asm16('66e97856341290f4', 'jmp dword +0x12345678; nop; hlt')],
    ['JMP to before its beginning', asm16('66e90080ffff', 'jmp dword -0x8000; hlt')],
    ['JMP SHORT to before its beginning', asm16('66eb80f4', 'o32 jmp short -0x80; hlt'), 0x40],
    ['CALL', asm16('66e87856341290f4', 'call dword +0x12345678; nop; hlt')],
    ['CALL through a register', asm16('66ffd3f4', 'call ebx; hlt')],
    ['JMP through a register', asm16('66ffe3f4', 'jmp ebx; hlt')],
    ['JMP through memory', asm16('66ff24f4', 'jmp dword [si]; hlt')],
    ['CALL through memory', asm16('66ff14f4', 'call dword [si]; hlt')],
    [
      'JMP through memory with a 32-bit address',
      asm16('6667ff24b540300000f4', 'jmp dword [esi*4+0x3040]; hlt'),
      CODE,
      0x10,
    ],
    ['RET', asm16('66c3f4', 'o32 ret; hlt')],
    ['RET and release', asm16('66c20800f4', 'o32 ret 8; hlt')],
  ])('%s', (_, code, at = CODE, esi = 0x3080) => {
    start(code, 2, { [RBX]: FAR, [RSI]: esi });
    m.ram.write(0x3080, 4, FAR);
    m.ram.write(STACK, 4, FAR);
    if (at !== CODE) {
      m.ram.writeBytes(at, code);
      m.cpu.regs.rip = at;
    }
    const sp = m.cpu.regs.gpr(RSP);
    expect(m.toHandler()).toBe(GP);
    expect(m.stack(0, 16)).toBe(at);
    expect(m.cpu.regs.gpr(RSP)).toBe(sp - 6);
    m.leaveHandler();
  });

  test.each([
    ['JZ', '660f84', ZF, 2],
    ['JNZ', '660f85', 2, ZF],
    ['JC', '660f82', CF, 2],
    ['JA', '660f87', 2, ZF],
    ['JL', '660f8c', 0x80, SF_OF],
    ['JG', '660f8f', SF_OF, 0x80],
  ])('%s, if it is taken', (_, opcode, taken, not) => {
    const code = asm16(`${opcode}78563412f4`, 'jcc dword +0x12345678; hlt');
    start(code, taken);
    faults(GP);
    start(code, not);
    m.runTo(EXIT_HLT);
  });

  test.each([
    ['LOOP', 'e2', 2, 1],
    ['LOOPE with ZF clear', 'e0', 2, 1],
    ['JCXZ', 'e3', 0, 1],
  ])('%s, if it is taken', (_, opcode, taken, not) => {
    const code = asm16(`66${opcode}80f4`, 'o32 loop -0x80; hlt');
    for (const [ecx, vector] of [
      [taken, GP],
      [not, -1],
    ] as const) {
      start(code, 2, { [RCX]: ecx });
      m.ram.writeBytes(0x40, code);
      m.cpu.regs.rip = 0x40;
      if (vector === GP) {
        expect(m.toHandler()).toBe(GP);
        expect(m.stack(0, 16)).toBe(0x40);
        m.leaveHandler();
        expect(m.cpu.regs.gpr(RCX)).toBe(ecx);
      } else m.runTo(EXIT_HLT);
    }
  });

  test.each([
    ['JMP', asm16('66e90a000000', 'jmp dword +10')],
    ['CALL', asm16('66e80a000000', 'call dword +10')],
    ['RET', asm16('66c3', 'o32 ret')],
    ['JMP through a register', asm16('66ffe3', 'jmp ebx')],
  ])('%s inside is none', (_, code) => {
    start(code, 2, { [RBX]: CODE + 16 });
    m.ram.write(STACK, 4, CODE + 16);
    m.ram.write(CODE + 16, 1, 0xf4);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.rip).toBe(CODE + 17);
  });

  test('CALL without room on the stack is #SS', () => {
    start(asm16('66e878563412f4', 'call dword +0x12345678; hlt'), 2, { [RSP]: 2 });
    // A fault with no room either: another exception would end in a shutdown, so it is caught before it is delivered.
    m.cpu.catchExceptions = true;
    m.cpu.run();
    m.cpu.catchExceptions = false;
    expect(m.cpu.exception.vector).toBe(SS);
  });

  test('with LOCK it is #UD', () => {
    start(asm16('f066e97856341290f4', 'lock jmp dword +0x12345678; hlt'));
    faults(INVALID_OPCODE);
  });
});

describe('ENTER with EBP in a stack of 16 bits', () => {
  test.each([
    [0x00017000, 0xb4435e58, 0x00016ffc],
    [0xf5908133, 0x0000a46e, 0xf590812f],
  ])('ESP %x, EBP %x', (esp, ebp, frame) => {
    start(asm16('66c8040000f4', 'o32 enter 4,0; hlt'), 2, { [RSP]: esp, [RBP]: ebp });
    m.runTo(EXIT_HLT);
    const { regs } = m.cpu;
    expect(regs.gpr(RBP)).toBe(frame);
    expect(regs.gpr(RSP)).toBe(frame - 4);
    expect(m.ram.read(frame & 0xffff, 4)).toBe(ebp);
  });
});

describe('ENTER with a frame pointer', () => {
  test('of 32 bits, where SP goes round: the upper half of ESP stays', () => {
    start(asm16('66c8080001f4', 'o32 enter 8,1; hlt'), 2, { [RSP]: 0x10000, [RBP]: 0x11234567 });
    m.runTo(EXIT_HLT);
    const { regs } = m.cpu;
    expect(regs.gpr(RBP)).toBe(0x1fffc);
    expect(regs.gpr(RSP)).toBe(0x1fff0);
    expect([0xfffc, 0xfff8].map((at) => m.ram.read(at, 4))).toEqual([0x11234567, 0x1fffc]);
  });
  test('of 16 bits on a stack of 32: only BP changes', () => {
    m.flat32(asm32('66c8080000f4', 'o16 enter 8,0; hlt'));
    m.cpu.regs.setGpr(RBP, 0xabcd1234);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RBP)).toBe(0xabcd0000 + STACK - 2);
    expect(m.cpu.regs.gpr(RSP)).toBe(STACK - 10);
  });
});

test('RET releases up to FFFF bytes', () => {
  m.flat32(asm32('c200f0', 'ret 0xf000'));
  m.ram.write(STACK, 4, CODE + 16);
  m.ram.write(CODE + 16, 1, 0xf4);
  m.runTo(EXIT_HLT);
  expect(m.cpu.regs.gpr(RSP)).toBe(STACK + 4 + 0xf000);
});

describe('operands with 32-bit addresses', () => {
  test.each([
    ['XCHG of a byte behind the segment', asm16('678603f4', 'xchg [ebx],al; hlt'), 0x10000, GP],
    ['XCHG of a byte at its end', asm16('678603f4', 'xchg [ebx],al; hlt'), 0xffff, -1],
    ['BOUND inside', asm16('676203f4', 'bound ax,[ebx]; hlt'), 0x3000, -1],
    ['BOUND of an index outside', asm16('676203f4', 'bound ax,[ebx]; hlt'), 0x3010, BOUND],
    ['BOUND at the end', asm16('676203f4', 'bound ax,[ebx]; hlt'), 0xfffe, GP],
  ])('%s', (_, code, address, vector) => {
    start(code, 2, { [RAX]: 5, [RBX]: address });
    for (const index of [SEG_DS, SEG_ES])
      m.cpu.regs.setSegment(index, { ...m.cpu.regs.segment(index), selector: 0, base: 0 });
    m.ram.write(0x3000, 4, 0x0009_0001);
    m.ram.write(0x3010, 4, 0x0004_0001);
    if (vector >= 0) faults(vector);
    else m.runTo(EXIT_HLT);
  });
});
