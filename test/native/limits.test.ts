// SPDX-License-Identifier: GPL-2.0-only
// Segment limits in real mode: #GP or #SS in place of an access that begins in a segment and ends behind it, with nothing
// of the instruction done. No processor is asked here; the 80286 suite and KVM say the same (docs/exactness.md).
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  EXIT_HLT,
  EXIT_MMIO,
  EXIT_PIO_STRING,
  EXIT_SHUTDOWN,
  RAX,
  RBP,
  RBX,
  RCX,
  RDI,
  RDX,
  RSI,
  RSP,
  SEG_DS,
  SEG_ES,
  SEG_FS,
  SEG_GS,
  SEG_SS,
} from '../../src/cpu/backend.ts';
import { asm16 } from '../helpers/guest-code.ts';
import { CODE, DEVICE, Machine } from './machine.ts';

const GP = 13;
const SS = 12;
/** Its end, 2000F, is no end of a page. */
const PARAGRAPH = 0x1001;
const BASE = PARAGRAPH * 16;
const END = 0xffff;

let m: Machine;
beforeAll(() => {
  m = new Machine();
});
afterAll(() => m[Symbol.dispose]());

interface Start {
  readonly gpr?: Readonly<Record<number, number>>;
  readonly segment?: number;
  readonly limit?: number;
}

/** At `code`, with BX = SI = DI = FFFF and DS, ES, FS and GS at PARAGRAPH. */
function start(code: Uint8Array, { gpr = {}, segment, limit = 0xffff }: Start = {}): void {
  m.real(code);
  const { regs } = m.cpu;
  for (const index of [SEG_DS, SEG_ES, SEG_FS, SEG_GS, ...(segment === undefined ? [] : [segment])])
    regs.setSegment(index, { ...regs.segment(index), selector: PARAGRAPH, base: BASE, limit });
  for (const index of [RBX, RSI, RDI]) regs.setGpr(index, END);
  for (const [index, value] of Object.entries(gpr)) regs.setGpr(Number(index), value);
  m.ram.bytes.fill(0x5a, BASE + 0xff00, BASE + 0x10100);
}

/** The vector, and that registers, memory and the address pushed are those from before the instruction. */
function faults(vector: number): void {
  const { regs } = m.cpu;
  const before = Array.from({ length: 8 }, (_, i) => regs.gpr(i));
  const sp = (before[RSP] ?? 0) - 6;
  const ram = m.ram.bytes.slice();
  expect(m.toHandler()).toBe(vector);
  expect(m.stack(0, 16)).toBe(CODE);
  const after = Array.from({ length: 8 }, (_, i) => regs.gpr(i));
  const want = before.map((value, i) => (i === RSP ? (value & ~0xffff) | (sp & 0xffff) : value));
  // BL has the vector.
  expect(after.with(RBX, 0)).toEqual(want.with(RBX, 0));
  const { base } = regs.segment(SEG_SS);
  for (let i = 0; i < 6; i++)
    ram[base + (sp & 0xffff) + i] = m.ram.bytes[base + (sp & 0xffff) + i] ?? 0;
  expect(Buffer.compare(ram, m.ram.bytes)).toBe(0);
  m.leaveHandler();
}

