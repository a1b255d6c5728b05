// SPDX-License-Identifier: GPL-2.0-only
// Cells whose guest checks its own results: a fault that is in every run alike, the undisturbed one included, shows.
// These are about values: what a device answered, what it was sent, and how often.
import {
  answerTo,
  type Cell,
  cell,
  DATA,
  ECHO,
  FIRST_DEVICE,
  PORT_DX,
  PORT_ECHO,
  PORT_IMM,
  patternAt,
} from './cell.ts';
import type { Code } from './code.ts';
import {
  type Add,
  bytesOf,
  number,
  operand,
  places,
  wantMemory,
  wantReg,
  wantStored,
} from './known.ts';
import { knownCodeCells } from './known-code-cells.ts';

const EAX = 0;
const ECX = 1;
const EDX = 2;
const ESI = 6;
const EDI = 7;
const IN = [0xe4, PORT_IMM] as const;
const SENT = 0xa1b2c3d4;

const sum = (bytes: readonly number[], more: number): number[] =>
  bytesOf(number(bytes) + more, bytes.length);

function memory(add: Add): void {
  for (const size of [1, 2, 4, 8] as const) {
    const wide = size === 1 ? 0 : 1;
    for (const place of places(size)) {
      const { name, at } = place;
      const found = operand(place);
      // fninit; fild qword; fistp qword: 64 bits as they are
      const move = (c: Code, from: number, to: number): Code =>
        c.raw(0xdb, 0xe3).memory([0xdf], 5, from, 1).memory([0xdf], 7, to, 1);
      add(`load ${size} ${name}`, (c) => {
        if (size === 8) wantMemory(move(c, at, DATA), DATA, found);
        else wantReg(c.set(EAX, 0).memory([0x8a + wide], EAX, at, size), EAX, number(found));
      });
      add(`store ${size} ${name}`, (c) => {
        if (size === 8) {
          const bytes = [...bytesOf(patternAt(DATA, 4), 4), ...bytesOf(patternAt(DATA + 4, 4), 4)];
          wantStored(move(c, DATA, at), place, bytes);
        } else {
          c.set(EAX, SENT).memory([0x88 + wide], EAX, at, size);
          wantStored(c, place, bytesOf(SENT, size));
        }
      });
      if (size === 8) continue;
      add(`add ${size} ${name}`, (c) => {
        c.set(EAX, SENT).memory([0x00 + wide], EAX, at, size);
        wantStored(c, place, sum(found, SENT));
      });
    }
  }
}

function ports(add: Add): void {
  for (const size of [1, 2, 4] as const) {
    const wide = size === 1 ? 0 : 1;
    const mask = number(Array<number>(size).fill(255));
    add(`IN ${size}`, (c) => {
      c.set(EAX, 0)
        .wide(size)
        .raw(0xe4 + wide, PORT_IMM);
      wantReg(c, EAX, (answerTo(0) & mask) >>> 0);
      // Asked once: the next answer is the second.
      c.set(EAX, 0).wide(4).raw(0xe5, PORT_IMM);
      wantReg(c, EAX, answerTo(1));
    });
    add(`OUT ${size}`, (c) => {
      c.set(EAX, SENT)
        .wide(size)
        .raw(0xe6 + wide, PORT_IMM)
        .wide(4)
        .raw(0xe5, PORT_IMM + PORT_ECHO);
      wantReg(c, EAX, (SENT & mask) >>> 0);
    });
    add(`INS ${size} into a device`, (c) => {
      const at = FIRST_DEVICE + 0x10;
      c.set(EDX, PORT_DX)
        .set(EDI, at)
        .raw(0xfc)
        .wide(size)
        .raw(0x6c + wide);
      wantReg(c, EDI, at + size);
      wantMemory(c, FIRST_DEVICE + ECHO, bytesOf((answerTo(0) & mask) >>> 0, 4));
      wantMemory(c, FIRST_DEVICE + ECHO + 8, [1, 0, 0, 0]);
    });
  }
  // Single-stepped, a string instruction is taken element by element.
  const trap = (c: Code, on: boolean): void => {
    c.wide(4)
      .raw(0x9c)
      .raw(...(c.bits === 16 ? [0x67] : []));
    c.wide(4)
      .raw(0x81, on ? 0x0c : 0x24, 0x24)
      .imm32(on ? 0x100 : 0xfffffeff)
      .wide(4)
      .raw(0x9d);
  };
  add('INSW single-stepped', (c) => {
    c.set(EDX, PORT_DX).set(EDI, DATA).raw(0xfc);
    trap(c, true);
    c.wide(2).raw(0x6d);
    trap(c, false);
    wantMemory(c, DATA, bytesOf(answerTo(0), 2));
  });
}

