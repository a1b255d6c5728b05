// SPDX-License-Identifier: GPL-2.0-only
// Accesses that the addon puts into their slots by itself: which ones, what stands in the slot, and what ends it.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  EXIT_BUDGET,
  EXIT_HLT,
  EXIT_KICK,
  EXIT_MMIO,
  EXIT_PIO,
  RAX,
  RBX,
  RDX,
  RSI,
  SEG_DS,
} from '../../src/cpu/backend.ts';
import type { RequestSender } from '../../src/cpu/machine-cpu.ts';
import { WHAT_DISTURBED, WHAT_REASON, WHAT_SENT } from '../../src/cpu/run-page.ts';
import { asm16, asm32 } from '../helpers/guest-code.ts';
import { CODE, DEVICE, IF, Machine } from './machine.ts';

const WORD = 0x1234_0002;
const PORT = 7;

let m: Machine;
let sender: RequestSender;
let slot: Int32Array;
let number: number;
beforeEach(() => {
  m = new Machine();
  if (m.cpu.sender === null) throw new Error('this engine has no short call');
  sender = m.cpu.sender;
  const bytes = new Uint8Array(new SharedArrayBuffer(4096), 64, 32);
  slot = new Int32Array(bytes.buffer, 64, 8);
  slot[6] = PORT;
  number = sender.slot(bytes);
});
afterEach(() => m[Symbol.dispose]());

/** Runs some rounds: code is executed without the main loop in between when it is neither new nor alone. */
function warmUp(rounds = 8): void {
  m.cpu.goOn();
  for (let i = 1; i < rounds; i++) m.cpu.goOnWith(0);
}

/** Runs to an exit, has it sent from now on, and answers it. @returns the next exit */
function armed(code: Uint8Array, answer = 0x11): number {
  m.real(code);
  m.cpu.regs.setGpr(RDX, 0x300);
  warmUp();
  sender.arm(number, WORD, PORT);
  return m.cpu.goOnWith(answer);
}
const isSent = (exit: number): boolean => (exit & WHAT_SENT) !== 0;

describe('the access answered last, again', () => {
  test('IN: its request is in the slot, and the answer reaches the guest', () => {
    let exit = armed(asm16('66ed6689c343ebf8', 'l: in eax,dx; mov ebx,eax; inc bx; jmp l'));
    for (let i = 0; i < 5; i++) {
      expect([exit & WHAT_REASON, isSent(exit)]).toEqual([EXIT_PIO, true]);
      expect([...slot]).toEqual([0x300, 0, 0, 0, 1, 4, PORT, WORD]);
      expect([m.cpu.regs.rip, m.cpu.regs.gpr(RBX)]).toEqual([
        CODE,
        (i === 0 ? 0x11 : 0x1000 + i) + 1,
      ]);
      slot.fill(0, 0, 6);
      exit = m.cpu.goOnAgain(0x1001 + i);
    }
    expect(m.cpu.icount).toBe((8 + 5) * 4);
  });

  test('OUT: with its data', () => {
    let exit = armed(asm16('66ef6640ebfa', 'l: out dx,eax; inc eax; jmp l'));
    for (let i = 8; i < 12; i++) {
      expect(isSent(exit)).toBe(true);
      expect([...slot]).toEqual([0x300, 0, i, 0, 1, 4, PORT, WORD]);
      expect(m.cpu.exitData).toBe(i);
      exit = m.cpu.goOnAgain(0);
    }
  });

  test.each([
    ['mov ax,[si]', asm16('8b04ebfc', 'l: mov ax,[si]; jmp l'), 2, 0],
    ['mov [si],al', asm16('8804ebfc', 'l: mov [si],al; jmp l'), 1, 0xef],
    ['mov [si],eax', asm16('668904ebfb', 'l: mov [si],eax; jmp l'), 4, 0x89abcdef | 0],
  ] as const)('of memory: %s', (_, code, size, data) => {
    m.real(code);
    m.cpu.regs.setSegment(SEG_DS, { ...m.cpu.regs.segment(SEG_DS), base: DEVICE });
    m.cpu.regs.setGpr(RSI, 8);
    m.cpu.regs.setGpr(RAX, 0x89abcdef);
    warmUp();
    sender.arm(number, WORD, PORT);
    const exit = m.cpu.goOnWith(0x5566);
    expect([exit & WHAT_REASON, isSent(exit)]).toEqual([EXIT_MMIO, true]);
    expect([...slot]).toEqual([DEVICE + 8, 0, data, 0, 1, size, PORT, WORD]);
    expect(m.cpu.exitAddr).toBe(DEVICE + 8);
    expect(isSent(m.cpu.goOnAgain(0x7788))).toBe(true);
    if (size === 2) expect(m.cpu.regs.gpr(RAX)).toBe(0x89ab7788);
  });

  test('an answer is cut to the width', () => {
    armed(asm16('66b878563412ecebf7', 'l: mov eax,0x12345678; in al,dx; jmp l'));
    m.cpu.goOnAgain(0xffffff9a | 0);
    m.cpu.deadline = m.cpu.icount + 1;
    m.cpu.goOnAgain(0xffffff9b | 0);
    expect(m.cpu.regs.gpr(RAX)).toBe(0x1234569b);
  });
});