describe('a word at offset FFFF', () => {
  test.each([
    ['is loaded', asm16('8b07f4', 'mov ax,[bx]; hlt')],
    ['is stored', asm16('8907f4', 'mov [bx],ax; hlt')],
    ['is stored at a constant address', asm16('c706ffff3412f4', 'mov word [0xffff],0x1234; hlt')],
    ['is loaded into AX', asm16('a1fffff4', 'mov ax,[0xffff]; hlt')],
    ['is changed', asm16('0107f4', 'add [bx],ax; hlt')],
    ['is changed under LOCK', asm16('f00107f4', 'lock add [bx],ax; hlt')],
    ['is exchanged', asm16('8707f4', 'xchg [bx],ax; hlt')],
    ['is rotated', asm16('d117f4', 'rcl word [bx],1; hlt')],
    ['is pushed', asm16('ff37f4', 'push word [bx]; hlt')],
    ['is jumped through', asm16('ff27f4', 'jmp [bx]; hlt')],
    ['is a source of LODSW', asm16('adf4', 'lodsw; hlt')],
    ['is a source of MOVSW', asm16('a5f4', 'movsw; hlt')],
    ['is compared by SCASW', asm16('aff4', 'scasw; hlt')],
    ['is stored by REP STOSW', asm16('b90000f3abf4', 'rep stosw; hlt').subarray(3)],
    ['is loaded into the FPU', asm16('df07f4', 'fild word [bx]; hlt')],
    ['through ES', asm16('268b07f4', 'mov ax,[es:bx]; hlt')],
    ['through FS', asm16('648b07f4', 'mov ax,[fs:bx]; hlt')],
    ['through GS', asm16('658907f4', 'mov [gs:bx],ax; hlt')],
  ])('%s: #GP', (_, code) => {
    start(code, { gpr: { [RCX]: 3 } });
    faults(GP);
  });

  test.each([
    ['is loaded', asm16('8b4600f4', 'mov ax,[bp]; hlt')],
    ['is stored', asm16('368907f4', 'mov [ss:bx],ax; hlt')],
    ['is changed', asm16('ff4600f4', 'inc word [bp]; hlt')],
  ])('in the stack segment %s: #SS', (_, code) => {
    start(code, { segment: SEG_SS, gpr: { [RBP]: END } });
    faults(SS);
  });

  test('of another base, over the end of a page', () => {
    start(asm16('8b07f4', 'mov ax,[bx]; hlt'));
    m.cpu.regs.setSegment(SEG_DS, {
      ...m.cpu.regs.segment(SEG_DS),
      selector: 0x1000,
      base: 0x10000,
    });
    faults(GP);
  });

  test('again, out of the translated code, and without it in between', () => {
    const code = asm16('8b0743f4', 'mov ax,[bx]; inc bx; hlt');
    for (const bx of [END, 0x100, END, 0xfffe]) {
      start(code, { gpr: { [RBX]: bx } });
      if (bx === END) faults(GP);
      else m.runTo(EXIT_HLT);
    }
    expect(m.cpu.regs.gpr(RAX)).toBe(0x5a5a);
  });

  test('of a device, at a place whose access was within before', () => {
    const { regs } = m.cpu;
    start(asm16('668b07bbfeffebf8', 'l: mov eax,[bx]; mov bx,0xfffe; jmp l'), {
      gpr: { [RBX]: 0xff00 },
    });
    // All of the four bytes at FFFE are device memory, on one page.
    regs.setSegment(SEG_DS, {
      ...regs.segment(SEG_DS),
      selector: (DEVICE - 0xeff0) >>> 4,
      base: DEVICE - 0xeff0,
    });
    m.runTo(EXIT_MMIO);
    expect([m.cpu.exitAddr, m.cpu.exitSole]).toEqual([DEVICE + 0xf10, true]);
    m.cpu.answer(0x12345678, 0);
    expect(m.toHandler()).toBe(GP);
    expect([regs.gpr(RAX), m.stack(0, 16)]).toEqual([0x12345678, CODE]);
  });

  test('counts as one instruction', () => {
    start(asm16('8b07f4', 'mov ax,[bx]; hlt'));
    const before = m.cpu.icount;
    m.toHandler();
    // MOV BL stands before the OUT.
    expect(m.cpu.icount - before).toBe(2);
  });
});

describe('what ends at the limit is whole', () => {
  test.each([
    ['a byte at FFFF', asm16('8a07f4', 'mov al,[bx]; hlt'), END, 0x5a],
    ['a word at FFFE', asm16('8b07f4', 'mov ax,[bx]; hlt'), 0xfffe, 0x5a5a],
    ['a doubleword at FFFC', asm16('668b07f4', 'mov eax,[bx]; hlt'), 0xfffc, 0x5a5a5a5a],
  ])('%s', (_, code, bx, eax) => {
    start(code, { gpr: { [RBX]: bx } });
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RAX)).toBe(eax);
  });

  test.each([0xfffd, 0xfffe, 0xffff])('and a doubleword at %s is not', (bx) => {
    start(asm16('668b07f4', 'mov eax,[bx]; hlt'), { gpr: { [RBX]: bx } });
    faults(GP);
  });
});

