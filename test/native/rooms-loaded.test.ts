// SPDX-License-Identifier: GPL-2.0-only
// Limits and rights of segments in protected mode: segments that the guest loads, port strings, and operands of which only
// one has a limit.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  EXIT_HLT,
  EXIT_PIO_STRING,
  RBX,
  RCX,
  RDI,
  RDX,
  RSI,
  SEG_CS,
  SEG_DS,
  SEG_ES,
  SEG_FS,
} from '../../src/cpu/backend.ts';
import { newStringWords } from '../../src/cpu/string-words.ts';
import { asm16, asm32 } from '../helpers/guest-code.ts';
import * as M from './machine.ts';
import { GP, LIMIT, Narrow, NULL, narrow, type Registers, UP } from './narrow.ts';

let m: Narrow;
beforeAll(() => {
  m = new Narrow();
});
afterAll(() => m[Symbol.dispose]());

describe('segments that the guest loads', () => {
  const GDT_NARROW = 0x40;
  const withDescriptor = (code: Uint8Array, gpr: Registers): void => {
    m.start(code, {}, gpr);
    m.ram.write(M.GDT + GDT_NARROW, 4, LIMIT);
    m.ram.write(M.GDT + GDT_NARROW + 4, 4, 0x409300);
    m.cpu.regs.setTable('gdt', M.GDT, GDT_NARROW + 7);
  };
  test.each([
    ['DS', asm32('b8400000008ed88a03f4', 'mov eax,0x40; mov ds,eax; mov al,[ebx]; hlt')],
    ['FS', asm32('b8400000008ee0648a03f4', 'mov eax,0x40; mov fs,eax; mov al,[fs:ebx]; hlt')],
  ])('%s', (_, code) => {
    for (const [ebx, vector] of [
      [LIMIT, null],
      [LIMIT + 1, GP],
      [LIMIT, null],
    ] as const) {
      withDescriptor(code, { [RBX]: ebx });
      if (vector === null) m.runTo(EXIT_HLT);
      else m.faults(vector, 7);
    }
  });
  test('ES in 16-bit code, in the same block', () => {
    const code = asm16('b840008ec0268a07f4', 'mov ax,0x40; mov es,ax; mov al,[es:bx]; hlt');
    for (const bx of [LIMIT, LIMIT + 1]) {
      withDescriptor(code, { [RBX]: bx });
      const cs = m.cpu.regs.segment(SEG_CS);
      m.cpu.regs.setSegment(SEG_CS, { ...cs, limit: 0xffff, attributes: 0x9b00 });
      if (bx === LIMIT) m.runTo(EXIT_HLT);
      else m.faults(GP, 5);
    }
  });
  test('loading CS or FS does not make the others flat', () => {
    const jump = asm32('ea0710000008008a03f4', 'jmp 8:next; next: mov al,[ebx]; hlt');
    m.start(jump, { [SEG_DS]: UP }, { [RBX]: LIMIT + 1 });
    m.faults(GP, 7);
    const load = asm32(
      '66b810008ee0eb008a03f4',
      'mov ax,0x10; mov fs,eax; jmp $+2; mov al,[ebx]; hlt',
    );
    m.start(load, { [SEG_DS]: UP }, { [RBX]: LIMIT + 1 });
    m.faults(GP, 8);
  });
  test('null in protected mode, loaded in real mode: not null', () => {
    const code = asm16(
      '0f20c024fe0f22c031c98ee10c010f22c0648a1ff4',
      'mov eax,cr0; and al,0xfe; mov cr0,eax; xor cx,cx; mov fs,cx; or al,1; mov cr0,eax; mov bl,[fs:bx]; hlt',
    );
    m.start(code, { [SEG_FS]: NULL }, { [RBX]: 0x8800 });
    const cs = m.cpu.regs.segment(SEG_CS);
    m.cpu.regs.setSegment(SEG_CS, { ...cs, limit: 0xffff, attributes: 0x9b00 });
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RBX)).toBe(0x885a);
  });
  test('a restored state has its limits', () => {
    const code = asm32('8a03f4', 'mov al,[ebx]; hlt');
    m.start(code, { [SEG_DS]: UP }, { [RBX]: LIMIT + 1 });
    const state = m.cpu.save();
    m.start(code, {}, { [RBX]: LIMIT + 1 });
    m.runTo(EXIT_HLT);
    m.cpu.restore(state);
    m.faults(GP);
  });
});

describe('where only one of two operands has a limit', () => {
  const segments = { [SEG_FS]: UP };
  test.each([
    ['MOVS', asm32('64a5f4', 'fs movsd; hlt')],
    ['MOVS with 16-bit addresses', asm32('6764a5f4', 'fs a16 movsd; hlt')],
  ])('%s', (_, code) => {
    m.start(code, segments, { [RSI]: 0x8800, [RDI]: 0xa000 });
    m.runTo(EXIT_HLT);
    expect(m.ram.read(0xa000, 4)).toBe(0x5a5a5a5a);
  });
});

describe('devices', () => {
  test('INS does not ask one whose answer has no place', () => {
    const code = asm32('6df4', 'insd; hlt');
    for (const es of [UP, narrow(1), NULL]) {
      m.start(code, { [SEG_ES]: es }, { [RDX]: 0x60, [RDI]: es === UP ? LIMIT : 0x8800 });
      m.faults(GP);
    }
    m.start(code, { [SEG_ES]: UP }, { [RDX]: 0x60, [RDI]: LIMIT - 3 });
    m.runTo(EXIT_PIO_STRING);
    m.cpu.rollback();
  });
  test('OUTS does not tell one what is not there', () => {
    m.start(asm32('6ff4', 'outsd; hlt'), { [SEG_DS]: UP }, { [RDX]: 0x60, [RSI]: LIMIT });
    m.faults(GP);
  });
  test('a batch of INS is one only where there is room for all of it', () => {
    const code = asm32('f36cf4', 'rep insb; hlt');
    for (const [edi, whole] of [
      [LIMIT - 1, false],
      [LIMIT - 2, true],
    ] as const) {
      m.start(code, { [SEG_ES]: UP }, { [RDX]: 0x60, [RDI]: edi, [RCX]: 3 });
      m.runTo(EXIT_PIO_STRING);
      expect(m.cpu.strings.read(newStringWords())).toBe(whole);
      m.cpu.rollback();
    }
  });
});

test('counts as one instruction', () => {
  m.start(asm32('8b03f4', 'mov eax,[ebx]; hlt'), { [SEG_DS]: NULL });
  const before = m.cpu.icount;
  m.toHandler();
  // MOV BL stands before the OUT.
  expect(m.cpu.icount - before).toBe(2);
});
