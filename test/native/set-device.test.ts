// SPDX-License-Identifier: GPL-2.0-only
// Pages that are RAM now and device memory then, turned while an exit is pending, under code that is translated already.
import { expect, test } from 'vitest';
import { EXIT_HLT, EXIT_MMIO, EXIT_PIO, RBX } from '../../src/cpu/backend.ts';
import { asm16 } from '../helpers/guest-code.ts';
import { Machine, MIB } from './machine.ts';

const WINDOW = 0xa0000;
const BYTES = 0x10000;
const AT = WINDOW + 0x10;
const whole = [{ gpa: 0, bytes: MIB, offset: 0, writable: true }];

const LOOP = asm16(
  'b800a08ec026c606100011e68026c606100022268a1e1000e68026c606100033268a3e1000ebde',
  `mov ax,A000; mov es,ax; again: mov [es:10],11; out 80,al; mov [es:10],22; mov bl,[es:10]; out 80,al;
   mov [es:10],33; mov bh,[es:10]; jmp again`,
);

/** One access to the window, as it exits. */
function access(m: Machine, answer: number): string {
  m.runTo(EXIT_MMIO);
  const { exitAddr, exitDir, exitData, exitSize } = m.cpu;
  m.cpu.answer(answer, 0);
  return `${exitDir === 1 ? 'read' : `write ${exitData.toString(16)}`} ${exitAddr.toString(16)}/${exitSize}`;
}

test('RAM, device, RAM: from the instruction behind the pending one, round after round', () => {
  using m = new Machine(MIB, whole).real(LOOP);
  for (let round = 0; round < 5; round++) {
    m.runTo(EXIT_PIO);
    expect(m.ram.read(AT, 1)).toBe(0x11);
    m.cpu.setDevice(WINDOW, BYTES, true);
    m.cpu.answer(0, 0);
    expect(access(m, 0)).toBe('write 22 a0010/1');
    expect(access(m, 0x99)).toBe('read a0010/1');
    m.runTo(EXIT_PIO);
    expect(m.cpu.regs.gpr(RBX) & 0xff).toBe(0x99);
    // What the RAM held is still there.
    expect(m.ram.read(AT, 1)).toBe(0x11);
    m.cpu.setDevice(WINDOW, BYTES, false);
    m.cpu.answer(0, 0);
  }
  m.runTo(EXIT_PIO);
  expect(m.cpu.regs.gpr(RBX) & 0xff00).toBe(0x3300);
  expect(m.ram.read(AT, 1)).toBe(0x11);
});

test('a state put back with a pending exit meets the pages as they are now', () => {
  using m = new Machine(MIB, whole).real(LOOP);
  m.runTo(EXIT_PIO);
  m.cpu.setDevice(WINDOW, BYTES, true);
  m.cpu.rollback();
  const state = m.cpu.save();
  m.cpu.setDevice(WINDOW, BYTES, false);
  m.cpu.restore(state);
  m.cpu.setDevice(WINDOW, BYTES, true);
  m.runTo(EXIT_PIO);
  m.cpu.answer(0, 0);
  expect(access(m, 0)).toBe('write 22 a0010/1');
});

test("a helper of the library's own reaches the device as it reaches pages that never were RAM", () => {
  const code = asm16('6800a007260fae060001f4', 'push A000; pop es; fxsave [es:100]; hlt');
  const accesses = (m: Machine): string[] => {
    m.real(code).cpu.regs.setControl(4, 0x200);
    const seen: string[] = [];
    while (m.cpu.run() === EXIT_MMIO) {
      seen.push(`${m.cpu.exitDir} ${m.cpu.exitAddr.toString(16)}/${m.cpu.exitSize}`);
      m.cpu.answer(0, 0);
    }
    m.runTo(EXIT_HLT);
    return seen;
  };
  using hole = new Machine(MIB, [
    { gpa: 0, bytes: WINDOW, offset: 0, writable: true },
    { gpa: 0xc0000, bytes: 0x40000, offset: 0xc0000, writable: true },
  ]);
  using turned = new Machine(MIB, whole);
  turned.cpu.setDevice(WINDOW, BYTES, true);
  const expected = accesses(hole);
  expect(expected[0]).toContain('a0100/');
  expect(accesses(turned)).toEqual(expected);
});

test('anything but whole pages of RAM below 1 MiB is refused', () => {
  using m = new Machine();
  for (const [gpa, bytes] of [
    [0xa0001, 0x1000],
    [0xa0000, 0x1001],
    [MIB, 0x1000],
    [0xd0000, 0x1000],
    [-0x1000, 0x1000],
    [Number.NaN, 0x1000],
  ] as const) {
    expect(() => m.cpu.setDevice(gpa, bytes, true)).toThrowError(
      expect.objectContaining({ code: 'HVM_CPU' }),
    );
  }
});