describe('the guest is not entered', () => {
  test.each([
    ['another state', 7],
    ['another channel', 6],
  ] as const)('with %s in the slot', (_, word) => {
    armed(asm16('66ed43ebfb', 'l: in eax,dx; inc bx; jmp l'));
    const before = m.cpu.icount;
    slot[word] = 0x55;
    expect(m.cpu.goOnAgain(5)).toBe(WHAT_DISTURBED);
    expect([m.cpu.icount, m.cpu.regs.rip, m.cpu.exitAddr]).toEqual([before, CODE, 0x300]);
    // Still pending: whoever takes over may answer it.
    m.cpu.answer(0x99, 0);
    m.cpu.deadline = before + 2;
    m.runTo(EXIT_BUDGET);
    expect([m.cpu.regs.gpr(RAX), m.cpu.regs.gpr(RBX)]).toEqual([0x99, 9]);
  });
});

describe('leaves as any other access', () => {
  test('one that is not like it, and itself behind that', () => {
    m.real(asm16('66edec66ed66edebf5', 'l: in eax,dx; in al,dx; in eax,dx; in eax,dx; jmp l'));
    m.cpu.regs.setGpr(RDX, 0x300);
    warmUp(4 * 4 + 1);
    sender.arm(number, WORD, PORT);
    expect(isSent(m.cpu.goOnWith(0))).toBe(false);
    sender.disarm();
    expect(isSent(m.cpu.goOnWith(0))).toBe(false);
    // Armed for what was answered last.
    sender.arm(number, WORD, PORT);
    expect(isSent(m.cpu.goOnWith(0))).toBe(true);
  });

  test('and that one can be sent in its place', () => {
    m.real(asm16('66edecececebf9', 'l: in eax,dx; in al,dx; in al,dx; in al,dx; jmp l'));
    m.cpu.regs.setGpr(RDX, 0x300);
    warmUp(4 * 4 + 1);
    sender.arm(number, WORD, PORT);
    expect(isSent(m.cpu.goOnWith(0))).toBe(false);
    sender.arm(number, WORD + 1, PORT);
    expect(isSent(m.cpu.goOnWith(0))).toBe(true);
    expect([...slot]).toEqual([0x300, 0, 0, 0, 1, 1, PORT, WORD + 1]);
  });

  test('a part of an instruction that does more, at the same address', () => {
    m.real(asm16('8b0401048b0cebf8', 'l: mov ax,[si]; add [si],ax; mov cx,[si]; jmp l'));
    m.cpu.regs.setSegment(SEG_DS, { ...m.cpu.regs.segment(SEG_DS), base: DEVICE });
    // Three loads and a store a round.
    warmUp(4 * 4 + 1);
    sender.arm(number, WORD, PORT);
    expect(isSent(m.cpu.goOnWith(0))).toBe(false);
    expect([m.cpu.regs.rip, m.cpu.exitDir]).toEqual([CODE + 2, 1]);
    // Nor is it what comes behind that, though it was asked for.
    expect(isSent(m.cpu.goOnWith(0))).toBe(false);
    expect([m.cpu.regs.rip, m.cpu.exitDir]).toEqual([CODE + 2, 0]);
    expect(isSent(m.cpu.goOnWith(0))).toBe(false);
    expect([m.cpu.regs.rip, m.cpu.exitDir]).toEqual([CODE + 4, 1]);
  });

  test.each([
    ['HLT and an interrupt', asm16('66edf4ebfb', 'l: in eax,dx; hlt; jmp l')],
    [
      'STI, behind which interrupts are looked for',
      asm16('66edfb90ebfa', 'l: in eax,dx; sti; nop; jmp l'),
    ],
    ['MOV CR0', asm16('66ed0f20c00f22c0ebf6', 'l: in eax,dx; mov eax,cr0; mov cr0,eax; jmp l')],
  ])('behind %s', (_, code) => {
    m.real(code, 2 | IF);
    m.cpu.regs.setGpr(RDX, 0x300);
    const halts = code.includes(0xf4);
    if (halts) m.cpu.goOn();
    else warmUp();
    sender.arm(number, WORD, PORT);
    let exit = m.cpu.goOnWith(0);
    if ((exit & WHAT_REASON) === EXIT_HLT) {
      m.cpu.irq = 0x20;
      m.toHandler();
      m.leaveHandler();
      exit = m.cpu.goOn();
    }
    expect([exit & WHAT_REASON, m.cpu.exitAddr, isSent(exit)]).toEqual([EXIT_PIO, 0x300, false]);
  });

  test('after the guest was entered in another way', () => {
    armed(asm16('66edebfc', 'l: in eax,dx; jmp l'));
    m.cpu.goOnAgain(0);
    m.cpu.answer(0, 0);
    expect(isSent(m.cpu.goOn())).toBe(false);
  });

  test('when it is not to be sent any more', () => {
    armed(asm16('66edebfc', 'l: in eax,dx; jmp l'));
    sender.disarm();
    expect(isSent(m.cpu.goOnAgain(0))).toBe(false);
  });

  test('while each is counted', () => {
    m.cpu.countsAtPorts = true;
    expect(isSent(armed(asm16('66edebfc', 'l: in eax,dx; jmp l')))).toBe(false);
  });

  test('in a slot that is none', () => {
    m.real(asm16('66edebfc', 'l: in eax,dx; jmp l'));
    for (const none of [0, number + 1, 0xffffffff]) {
      warmUp();
      sender.arm(none, WORD, PORT);
      expect(isSent(m.cpu.goOnWith(0))).toBe(false);
    }
    expect(slot[7]).toBe(0);
  });

  test('in protected mode, where a port may be forbidden the next time', () => {
    m.flat32(asm32('edebfd', 'l: in eax,dx; jmp l'));
    warmUp();
    sender.arm(number, WORD, PORT);
    expect(isSent(m.cpu.goOnWith(0))).toBe(false);
  });

  test('memory in protected mode, of which a segment may take the rights away', () => {
    m.flat32(asm32('8b06ebfc', 'l: mov eax,[esi]; jmp l'));
    m.cpu.regs.setGpr(RSI, DEVICE);
    warmUp();
    sender.arm(number, WORD, PORT);
    expect(isSent(m.cpu.goOnWith(0))).toBe(false);
  });

  test('at an address that is no multiple of its size', () => {
    m.real(asm16('8b04ebfc', 'l: mov ax,[si]; jmp l'));
    m.cpu.regs.setSegment(SEG_DS, { ...m.cpu.regs.segment(SEG_DS), base: DEVICE });
    m.cpu.regs.setGpr(RSI, 9);
    warmUp();
    sender.arm(number, WORD, PORT);
    expect(isSent(m.cpu.goOnWith(0))).toBe(false);
  });

  test('an instruction that does more than that', () => {
    m.real(asm16('0304ebfc', 'l: add ax,[si]; jmp l'));
    m.cpu.regs.setSegment(SEG_DS, { ...m.cpu.regs.segment(SEG_DS), base: DEVICE });
    warmUp();
    sender.arm(number, WORD, PORT);
    expect(isSent(m.cpu.goOnWith(0))).toBe(false);
    expect(m.cpu.exitAddr).toBe(DEVICE);
  });
});

