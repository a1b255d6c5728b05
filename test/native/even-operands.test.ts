// SPDX-License-Identifier: GPL-2.0-only
// Operands of instructions that were translated as aligned accesses: at odd addresses, at the end of the segment, in
// devices, in segments that begin anywhere. A CPU that has met an odd address at the same place before has the other
// translation: both must come to the same end.
import { describe, expect, test } from 'vitest';
import {
  EXIT_HLT,
  EXIT_MMIO,
  EXIT_PIO,
  RAX,
  RBX,
  RCX,
  RDI,
  RSI,
  SEG_DS,
  SEG_ES,
} from '../../src/cpu/backend.ts';
import { asm16 } from '../helpers/guest-code.ts';
import { CODE, DEVICE, Machine } from './machine.ts';

const BASE = 0x10010;
const FORMS: readonly [string, Uint8Array][] = [
  ['mov ax,[bx]', asm16('8b07', 'mov ax,[bx]')],
  ['mov [bx],ax', asm16('8907', 'mov [bx],ax')],
  ['mov eax,[bx]', asm16('668b07', 'mov eax,[bx]')],
  ['mov [bx],eax', asm16('668907', 'mov [bx],eax')],
  ['mov word [bx],n', asm16('c7073412', 'mov word [bx],0x1234')],
  ['add [bx],ax', asm16('0107', 'add [bx],ax')],
  ['adc eax,[bx]', asm16('661307', 'adc eax,[bx]')],
  ['sub dword [bx],n', asm16('66832f05', 'sub dword [bx],5')],
  ['neg word [bx]', asm16('f71f', 'neg word [bx]')],
  ['inc dword [bx]', asm16('66ff07', 'inc dword [bx]')],
  ['rol word [bx],3', asm16('c10703', 'rol word [bx],3')],
  ['test [bx],eax', asm16('668507', 'test [bx],eax')],
  ['movzx eax,word [bx]', asm16('660fb707', 'movzx eax,word [bx]')],
  ['imul ax,[bx]', asm16('0faf07', 'imul ax,[bx]')],
  ['shld [bx],ax,4', asm16('0fa40704', 'shld [bx],ax,4')],
  ['cmovz eax,[bx]', asm16('660f4407', 'cmovz eax,[bx]')],
  ['lodsw', asm16('ad', 'lodsw')],
  ['stosd', asm16('66ab', 'stosd')],
  ['scasw', asm16('af', 'scasw')],
  ['rep lodsw', asm16('f3ad', 'rep lodsw')],
  ['mov ax,[ebx]', asm16('678b03', 'mov ax,[ebx]')],
];
/** Offsets: multiples of the size, others, the last ones of the segment, over the end of a page. */
const OFFSETS = [
  0x100, 0x102, 0xfffc, 0xfffe, 0x101, 0xfffd, 0xffff, 0x104, 0x103, 0xfee, 0xfef, 0xff1, 0xfffb,
];

function enter(m: Machine, code: Uint8Array, offset: number, base = BASE): void {
  m.real(Uint8Array.from([...code, 0xf4]));
  const { regs } = m.cpu;
  for (const index of [SEG_DS, SEG_ES])
    regs.setSegment(index, { ...regs.segment(index), selector: base >>> 4, base });
  for (const index of [RBX, RSI, RDI]) regs.setGpr(index, offset);
  regs.setGpr(RAX, 0x89abcdef);
  regs.setGpr(RCX, 3);
}

/** What is left behind, at HLT or in a handler. */
function end(m: Machine): unknown {
  const { cpu } = m;
  const start = cpu.icount;
  const exit = cpu.run();
  expect([EXIT_HLT, EXIT_PIO]).toContain(exit);
  const regs = Array.from({ length: 8 }, (_, i) => cpu.regs.gpr(i));
  const ram = Buffer.from(m.ram.bytes.subarray(0x6000, 0x22000)).toString('latin1');
  return { exit, regs, rip: cpu.regs.rip, flags: cpu.regs.rflags, count: cpu.icount - start, ram };
}

