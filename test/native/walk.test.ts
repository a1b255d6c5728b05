// SPDX-License-Identifier: GPL-2.0-only
// What a walk through page tables leaves in them, and gates whose offset is a word.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT_HLT, RAX, RSP } from '../../src/cpu/backend.ts';
import { asm32 } from '../helpers/guest-code.ts';
import * as M from './machine.ts';

let m: M.Machine;
beforeAll(() => {
  m = new M.Machine();
});
afterAll(() => m[Symbol.dispose]());

describe('"accessed" in a page directory', () => {
  const DIRECTORY = 0x10000;
  const TABLE = 0x11000;
  const SECOND = 0x12000;
  const ACCESSED = 0x20;
  const DIRTY = 0x40;

  /** Identity for the first 4 MiB; 400000 by an entry and a table of its own, whose first page is `page`. */
  function paged(code: Uint8Array, page: number): void {
    m.flat32(code);
    m.ram.write(DIRECTORY, 4, TABLE | 7);
    m.ram.write(DIRECTORY + 4, 4, SECOND | 7);
    for (let i = 0; i < 1024; i++) m.ram.write(TABLE + i * 4, 4, (i << 12) | 7);
    m.ram.write(SECOND, 4, page);
    m.cpu.regs.setControl(3, DIRECTORY);
    m.cpu.regs.setControl(0, 0xe0010011);
  }
  const entries = (): number[] => [m.ram.read(DIRECTORY + 4, 4), m.ram.read(SECOND, 4)];

  test.each([
    ['a load from an absent page', asm32('a100004000f4', 'mov eax,[0x400000]; hlt'), 0x4006, 0],
    ['a store to a page for reading', asm32('a300004000f4', 'mov [0x400000],eax; hlt'), 0x4005, 3],
  ])('%s leaves it as it was', (_, code, page, error) => {
    paged(code, page);
    expect(m.toHandler()).toBe(14);
    expect(m.stack(0, 32)).toBe(error);
    expect(entries()).toEqual([SECOND | 7, page]);
    m.ram.write(SECOND, 4, 0x4007);
    m.leaveHandler();
    m.runTo(EXIT_HLT);
    const dirty = error === 3 ? DIRTY : 0;
    expect(entries()).toEqual([SECOND | 7 | ACCESSED, 0x4007 | ACCESSED | dirty]);
  });
  test('an access that is made sets both', () => {
    paged(asm32('a100004000f4', 'mov eax,[0x400000]; hlt'), 0x4007);
    m.ram.write(0x4000, 4, 0x12345678);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RAX)).toBe(0x12345678);
    expect(entries()).toEqual([SECOND | 7 | ACCESSED, 0x4007 | ACCESSED]);
  });
});

describe('a 16-bit gate has an offset of 16 bits', () => {
  const gate16 = (vector: number): void =>
    m.ram.write(M.IDT + vector * 8 + 4, 4, 0xffff_ee00 & ~0x800);

  test.each([
    ['INT n', asm32('cd30f4', 'int 0x30; hlt'), 0x30, 2],
    ['an exception', asm32('31c9f7f1f4', 'xor ecx,ecx; div ecx; hlt'), 0, 2],
  ])('%s', (_, code, vector, ip) => {
    m.flat32(code);
    gate16(vector);
    expect(m.toHandler()).toBe(vector);
    expect([m.stack(0, 16), m.stack(1, 16)]).toEqual([M.CODE + ip, M.CODE32]);
    expect(m.cpu.regs.gpr(RSP)).toBe(M.STACK - 6);
    m.leaveHandler();
  });
  test('an interrupt', () => {
    m.flat32(asm32('90f4', 'nop; hlt'), { flags: 2 | M.IF });
    gate16(0x31);
    m.cpu.irq = 0x31;
    expect(m.toHandler()).toBe(0x31);
    m.leaveHandler();
  });
  test('a 32-bit gate has one of 32 bits', () => {
    m.flat32(asm32('cd30f4', 'int 0x30; hlt'));
    m.ram.write(M.IDT + 0x30 * 8 + 4, 4, 0x0001_ee00);
    m.ram.writeBytes(0x10000 + M.HANDLERS_32 + 0x300, Uint8Array.of(0xf4));
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.rip).toBe(0x10001 + M.HANDLERS_32 + 0x300);
  });

  const GATE = 0x40;
  test.each([
    ['CALL', asm32('9a000000004000f4', 'call 0x40:0; hlt'), 4],
    ['JMP', asm32('ea000000004000f4', 'jmp 0x40:0; hlt'), 0],
  ])('%s far', (_, code, pushed) => {
    m.flat32(code);
    m.ram.writeBytes(0x4000, Uint8Array.of(0xf4));
    m.ram.write(M.GDT + GATE, 4, (M.CODE32 << 16) | 0x4000);
    m.ram.write(M.GDT + GATE + 4, 4, 0xffff_8400);
    m.cpu.regs.setTable('gdt', M.GDT, GATE + 7);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.rip).toBe(0x4001);
    expect(m.cpu.regs.gpr(RSP)).toBe(M.STACK - pushed);
  });
});