describe('what ends a run is not missed', () => {
  const loop = asm16('66edebfc', 'l: in eax,dx; jmp l');

  test('the deadline', () => {
    let exit = armed(loop);
    m.cpu.deadline = 100;
    while (isSent(exit) || (exit & WHAT_REASON) === EXIT_PIO) exit = m.cpu.goOnAgain(0);
    expect([exit & WHAT_REASON, m.cpu.icount]).toEqual([EXIT_BUDGET, 100]);
  });

  test('a kick', () => {
    armed(asm16('66ed43ebfb', 'l: in eax,dx; inc bx; jmp l'));
    const before = m.cpu.icount;
    m.cpu.kick();
    // Right behind the instruction, not at the end of its block.
    expect(m.cpu.goOnAgain(0) & WHAT_REASON).toBe(EXIT_KICK);
    expect([m.cpu.icount, m.cpu.regs.rip]).toEqual([before + 1, CODE + 2]);
  });

  test('an interrupt', () => {
    m.real(loop, 2 | IF);
    m.cpu.regs.setGpr(RDX, 0x300);
    warmUp();
    sender.arm(number, WORD, PORT);
    expect(isSent(m.cpu.goOnWith(0))).toBe(true);
    m.cpu.irq = 0x20;
    const exit = m.cpu.goOnAgain(0);
    expect([exit & WHAT_REASON, m.cpu.exitAddr, m.cpu.regs.gpr(RBX) & 0xff]).toEqual([
      EXIT_PIO,
      0xf0,
      0x20,
    ]);
  });

  test('a register that was set', () => {
    armed(asm16('66ed6689c3ebf9', 'l: in eax,dx; mov ebx,eax; jmp l'));
    m.cpu.regs.setGpr(RDX, 0x308);
    const exit = m.cpu.goOnAgain(0);
    expect([exit & WHAT_REASON, m.cpu.exitAddr, isSent(exit)]).toEqual([EXIT_PIO, 0x308, false]);
  });
});

test('slots: the same one has one number; what is no slot is refused; a CPU takes so many', () => {
  const bytes = new Uint8Array(slot.buffer, 64, 32);
  expect(sender.slot(bytes)).toBe(number);
  expect(() => sender.slot(new Uint8Array(31))).toThrow('useSlot() wants 32 bytes');
  const more = new SharedArrayBuffer(4096);
  const numbers = Array.from({ length: 100 }, (_, i) =>
    sender.slot(new Uint8Array(more, i * 32, 32)),
  );
  expect(new Set(numbers.slice(0, 63)).size).toBe(63);
  expect(numbers.slice(63)).toEqual(new Array(37).fill(0));
});

test('a CPU that was disposed sends nothing', () => {
  armed(asm16('66edebfc', 'l: in eax,dx; jmp l'));
  slot[7] = 0;
  m.cpu[Symbol.dispose]();
  expect(() => m.cpu.goOnAgain(0)).toThrow();
  expect(slot[7]).toBe(0);
});