/** Each repetition once, and the registers where they have to be. */
function repetitions(add: Add): void {
  for (const down of [false, true]) {
    const step = down ? -2 : 2;
    const way = down ? 'down' : 'up';
    const rep = (c: Code, opcode: number): void => {
      c.raw(down ? 0xfd : 0xfc, 0xf3)
        .wide(2)
        .raw(opcode, 0xfc);
    };
    add(`REP INSW ${way}`, (c) => {
      rep(c.set(EDX, PORT_DX).set(ECX, 3).set(EDI, DATA), 0x6d);
      wantReg(wantReg(c, ECX, 0), EDI, DATA + 3 * step);
      for (let n = 0; n < 3; n++) wantMemory(c, DATA + n * step, bytesOf(answerTo(n), 2));
      wantMemory(c, DATA + 3 * step, bytesOf(patternAt(DATA + 3 * step, 2), 2));
      wantReg(c.set(EAX, 0).raw(0xec), EAX, answerTo(3) & 255);
    });
    add(`REP OUTSW ${way}`, (c) => {
      rep(c.set(EDX, PORT_DX).set(ECX, 3).set(ESI, DATA), 0x6f);
      wantReg(wantReg(c, ECX, 0), ESI, DATA + 3 * step);
      c.set(EDX, PORT_DX + PORT_ECHO)
        .wide(4)
        .raw(0xed);
      wantReg(c, EAX, patternAt(DATA + 2 * step, 2));
    });
    add(`REP MOVSW from a device ${way}`, (c) => {
      rep(
        c
          .set(ECX, 3)
          .set(ESI, FIRST_DEVICE + 0x40)
          .set(EDI, DATA),
        0xa5,
      );
      wantReg(wantReg(c, ECX, 0), ESI, FIRST_DEVICE + 0x40 + 3 * step);
      wantReg(c, EDI, DATA + 3 * step);
      for (let n = 0; n < 3; n++) wantMemory(c, DATA + n * step, bytesOf(answerTo(n), 2));
      c.set(EAX, 0).memory([0x8a], EAX, FIRST_DEVICE + 0x20, 1);
      wantReg(c, EAX, answerTo(3) & 255);
    });
    add(`REP STOSW to a device ${way}`, (c) => {
      rep(
        c
          .set(EAX, SENT)
          .set(ECX, 3)
          .set(EDI, FIRST_DEVICE + 0x40),
        0xab,
      );
      wantReg(wantReg(c, ECX, 0), EDI, FIRST_DEVICE + 0x40 + 3 * step);
      wantMemory(c, FIRST_DEVICE + ECHO, bytesOf(SENT & 0xffff, 4));
      wantMemory(c, FIRST_DEVICE + ECHO + 8, [3, 0, 0, 0]);
    });
  }
  add('PUSH and POP of a device', (c) => {
    c.memory([0xff], 6, FIRST_DEVICE + 0x10, 4).memory([0x8f], 0, FIRST_DEVICE + 0x20, 4);
    wantMemory(c, FIRST_DEVICE + ECHO, bytesOf(answerTo(0), 4));
    wantReg(c.set(EAX, 0).raw(...IN), EAX, answerTo(0) & 255);
  });
}

/** Every cell that knows its results. */
export function knownCells(): Cell[] {
  const cells: Cell[] = [];
  for (const bits of [16, 32] as const) {
    const add: Add = (name, body, more) => {
      cells.push(cell('known results', `known: ${name}`, bits, body, more));
    };
    memory(add);
    ports(add);
    repetitions(add);
    knownCodeCells(add, bits);
  }
  return cells;
}