describe('as aligned or not, the end is the same', () => {
  test.each(FORMS)('%s', (_, code) => {
    using used = new Machine();
    enter(used, code, 0x101);
    end(used);
    let faults = 0;
    for (const first of OFFSETS) {
      using fresh = new Machine();
      for (const offset of [first, ...OFFSETS]) {
        const ends = [fresh, used].map((m) => {
          m.ram.bytes.fill(0, 0x6000, 0x22000);
          for (let i = 0; i < 64; i++) m.ram.bytes[BASE + 0xffe0 + i] = i * 5 + 1;
          enter(m, code, offset);
          return end(m);
        });
        expect(ends[0], `at ${first.toString(16)}, then ${offset.toString(16)}`).toEqual(ends[1]);
        if ((ends[0] as { exit: number }).exit === EXIT_PIO) faults++;
      }
    }
    // Those that end behind FFFF: one of them at least with every form.
    expect(faults).toBeGreaterThanOrEqual(OFFSETS.length);
  });
});

test('an odd address in device memory is asked once', () => {
  for (const [code, dir] of [
    [asm16('8b07', 'mov ax,[bx]'), 1],
    [asm16('8907', 'mov [bx],ax'), 0],
  ] as const) {
    using m = new Machine();
    enter(m, code, 2, DEVICE);
    m.runTo(EXIT_MMIO);
    m.cpu.answer(0x1234, 0);
    m.runTo(EXIT_HLT);
    enter(m, code, 3, DEVICE);
    m.runTo(EXIT_MMIO);
    expect([m.cpu.exitAddr, m.cpu.exitSize, m.cpu.exitDir]).toEqual([DEVICE + 3, 2, dir]);
    expect(m.cpu.regs.rip).toBe(CODE);
    m.cpu.answer(0x5678, 0);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RAX) & 0xffff).toBe(dir === 1 ? 0x5678 : 0xcdef);
  }
});

test('finished alone, an instruction at an odd address counts once', () => {
  using m = new Machine();
  enter(m, asm16('8b07', 'mov ax,[bx]'), 0x101);
  m.ram.write(BASE + 0x101, 2, 0x4321);
  const before = m.cpu.icount;
  m.cpu.deadline = before + 1;
  m.cpu.run();
  expect([m.cpu.icount - before, m.cpu.regs.rip - CODE, m.cpu.regs.gpr(RAX) & 0xffff]).toEqual([
    1, 2, 0x4321,
  ]);
});

test('a segment that begins at an odd address: its even offsets are looked at, too', () => {
  using m = new Machine();
  const load = asm16('8b07', 'mov ax,[bx]');
  enter(m, load, 0xfffe);
  m.runTo(EXIT_HLT);
  // Offset FFFF is an even address there.
  enter(m, load, 0xffff, BASE + 1);
  expect(m.toHandler()).toBe(13);
  m.leaveHandler();
  enter(m, load, 0xfffe, BASE + 1);
  m.runTo(EXIT_HLT);
});

test('of an instruction behind others of its block nothing is done twice', () => {
  using m = new Machine();
  const code = asm16('4101074143', 'inc cx; add [bx],ax; inc cx; inc bx');
  enter(m, code, 0x100);
  m.cpu.regs.setGpr(RAX, 1);
  m.cpu.regs.setGpr(RCX, 0);
  m.runTo(EXIT_HLT);
  enter(m, code, 0x101);
  m.cpu.regs.setGpr(RAX, 1);
  m.cpu.regs.setGpr(RCX, 0);
  const before = m.cpu.icount;
  m.runTo(EXIT_HLT);
  expect([m.cpu.regs.gpr(RCX), m.cpu.icount - before]).toEqual([2, 5]);
  expect(m.ram.read(BASE + 0x100, 4)).toBe(0x101);
});