describe('an operand of several parts, of which a later one is beyond', () => {
  test.each([
    ['LES', asm16('c407f4', 'les ax,[bx]; hlt'), 0xfffd],
    ['a far jump', asm16('ff2ff4', 'jmp far [bx]; hlt'), 0xfffd],
    ['BOUND', asm16('6207f4', 'bound ax,[bx]; hlt'), 0xfffd],
    ['CMPXCHG8B', asm16('0fc70ff4', 'cmpxchg8b [bx]; hlt'), 0xfff9],
    ['FLD of 10 bytes', asm16('db2ff4', 'fld tword [bx]; hlt'), 0xfff7],
    ['LIDT', asm16('0f011ff4', 'lidt [bx]; hlt'), 0xfffb],
  ])('%s', (_, code, bx) => {
    start(code, { gpr: { [RBX]: bx } });
    faults(GP);
  });
  // So on an 80286 and on an AMD EPYC.
  test('behind a word at FFFE comes one at 0', () => {
    const at = (code: Uint8Array, gpr: Start['gpr'] = {}): void => {
      start(code, { gpr: { [RBX]: 0xfffe, ...gpr } });
      m.ram.write(BASE + 0xfffe, 2, CODE + 2);
      m.ram.write(BASE, 2, 0);
      m.ram.write(BASE + 0x10000, 2, 0x1234);
      m.runTo(EXIT_HLT);
    };
    at(asm16('c437f4', 'les si,[bx]; hlt'));
    expect([m.cpu.regs.gpr(RSI), m.cpu.regs.segment(SEG_ES).selector]).toEqual([CODE + 2, 0]);
    at(asm16('ff2ff4', 'jmp far [bx]; hlt'));
    expect(m.cpu.regs.rip).toBe(CODE + 3);
    const bound = asm16('6207f4', 'bound ax,[bx]; hlt');
    start(bound, { gpr: { [RBX]: 0xfffe, [RAX]: 0x10 } });
    m.ram.write(BASE + 0xfffe, 2, 0);
    m.ram.write(BASE, 2, 0x20);
    m.ram.write(BASE + 0x10000, 2, 0);
    m.runTo(EXIT_HLT);
    start(bound, { gpr: { [RBX]: 0xfffe, [RAX]: 0x30 } });
    m.ram.write(BASE + 0xfffe, 2, 0);
    m.ram.write(BASE, 2, 0x20);
    m.ram.write(BASE + 0x10000, 2, 0x40);
    expect(m.toHandler()).toBe(5);
    m.leaveHandler();
  });
  test('BOUND that ends at the limit is within', () => {
    start(asm16('6207f4', 'bound ax,[bx]; hlt'), { gpr: { [RBX]: 0xfffc, [RAX]: 0x5a5a } });
    m.runTo(EXIT_HLT);
  });
});

describe('the stack', () => {
  const stack = (code: Uint8Array, sp: number): void =>
    start(code, { segment: SEG_SS, gpr: { [RSP]: sp } });

  test.each([
    ['POP', asm16('58f4', 'pop ax; hlt'), 0xffff],
    ['POPF', asm16('9df4', 'popf; hlt'), 0xffff],
    ['RET', asm16('c3f4', 'ret; hlt'), 0xffff],
    ['RETF, its second word', asm16('cbf4', 'retf; hlt'), 0xfffd],
    ['IRET, its third word', asm16('cff4', 'iret; hlt'), 0xfffb],
    ['POP of 4 bytes', asm16('6658f4', 'pop eax; hlt'), 0xfffe],
    ['POPA, its last word', asm16('61f4', 'popa; hlt'), 0xfff1],
    ['LEAVE', asm16('c9f4', 'leave; hlt'), 0x800],
  ])('%s beyond the limit: #SS', (_, code, sp) => {
    stack(code, sp);
    m.cpu.regs.setGpr(RBP, END);
    faults(SS);
  });

  test('RETF whose second word is at offset 0', () => {
    stack(asm16('cbf4', 'retf; hlt'), 0xfffe);
    m.ram.write(BASE + 0xfffe, 2, CODE + 1);
    m.ram.write(BASE, 2, 0);
    m.ram.write(BASE + 0x10000, 2, 0x1234);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.rip).toBe(CODE + 2);
    expect(m.cpu.regs.gpr(RSP)).toBe(2);
  });

  test.each([
    ['PUSH', asm16('50f4', 'push ax; hlt')],
    ['INT', asm16('cd20f4', 'int 0x20; hlt')],
    ['CALL FAR', asm16('9a00100000f4', 'call 0:0x1000; hlt')],
  ])('%s with SP = 1 shuts down: there is no room for what #SS pushes', (_, code) => {
    stack(code, 1);
    m.runTo(EXIT_SHUTDOWN);
  });
  test.each([3, 5])('so does INT with SP = %i', (sp) => {
    stack(asm16('cd20f4', 'int 0x20; hlt'), sp);
    m.runTo(EXIT_SHUTDOWN);
  });
  test('an interrupt shuts down there, too', () => {
    stack(asm16('fb90f4', 'sti; nop; hlt'), 3);
    m.cpu.irq = 0x20;
    m.runTo(EXIT_SHUTDOWN);
  });
  test.each([0, 2, 6, 7])('an INT with SP = %i does not', (sp) => {
    stack(asm16('cd20f4', 'int 0x20; hlt'), sp);
    expect(m.toHandler()).toBe(0x20);
    expect(m.cpu.regs.gpr(RSP)).toBe((sp - 6) & 0xffff);
    m.leaveHandler();
  });
});

