// SPDX-License-Identifier: GPL-2.0-only
// A PC from its reset vector: interrupts through the 8259A pair, the 8254's ticks in virtual time, keys, ROM, A20.
import { describe, expect, test } from 'vitest';
import { Machine } from '../../../../src/machine/machine.ts';
import { RunLoop } from '../../../../src/machine/run-loop.ts';
import { Snapshot } from '../../../../src/toolstack/snapshot.ts';
import { pcOf, TICKS } from './roms.ts';

describe('a PC', () => {
  test('starts at the reset vector and is woken by the timer', () => {
    using machine = new Machine({ guest: pcOf(TICKS), devices: [] });
    const loop = new RunLoop(machine);
    expect(loop.run()).toBe('verdict');
    expect(machine.verdict).toBe('success');
    expect(machine.ram.read(0x500, 1)).toBe(10);
    // Ten ticks of 1193 counts of 838 ns, at 100 ns an instruction.
    const ns = machine.cpu.icount * 100;
    expect(ns).toBeGreaterThanOrEqual(9_998_000);
    expect(ns).toBeLessThan(10_020_000);
  });

  test('a key interrupts and is read at port 60h', () => {
    using machine = new Machine({ guest: pcOf(TICKS), devices: [] });
    const loop = new RunLoop(machine);
    loop.deadline = 20_000;
    expect(loop.run()).toBe('deadline');
    machine.pc?.keyboard.key(0x1e);
    loop.deadline = Number.MAX_SAFE_INTEGER;
    expect(loop.run()).toBe('verdict');
    expect(machine.ram.read(0x501, 1)).toBe(0x1e);
  });

  test('goes on from a snapshot as if nothing had happened', () => {
    const end = (stopAt: number | null): { icount: number; ram: Uint8Array } => {
      using machine = new Machine({ guest: pcOf(TICKS), devices: [] });
      const loop = new RunLoop(machine);
      if (stopAt === null) {
        expect(loop.run()).toBe('verdict');
        return { icount: machine.cpu.icount, ram: machine.ram.bytes.slice(0, 0x8000) };
      }
      loop.deadline = stopAt;
      expect(loop.run()).toBe('deadline');
      machine.regs.settle();
      const snapshot = new Snapshot(machine);
      snapshot.capture(machine);
      using other = new Machine({ guest: pcOf(TICKS), devices: [] });
      snapshot.restore(other);
      const goOn = new RunLoop(other);
      expect(goOn.run()).toBe('verdict');
      return { icount: other.cpu.icount, ram: other.ram.bytes.slice(0, 0x8000) };
    };
    const plain = end(null);
    for (const at of [30, 45, 9_999, 25_000, 60_001]) {
      expect(end(at)).toEqual(plain);
    }
  });

  test('ROM cannot be written, and address line 20 is held low by port 92h', () => {
    const code = [
      // mov ax, 0f000h; mov ds, ax; mov byte [8000h], 55h
      0xb8, 0x00, 0xf0, 0x8e, 0xd8, 0xc6, 0x06, 0x00, 0x80, 0x55,
      // mov al, 0; out 92h, al; mov ax, 0ffffh; mov es, ax; xor ax, ax; mov ds, ax; mov byte es:[510h], 77h
      0xb0,
      0x00, 0xe6, 0x92, 0xb8, 0xff, 0xff, 0x8e, 0xc0, 0x31, 0xc0, 0x8e, 0xd8, 0x26, 0xc6, 0x06,
      0x10, 0x05, 0x77,
      // mov al, 2; out 92h, al; mov byte es:[511h], 66h; mov al, 0; out 0f4h, al
      0xb0, 0x02, 0xe6, 0x92, 0x26, 0xc6, 0x06, 0x11, 0x05, 0x66, 0xb0, 0x00, 0xe6, 0xf4, 0xf4,
    ];
    using machine = new Machine({ guest: pcOf(code), devices: [] });
    expect(new RunLoop(machine).run()).toBe('verdict');
    expect(machine.ram.read(0xf8000, 1)).toBe(0xf4);
    expect(machine.ram.read(0x500, 2)).toBe(0x0077);
    expect(machine.ram.read(0x100501, 1)).toBe(0x66);
  });

  test('a reset by the keyboard controller starts the BIOS again, memory as it was', () => {
    // xor ax, ax; mov ds, ax; inc byte [500h]; cmp byte [500h], 3; je done; mov al, 0feh; out 64h, al; hlt; jmp $
    const code = [
      0x31, 0xc0, 0x8e, 0xd8, 0xfe, 0x06, 0x00, 0x05, 0x80, 0x3e, 0x00, 0x05, 0x03, 0x74, 0x07,
      0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfe, 0xb0, 0x00, 0xe6, 0xf4, 0xf4,
    ];
    using machine = new Machine({ guest: pcOf(code), devices: [] });
    expect(new RunLoop(machine).run()).toBe('verdict');
    expect(machine.ram.read(0x500, 1)).toBe(3);
  });
});
