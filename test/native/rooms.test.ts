// SPDX-License-Identifier: GPL-2.0-only
// Limits and rights of segments in protected mode: #GP(0) or #SS(0) in place of an access that its segment does not have
// room for, with nothing of the instruction done. The host's processor is asked about the same at random
// (test/oracle/random.test.ts); here is what it cannot be asked: devices, FS and GS, null and code segments.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  EXIT_HLT,
  EXIT_MMIO,
  RAX,
  RBP,
  RBX,
  RCX,
  RDI,
  RSI,
  RSP,
  SEG_CS,
  SEG_DS,
  SEG_ES,
  SEG_FS,
  SEG_GS,
  SEG_SS,
} from '../../src/cpu/backend.ts';
import { asm32 } from '../helpers/guest-code.ts';
import * as M from './machine.ts';
import { BIG, GP, LIMIT, Narrow, NULL, narrow, type Segments, SS, UP } from './narrow.ts';

const READ_ONLY = narrow(1);
const DOWN = narrow(7, 0x7fff);
const CODE_SEGMENT = narrow(0xb);

let m: Narrow;
beforeAll(() => {
  m = new Narrow();
});
afterAll(() => m[Symbol.dispose]());

describe('an operand that ends behind the limit, and one that ends at it', () => {
  test.each([
    ['MOV, load', asm32('8b03f4', 'mov eax,[ebx]; hlt'), 4],
    ['MOV, store', asm32('8903f4', 'mov [ebx],eax; hlt'), 4],
    ['MOV, a byte', asm32('8a03f4', 'mov al,[ebx]; hlt'), 1],
    ['ADD', asm32('0103f4', 'add [ebx],eax; hlt'), 4],
    ['RCL', asm32('d113f4', 'rcl dword [ebx],1; hlt'), 4],
    ['XCHG', asm32('8703f4', 'xchg [ebx],eax; hlt'), 4],
    ['LOCK ADD', asm32('f00103f4', 'lock add [ebx],eax; hlt'), 4],
    ['CMPXCHG8B', asm32('0fc70bf4', 'cmpxchg8b [ebx]; hlt'), 8],
    ['FXSAVE', asm32('0fae03f4', 'fxsave [ebx]; hlt'), 512],
    ['FLD of 10 bytes', asm32('db2bf4', 'fld tword [ebx]; hlt'), 10],
    ['BOUND', asm32('6203f4', 'bound eax,[ebx]; hlt'), 8],
    ['PUSH', asm32('ff33f4', 'push dword [ebx]; hlt'), 4],
    ['SETC', asm32('0f9203f4', 'setc [ebx]; hlt'), 1],
    ['16-bit addresses', asm32('678a07f4', 'mov al,[bx]; hlt'), 1],
  ])('%s', (_, code, size) => {
    // FXSAVE has to be aligned.
    const beyond = size === 512 ? 16 : 1;
    m.start(code, { [SEG_DS]: UP }, { [RBX]: LIMIT + 1 - size + beyond, [RAX]: 0x5a5a5a5a });
    m.faults(GP);
    m.start(code, { [SEG_DS]: UP }, { [RBX]: 0xfffffffe });
    if (size > 1 && code[0] !== 0x67) m.faults(GP);
    m.start(code, { [SEG_DS]: UP }, { [RBX]: (LIMIT + 1 - size) & ~15, [RAX]: 0x5a5a5a5a });
    m.runTo(EXIT_HLT);
  });

  test.each([
    ['LODS', asm32('adf4', 'lodsd; hlt'), SEG_DS],
    ['MOVS, source', asm32('a5f4', 'movsd; hlt'), SEG_DS],
    ['MOVS, destination', asm32('a5f4', 'movsd; hlt'), SEG_ES],
    ['STOS', asm32('abf4', 'stosd; hlt'), SEG_ES],
  ])('%s', (_, code, segment) => {
    m.start(code, { [segment]: UP }, { [RSI]: LIMIT - 2, [RDI]: LIMIT - 2 });
    m.faults(GP);
    m.start(code, { [segment]: UP }, { [RSI]: LIMIT - 3, [RDI]: LIMIT - 3 });
    m.runTo(EXIT_HLT);
  });

  test('a repeated instruction gets as far as there is room', () => {
    const count = 20;
    m.start(asm32('f3abf4', 'rep stosd; hlt'), { [SEG_ES]: UP }, { [RDI]: 0x8fd0, [RCX]: count });
    expect(m.toHandler()).toBe(GP);
    expect([m.cpu.regs.gpr(RCX), m.cpu.regs.gpr(RDI)]).toEqual([count - 12, 0x9000]);
    expect(m.ram.read(0x8ffc, 4)).toBe(0);
    expect(m.ram.read(0x9000, 4)).toBe(0x5a5a5a5a);
    m.leaveHandler();
  });
});

describe('the stack', () => {
  test.each([
    ['MOV by EBP', asm32('8b4500f4', 'mov eax,[ebp]; hlt'), UP, 0x8800],
    ['MOV through SS', asm32('368b03f4', 'mov eax,[ss:ebx]; hlt'), UP, 0x8800],
    ['PUSH', asm32('50f4', 'push eax; hlt'), UP, 0x9004],
    ['POP', asm32('58f4', 'pop eax; hlt'), UP, 0x8ffe],
    ['CALL', asm32('e800000000f4', 'call next; next: hlt'), UP, 0x9004],
    ['RET', asm32('c3f4', 'ret; hlt'), UP, 0x8ffe],
    ['LEAVE', asm32('c9f4', 'leave; hlt'), UP, 0x8800],
    ['POPA, its last word', asm32('61f4', 'popa; hlt'), UP, 0x8fe4],
    ['PUSHA, its first word', asm32('60f4', 'pusha; hlt'), UP, 0x9004],
    ['PUSH into one that expands down', asm32('50f4', 'push eax; hlt'), DOWN, 0x8003],
  ])('%s: #SS', (_, code, segment, esp) => {
    m.start(code, { [SEG_SS]: segment }, { [RSP]: esp, [RBP]: LIMIT, [RBX]: LIMIT });
    m.raises(SS);
  });
  test('POP of the last word', () => {
    m.start(asm32('58f4', 'pop eax; hlt'), { [SEG_SS]: UP }, { [RSP]: 0x8ffc });
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RAX)).toBe(0x5a5a5a5a);
  });
});