describe('devices', () => {
  test('INSW does not ask one whose answer has no place', () => {
    start(asm16('6df4', 'insw; hlt'), { gpr: { [RDX]: 0x60 } });
    faults(GP);
    start(asm16('6df4', 'insw; hlt'), { gpr: { [RDX]: 0x60, [RDI]: 0xfffe } });
    m.runTo(EXIT_PIO_STRING);
    m.cpu.answer(0x1234, 0);
    m.runTo(EXIT_HLT);
    expect(m.ram.read(BASE + 0xfffe, 2)).toBe(0x1234);
  });
  test('OUTSW does not tell one what is not there', () => {
    start(asm16('6ff4', 'outsw; hlt'), { gpr: { [RDX]: 0x60 } });
    faults(GP);
  });
  test.each([
    ['MOVSW', asm16('a5f4', 'movsw; hlt')],
    ['REP MOVSW', asm16('f3a5f4', 'rep movsw; hlt')],
  ])('%s from one: it is asked, then there is no place, and nothing for a batch', (_, code) => {
    start(code, { gpr: { [RCX]: 2, [RSI]: 0x10 } });
    const ds = { ...m.cpu.regs.segment(SEG_DS), selector: 0xd000, base: 0xd0000 };
    m.cpu.regs.setSegment(SEG_DS, ds);
    m.runTo(EXIT_MMIO);
    expect(m.cpu.stringOp()).toBeNull();
    m.cpu.answer(0x1234, 0);
    faults(GP);
  });
  test('in device memory: no access', () => {
    start(asm16('8b07f4', 'mov ax,[bx]; hlt'));
    // D0000 to D1FFF are the device's: the segment ends in it.
    m.cpu.regs.setSegment(SEG_DS, {
      ...m.cpu.regs.segment(SEG_DS),
      selector: 0xc100,
      base: 0xc1000,
    });
    faults(GP);
    start(asm16('8b07f4', 'mov ax,[bx]; hlt'), { gpr: { [RBX]: 0xfffe } });
    m.cpu.regs.setSegment(SEG_DS, {
      ...m.cpu.regs.segment(SEG_DS),
      selector: 0xc100,
      base: 0xc1000,
    });
    m.runTo(EXIT_MMIO);
    expect([m.cpu.exitAddr, m.cpu.exitSize]).toEqual([0xd0ffe, 2]);
    m.cpu.rollback();
  });
});

describe('addresses of 32 bits', () => {
  const load = asm16('67668b03f4', 'mov eax,[dword ebx]; hlt');
  test.each([
    [0xfffc, null],
    [0xfffd, GP],
    [0x10000, GP],
    [0x20000, GP],
    [0xfffffffc, GP],
  ])('%i within a limit of FFFF', (ebx, vector) => {
    start(load, { gpr: { [RBX]: ebx } });
    if (vector === null) m.runTo(EXIT_HLT);
    else faults(vector);
  });
  test('a byte, too', () => {
    start(asm16('678a03f4', 'mov al,[dword ebx]; hlt'), { gpr: { [RBX]: 0x10000 } });
    faults(GP);
  });
  test('without a limit go on, and words at FFFF as well', () => {
    const limit = 0xffffffff;
    start(load, { limit, gpr: { [RBX]: 0x10000 } });
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RAX)).toBe(0x5a5a5a5a);
    start(asm16('8b07f4', 'mov ax,[bx]; hlt'), { limit });
    m.ram.write(BASE + END, 2, 0x1234);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RAX)).toBe(0x1234);
  });
  test('of a limit between: the last byte counts', () => {
    for (const [ebx, vector] of [
      [0x1fffc, null],
      [0x1fffd, GP],
    ] as const) {
      start(load, { limit: 0x1ffff, gpr: { [RBX]: ebx } });
      if (vector === null) m.runTo(EXIT_HLT);
      else faults(vector);
    }
  });
});
