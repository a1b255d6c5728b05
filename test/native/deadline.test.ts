// SPDX-License-Identifier: GPL-2.0-only
// Where a guest is stopped makes no difference to it: random programs run at once and run with stops every 1 to 70
// instructions, and a thousand exits in a loop, leave the same registers, flags, RAM and count behind.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  EXIT_BOUNDARY,
  EXIT_BUDGET,
  EXIT_HLT,
  EXIT_KICK,
  EXIT_MMIO,
  EXIT_PIO,
  EXIT_PIO_STRING,
  EXIT_SHUTDOWN,
  EXIT_UNSUPPORTED,
  SEG_CS,
} from '../../src/cpu/backend.ts';
import { asm16, asm32 } from '../helpers/guest-code.ts';
import { Machine } from './machine.ts';

const RAM_BYTES = 0x20000;
const SEGMENTS = [
  { gpa: 0, bytes: 0xb000, offset: 0, writable: true },
  { gpa: 0xc000, bytes: RAM_BYTES - 0xc000, offset: 0xc000, writable: true },
];
const HANDLER = 0x600;
const INSTRUCTIONS = 700;

/** xorshift32. */
function generator(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

interface Result {
  registers: Uint32Array;
  ram: Uint8Array;
  icount: number;
  accesses: string[];
  exceptions: number;
  ended: boolean;
  state: Uint8Array;
}

let m: Machine;
let powerOn: Uint8Array;
beforeAll(() => {
  m = new Machine(RAM_BYTES, SEGMENTS);
  powerOn = m.cpu.save();
});
afterAll(() => m[Symbol.dispose]());

/** Random bytes everywhere; every vector leads to a handler that skips a byte and returns. */
function image(number: number): void {
  const random = generator(number);
  const bytes = new Uint8Array(RAM_BYTES);
  for (let i = 0; i < RAM_BYTES; i++) bytes[i] = random() >>> 11;
  const protectedMode = number % 3 === 2;
  for (let vector = 0; vector < 256; vector++) {
    if (protectedMode) {
      bytes.set([HANDLER & 0xff, HANDLER >> 8, 8, 0, 0, 0xee, 0, 0], vector * 8 + 0x800);
    } else bytes.set([HANDLER & 0xff, HANDLER >> 8, 0, 0], vector * 4);
  }
  bytes.set(
    protectedMode
      ? asm32('ff0424cf', 'inc dword [esp]; iret')
      : asm16('5589e5ff46025dcf', 'push bp; mov bp,sp; inc word [bp+2]; pop bp; iret'),
    HANDLER,
  );
  // Descriptor 8 is flat code, 10 flat data.
  bytes.set([0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0, 0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0], 0x700 + 8);
  m.ram.writeBytes(0, bytes);
  const { cpu } = m;
  cpu.restore(powerOn);
  cpu.irq = -1;
  for (let index = 0; index < 6; index++) {
    cpu.regs.setSegment(index, {
      selector: protectedMode ? (index === SEG_CS ? 8 : 0x10) : 0,
      base: 0,
      limit: protectedMode ? 0xffffffff : 0xffff,
      attributes: (protectedMode ? 0xc00000 : 0) | (index === SEG_CS ? 0x9b00 : 0x9300),
    });
  }
  if (protectedMode) {
    cpu.regs.setControl(0, 0x60000011);
    cpu.regs.setTable('gdt', 0x700, 23);
    cpu.regs.setTable('idt', 0x800, 0x7ff);
  }
  // Small values in registers: addresses that hit RAM and the device.
  for (let index = 0; index < 8; index++) cpu.regs.setGpr(index, random() & 0xffff);
  cpu.regs.setGpr(4, 0x7ffc);
  cpu.regs.rip = 0x2000 + (random() & 0x3fff);
  cpu.regs.rflags = 2 | (random() & 0xcd5);
}

/** @param stride - instructions between two stops; 0: none. @param rude - roll back every access once, finish some */
function run(number: number, stride: number, rude: boolean): Result {
  image(number);
  const { cpu } = m;
  const exceptionsBefore = cpu.exceptionsTaken;
  const accesses: string[] = [];
  let inFlight: string[] = [];
  let ended = false;
  let rolledBack = -1;
  cpu.deadline = stride === 0 ? INSTRUCTIONS : stride;
  let exit = cpu.run();
  for (let guard = 0; guard < 100_000; guard++) {
    if (exit === EXIT_PIO || exit === EXIT_PIO_STRING || exit === EXIT_MMIO) {
      if (cpu.exitIndex === 0) {
        accesses.push(...inFlight);
        inFlight = [];
      }
      const n = accesses.length + inFlight.length;
      if (rude && rolledBack < n) {
        rolledBack = n;
        inFlight = [];
        cpu.rollback();
        exit = cpu.run();
        continue;
      }
      const data = cpu.exitDir === 1 ? 0 : cpu.exitData;
      inFlight.push(`${exit} ${cpu.exitDir} ${cpu.exitSize} ${cpu.exitAddr.toString(16)} ${data}`);
      const answer = Math.imul(n + 1, 0x9e3779b1) >>> 0;
      if (rude && (n & 3) === 0) exit = cpu.finish(answer, ~answer >>> 0);
      else {
        cpu.answer(answer, ~answer >>> 0);
        exit = cpu.run();
      }
      continue;
    }
    if (exit === EXIT_HLT) cpu.regs.halted = false;
    else if (exit === EXIT_BUDGET) {
      expect(cpu.icount).toBe(cpu.deadline);
      if (cpu.deadline === INSTRUCTIONS) break;
      cpu.deadline = Math.min(cpu.deadline + stride, INSTRUCTIONS);
    } else if (exit === EXIT_SHUTDOWN || exit === EXIT_UNSUPPORTED) {
      ended = true;
      break;
    } else expect(exit).toBe(EXIT_BOUNDARY);
    exit = cpu.run();
  }
  return {
    registers: cpu.regs.snapshot(),
    ram: m.ram.bytes.slice(),
    icount: cpu.icount,
    accesses: accesses.concat(inFlight),
    exceptions: cpu.exceptionsTaken - exceptionsBefore,
    ended,
    state: cpu.save(),
  };
}

describe('random programs', () => {
  const totals = { accesses: 0, exceptions: 0, whole: 0 };
  for (let group = 0; group < 8; group++) {
    test(`group ${group}: stopped and not stopped`, () => {
      for (let i = 0; i < 25; i++) {
        const number = group * 25 + i;
        const wanted = run(number, 0, false);
        totals.accesses += wanted.accesses.length;
        totals.exceptions += wanted.exceptions;
        if (!wanted.ended) totals.whole++;
        for (const [stride, rude] of [
          [1, false],
          [1 + (number % 70), false],
          [1 + ((number * 7) % 70), true],
        ] as const) {
          const found = run(number, stride, rude);
          const what = `program ${number}, stopped every ${stride}${rude ? ', rolled back' : ''}`;
          expect(found.accesses, what).toEqual(wanted.accesses);
          expect(found.icount, what).toBe(wanted.icount);
          expect(Buffer.compare(found.ram, wanted.ram), `RAM of ${what}`).toBe(0);
          expect(found.registers, what).toEqual(wanted.registers);
          expect(found.exceptions, what).toBe(wanted.exceptions);
        }
      }
    });
  }
  test('the programs are worth running', () => {
    // Many come to the end of their instructions, meeting devices and exceptions on the way.
    expect(totals.whole).toBeGreaterThan(30);
    expect(totals.accesses).toBeGreaterThan(1000);
    expect(totals.exceptions).toBeGreaterThan(1000);
  });
});

describe('a thousand exits', () => {
  // l: inc eax; adc ebx,eax; rol ecx,3; xor ecx,eax; push ecx; pop edx; mov [di],dx; add di,2; and di,3fff; or di,4000;
  //    in/out; inc ebp; jmp l
  const BODY = asm16(
    '66406611c366c1c1036631c16651665a891583c70281e7ff3f81cf004090906645ebdd',
    'l: inc eax; adc ebx,eax; rol ecx,3; xor ecx,eax; push ecx; pop edx; mov [di],dx; add di,2; and di,0x3fff; or di,0x4000; nop; nop; inc ebp; jmp l',
  );
  const WITH_OUT = asm16(
    '66406611c366c1c1036631c16651665a891583c70281e7ff3f81cf0040e6806645ebdd',
    'l: inc eax; adc ebx,eax; rol ecx,3; xor ecx,eax; push ecx; pop edx; mov [di],dx; add di,2; and di,0x3fff; or di,0x4000; out 0x80,al; inc ebp; jmp l',
  );
  const LENGTH = 14;
  const ROUNDS = 1000;

  function end(): { registers: Uint32Array; ram: Uint8Array; state: Uint8Array } {
    return { registers: m.cpu.regs.snapshot(), ram: m.ram.bytes.slice(), state: m.cpu.save() };
  }
  function begin(code: Uint8Array): void {
    m.ram.writeBytes(0, new Uint8Array(RAM_BYTES));
    m.cpu.restore(powerOn);
    m.real(code);
    m.cpu.regs.setGpr(7, 0x4000);
  }
  function same(found: ReturnType<typeof end>, wanted: ReturnType<typeof end>): void {
    expect(found.registers).toEqual(wanted.registers);
    expect(Buffer.compare(found.ram, wanted.ram)).toBe(0);
    expect(Buffer.compare(found.state, wanted.state)).toBe(0);
  }
  function straight(): ReturnType<typeof end> {
    begin(BODY);
    const start = m.cpu.icount;
    m.cpu.deadline = start + LENGTH * ROUNDS;
    m.runTo(EXIT_BUDGET);
    expect(m.cpu.regs.gpr(5)).toBe(ROUNDS);
    return end();
  }

  test('by deadline, by kick and by step: no drift', () => {
    const wanted = straight();
    const start = m.cpu.icount - LENGTH * ROUNDS;
    begin(BODY);
    for (let exits = 1; exits <= ROUNDS; exits++) {
      if (exits % 3 === 0) {
        m.cpu.kick();
        m.runTo(EXIT_KICK);
      }
      if (exits % 5 === 0) m.runTo(EXIT_BOUNDARY, () => m.cpu.step());
      // Anywhere in the loop: not always at the same instruction
      m.cpu.deadline = start + Math.min(exits * LENGTH + ((exits * 5) % LENGTH), ROUNDS * LENGTH);
      m.runTo(EXIT_BUDGET);
    }
    same(end(), wanted);
  });

  test('by an I/O instruction, answered, rolled back, finished, saved and restored: no drift', () => {
    // The same code but for two NOPs of one byte each in the place of OUT: one instruction more in each round.
    const wanted = straight();
    begin(WITH_OUT);
    const start = m.cpu.icount;
    for (let exits = 0; exits < ROUNDS; exits++) {
      m.runTo(EXIT_PIO);
      expect(m.cpu.exitData).toBe((exits + 1) & 0xff);
      if (exits % 2 === 0) {
        m.cpu.rollback();
        m.runTo(EXIT_PIO);
      }
      if (exits % 3 === 0) {
        m.cpu.restore(m.cpu.save());
        m.runTo(EXIT_PIO);
      }
      expect(m.cpu.regs.gpr(5)).toBe(exits);
      if (exits % 5 === 0) m.runTo(EXIT_BOUNDARY, () => m.cpu.finish(0, 0));
      else m.cpu.answer(0, 0);
    }
    m.cpu.deadline = start + (LENGTH - 1) * ROUNDS;
    m.runTo(EXIT_BUDGET);
    const found = end();
    expect(found.registers).toEqual(wanted.registers);
    // RAM but for the code itself
    expect(Buffer.compare(found.ram.subarray(0x1100), wanted.ram.subarray(0x1100))).toBe(0);
  });
});
