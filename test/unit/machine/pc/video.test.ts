// SPDX-License-Identifier: GPL-2.0-only
// The VGA in a PC: text and mode 13h as RAM, planes as device memory, turned by the guest itself, and under snapshots.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import type { PixelFrame, TextFrame } from '../../../../src/dm/devices/vga/frame.ts';
import { Machine } from '../../../../src/machine/machine.ts';
import { RunLoop } from '../../../../src/machine/run-loop.ts';
import { Snapshot } from '../../../../src/toolstack/snapshot.ts';
import { MODE_12, modeWrites, TEXT_80 } from '../../dm/devices/vga/modes.ts';
import { pcOf } from './roms.ts';

/** mov dx,port; mov al,value; out dx,al */
const out = ([port, value]: readonly [number, number]): number[] => [
  0xba,
  port & 0xff,
  port >> 8,
  0xb0,
  value,
  0xee,
];
/** mov ax,segment; mov es,ax; mov byte [es:offset],value */
const store = (segment: number, offset: number, value: number): number[] => [
  0xb8,
  0,
  segment >> 8,
  0x8e,
  0xc0,
  0x26,
  0xc6,
  0x06,
  offset & 0xff,
  offset >> 8,
  value,
];
const END = [0xb0, 0x00, 0xe6, 0xf4, 0xf4];
/** mov al,[es:offset]; mov [es:offset+1],al: through the latches. */
const COPY = [0x26, 0xa0, 0x00, 0x00, 0x26, 0xa2, 0x01, 0x00];

/** Text, then planes with a pattern, then text again. */
const PROGRAM = [
  ...store(0xb800, 160, 0x41),
  ...store(0xb800, 161, 0x1f),
  ...modeWrites(MODE_12).flatMap(out),
  ...[0x3c4, 0x3c5].flatMap((port, i) => out([port, [2, 5][i] ?? 0])),
  ...store(0xa000, 0, 0xf0),
  ...COPY,
];

test('what the guest draws in planes is on screen, and nothing of it is in RAM', () => {
  using machine = new Machine({ guest: pcOf([...PROGRAM, ...END]), devices: [] });
  const text = machine.pc?.vga.frame() as TextFrame;
  expect([text.kind, text.columns, text.rows]).toEqual(['text', 80, 25]);
  expect(new RunLoop(machine).run()).toBe('verdict');
  const frame = machine.pc?.vga.frame() as PixelFrame;
  expect([frame.kind, frame.width, frame.height]).toEqual(['pixels', 640, 480]);
  expect([...frame.indices.subarray(0, 16)]).toEqual([
    5, 5, 5, 5, 0, 0, 0, 0, 5, 5, 5, 5, 0, 0, 0, 0,
  ]);
  expect(machine.ram.read(0xa0000, 2)).toBe(0);
});

test('stopped at any instruction and restored into a fresh machine, it ends with the same screen', () => {
  const guest = (): ReturnType<typeof pcOf> =>
    pcOf([...PROGRAM, ...modeWrites(TEXT_80).flatMap(out), ...store(0xb800, 162, 0x42), ...END]);
  const end = (stopAt: number | null): unknown => {
    using first = new Machine({ guest: guest(), devices: [] });
    using second = new Machine({ guest: guest(), devices: [] });
    let machine = first;
    if (stopAt !== null) {
      const loop = new RunLoop(first);
      loop.deadline = stopAt;
      expect(loop.run()).toBe('deadline');
      first.regs.settle();
      const snapshot = new Snapshot(first);
      snapshot.capture(first);
      snapshot.restore(second);
      machine = second;
    }
    expect(new RunLoop(machine).run()).toBe('verdict');
    const frame = machine.pc?.vga.frame() as TextFrame;
    return {
      icount: machine.cpu.icount,
      cells: [...frame.cells.subarray(160, 164)],
      state: machine.pc?.vga.save(),
      ram: createHash('sha256').update(machine.ram.bytes).digest('hex'),
    };
  };
  const plain = end(null);
  expect(plain).toMatchObject({ cells: [0x41, 0x1f, 0x42, 0x00] });
  for (const at of [1, 9, 120, 237, 375, 380, 385, 500, 700]) expect(end(at)).toEqual(plain);
});
