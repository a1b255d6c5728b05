// SPDX-License-Identifier: GPL-2.0-only
// PUSHA and ENTER that fault: what is in memory then, and where it says that they did.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT_EXCEPTION, EXIT_HLT, RBP, RSP } from '../../src/cpu/backend.ts';
import { asm16, asm32 } from '../helpers/guest-code.ts';
import * as M from './machine.ts';

const DIRECTORY = 0x10000;
const TABLE = 0x11000;
const EMPTY = 0x5a;
const SS = 12;
const PF = 14;

let m: M.Machine;
beforeAll(() => {
  m = new M.Machine();
});
afterAll(() => m[Symbol.dispose]());

/** Registers hold 101 and so on, by number; ESP is at `esp`. */
function registers(esp: number): void {
  for (let i = 0; i < 8; i++) m.cpu.regs.setGpr(i, 0x101 + i);
  m.cpu.regs.setGpr(RSP, esp);
}

/** 32-bit code with the page at `absent`, in hundreds, not there. */
function paged(code: Uint8Array, absent: number, esp: number): void {
  m.flat32(code);
  m.ram.write(DIRECTORY, 4, TABLE | 7);
  for (let i = 0; i < 256; i++) m.ram.write(TABLE + i * 4, 4, (i << 12) | (i === absent ? 6 : 7));
  m.cpu.regs.setControl(3, DIRECTORY);
  m.cpu.regs.setControl(0, 0xe0010011);
  m.ram.bytes.fill(EMPTY, 0x7f00, 0x8100);
  registers(esp);
}

/** The exception instead of its delivery, which would push over what is to be looked at. */
function raised(): { vector: number; errorCode: number } {
  m.cpu.catchExceptions = true;
  m.cpu.deadline = m.cpu.icount + 100;
  m.runTo(EXIT_EXCEPTION);
  m.cpu.catchExceptions = false;
  return m.cpu.exception;
}
const words = (from: number, count: number, size: number): number[] =>
  Array.from({ length: count }, (_, i) => m.ram.read(from - (i + 1) * size, size));

describe('PUSHA', () => {
  const pusha = asm32('60f4', 'pusha; hlt');
  test('over the end of the segment: what comes before it is stored, nothing behind it', () => {
    m.real(asm16('60f4', 'pusha; hlt'));
    m.ram.bytes.fill(EMPTY, 0xff00, 0x10001);
    m.cpu.regs.setSegment(2, { ...m.cpu.regs.segment(2), selector: 0x1000, base: 0x10000 });
    m.ram.bytes.fill(EMPTY, 0x1ff00, 0x20001);
    registers(0xf);
    expect(raised().vector).toBe(SS);
    expect(words(0x1000f, 7, 2)).toEqual([0x101, 0x102, 0x103, 0x104, 0xf, 0x106, 0x107]);
    expect(m.ram.bytes[0x1ffff]).toBe(EMPTY);
    expect(m.cpu.regs.gpr(RSP)).toBe(0xf);
  });
  test('without a fault', () => {
    m.real(asm16('60f4', 'pusha; hlt'));
    registers(0x8010);
    m.runTo(EXIT_HLT);
    expect(words(0x8010, 8, 2)).toEqual([0x101, 0x102, 0x103, 0x104, 0x8010, 0x106, 0x107, 0x108]);
    paged(pusha, 5, 0x8010);
    m.runTo(EXIT_HLT);
    expect(words(0x8010, 8, 4)).toEqual([0x101, 0x102, 0x103, 0x104, 0x8010, 0x106, 0x107, 0x108]);
  });
  test('onto a page that is not there, from one that is', () => {
    paged(pusha, 7, 0x8008);
    expect(raised()).toMatchObject({ vector: PF, errorCode: 2 });
    expect(m.cpu.regs.control(2)).toBe(0x7ffc);
    expect(words(0x8008, 2, 4)).toEqual([0x101, 0x102]);
    expect(m.ram.bytes[0x7ffc]).toBe(EMPTY);
  });
  test('from a page that is not there, onto one that is', () => {
    paged(pusha, 8, 0x8008);
    expect(raised()).toMatchObject({ vector: PF, errorCode: 2 });
    expect(m.cpu.regs.control(2)).toBe(0x8004);
    expect(m.ram.bytes.subarray(0x7fe0, 0x8000).every((byte) => byte === EMPTY)).toBe(true);
  });
});

describe('ENTER looks at its last stack pointer', () => {
  test('on a page that is not there', () => {
    paged(asm32('c8100000f4', 'enter 16,0; hlt'), 7, 0x8008);
    expect(raised()).toMatchObject({ vector: PF, errorCode: 2 });
    expect(m.cpu.regs.control(2)).toBe(0x7ff4);
    expect([m.cpu.regs.gpr(RSP), m.cpu.regs.gpr(RBP)]).toEqual([0x8008, 0x106]);
    expect(words(0x8008, 1, 4)).toEqual([0x106]);
  });
  test('with levels', () => {
    paged(asm32('c8040002f4', 'enter 4,2; hlt'), 7, 0x800c);
    m.cpu.regs.setGpr(RBP, 0x8100);
    expect(raised()).toMatchObject({ vector: PF, errorCode: 2 });
    expect(m.cpu.regs.control(2)).toBe(0x7ffc);
    expect(m.cpu.regs.gpr(RSP)).toBe(0x800c);
    paged(asm32('c8040002f4', 'enter 4,2; hlt'), 7, 0x8010);
    m.cpu.regs.setGpr(RBP, 0x8100);
    m.runTo(EXIT_HLT);
    expect([m.cpu.regs.gpr(RSP), m.cpu.regs.gpr(RBP)]).toEqual([0x8000, 0x800c]);
  });
  test('whose word ends behind the segment', () => {
    const enter = asm16('c8010000f4', 'enter 1,0; hlt');
    m.real(enter);
    registers(2);
    expect(raised().vector).toBe(SS);
    expect([m.cpu.regs.gpr(RSP), m.cpu.regs.gpr(RBP)]).toEqual([2, 0x106]);
    m.real(enter);
    registers(3);
    m.runTo(EXIT_HLT);
    expect([m.cpu.regs.gpr(RSP), m.cpu.regs.gpr(RBP)]).toEqual([0, 1]);
  });
});