describe('rights', () => {
  const load = asm32('8b03f4', 'mov eax,[ebx]; hlt');
  const store = asm32('8903f4', 'mov [ebx],eax; hlt');
  const change = asm32('ff03f4', 'inc dword [ebx]; hlt');
  test.each([
    ['a store to a segment for reading', store, { [SEG_DS]: READ_ONLY }],
    ['a store to a segment of code', store, { [SEG_DS]: CODE_SEGMENT }],
    ['a store to a flat segment for reading', store, { [SEG_DS]: narrow(1, 0xffffffff) }],
    ['a load from a null segment', load, { [SEG_DS]: NULL }],
    ['a store to a null segment', store, { [SEG_DS]: NULL }],
    ['STOS to a null segment', asm32('abf4', 'stosd; hlt'), { [SEG_ES]: NULL }],
    ['through FS, null', asm32('648b03f4', 'mov eax,[fs:ebx]; hlt'), { [SEG_FS]: NULL }],
    ['through GS, null', asm32('658903f4', 'mov [gs:ebx],eax; hlt'), { [SEG_GS]: NULL }],
    ['through FS, beyond', asm32('648b03f4', 'mov eax,[fs:ebx]; hlt'), { [SEG_FS]: narrow(3, 9) }],
    ['a store through CS', asm32('2e8903f4', 'mov [cs:ebx],eax; hlt'), {}],
    [
      'a load from code that may not be read',
      asm32('2e8b03f4', 'mov eax,[cs:ebx]; hlt'),
      { [SEG_CS]: { selector: M.CODE32, base: 0, limit: 0xffffffff, attributes: 0xc09900 } },
    ],
  ])('%s: #GP', (_, code, segments: Segments) => {
    m.start(code, segments, { [RBX]: 0x8800, [RDI]: 0x8800 });
    m.faults(GP);
  });
  test.each([
    ['from a segment for reading', load, { [SEG_DS]: READ_ONLY }],
    ['from a segment of code', load, { [SEG_DS]: CODE_SEGMENT }],
    ['through CS', asm32('2e8b03f4', 'mov eax,[cs:ebx]; hlt'), {}],
    ['past null FS and GS', load, { [SEG_FS]: NULL, [SEG_GS]: NULL }],
  ])('a load %s', (_, code, segments: Segments) => {
    m.start(code, segments, { [RBX]: 0x8800 });
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RAX)).toBe(0x5a5a5a5a);
  });

  test.each([
    ['INC', change],
    ['BTS', asm32('0fab03f4', 'bts [ebx],eax; hlt')],
    ['CMPXCHG', asm32('0fb10bf4', 'cmpxchg [ebx],ecx; hlt')],
    ['XADD', asm32('0fc10bf4', 'xadd [ebx],ecx; hlt')],
    ['SHLD', asm32('0fa40b03f4', 'shld [ebx],ecx,3; hlt')],
    ['NOT', asm32('f713f4', 'not dword [ebx]; hlt')],
    ['RCL', asm32('d113f4', 'rcl dword [ebx],1; hlt')],
    ['LOCK ADD', asm32('f00103f4', 'lock add [ebx],eax; hlt')],
  ])('%s of a device through a segment for reading does not ask the device', (_, code) => {
    m.start(code, { [SEG_DS]: narrow(1, 0xffffffff) }, { [RBX]: M.DEVICE });
    m.faults(GP);
    m.start(code, {}, { [RBX]: M.DEVICE });
    m.runTo(EXIT_MMIO);
    expect(m.cpu.exitDir).toBe(1);
    m.cpu.rollback();
  });
  test('CMP does: it only reads', () => {
    const segments = { [SEG_DS]: narrow(1, 0xffffffff) };
    m.start(asm32('3903f4', 'cmp [ebx],eax; hlt'), segments, { [RBX]: M.DEVICE });
    m.runTo(EXIT_MMIO);
    m.cpu.answer(0, 0);
    m.runTo(EXIT_HLT);
  });
});

describe('a segment that expands down', () => {
  const load = asm32('8b03f4', 'mov eax,[ebx]; hlt');
  test.each([
    [0x7ffc, BIG, GP],
    [0x7fff, BIG, GP],
    [0x8000, BIG, null],
    [0x10000, BIG, null],
    [0xfffc, 0, null],
    [0xfffd, 0, GP],
    [0x10000, 0, GP],
  ])('%i, size %i', (ebx, size, vector) => {
    m.start(load, { [SEG_DS]: narrow(7, 0x7fff, size) }, { [RBX]: ebx });
    if (vector === null) m.runTo(EXIT_HLT);
    else m.faults(vector);
  });
  test('a store to one for reading', () => {
    const code = asm32('8903f4', 'mov [ebx],eax; hlt');
    m.start(code, { [SEG_DS]: narrow(5, 0x7fff) }, { [RBX]: 0x8000 });
    m.faults(GP);
  });
});
