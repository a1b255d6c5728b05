// SPDX-License-Identifier: GPL-2.0-only
// One instruction, access by access, where Xen's emulator and the processor part: exceptions that the
// owner takes, LOCK where it is not allowed, the end of REP, the write-back of a failed CMPXCHG.
import { describe, expect, it } from 'vitest';
import { EXIT_BOUNDARY, EXIT_MMIO, RAX, RCX, RDI, RDX } from '../../src/cpu/backend.ts';
import { InsnCpu } from '../../src/cpu/insn-cpu.ts';
import type { insn_access, insn_step } from '../../src/xen/hvm/x86_emulate.ts';
import { CODE, DEVICE, HANDLER_PORT, Machine } from './machine.ts';

const at = (gpa: number): number[] => [gpa & 255, (gpa >> 8) & 255, (gpa >> 16) & 255, gpa >>> 24];

function accesses(): insn_access[] {
  return Array.from({ length: 8 }, () => ({
    is_pio: false,
    dir: 0 as const,
    gla: 0,
    gpa: 0,
    size: 0,
    data: 0,
    data_hi: 0,
  }));
}

class Rig implements Disposable {
  readonly machine = new Machine();
  readonly insn = new InsnCpu(this.machine.cpu);
  readonly list = accesses();
  constructor(...code: number[]) {
    this.machine.flat32(Uint8Array.from(code));
    this.machine.cpu.catchExceptions = true;
  }
  /** Runs to the end; every read is answered with `answer`. */
  run(answer: number): { end: insn_step; dirs: string } {
    let dirs = '';
    for (let done = 0; ; done++) {
      const end = this.insn.advance(this.list, done);
      if (end !== 'access') return { end, dirs };
      const access = this.list[done] as insn_access;
      dirs += access.dir === 1 ? 'r' : 'w';
      if (access.dir === 1) access.data = answer;
    }
  }
  [Symbol.dispose](): void {
    this.machine[Symbol.dispose]();
  }
}

describe('exceptions left to the owner', () => {
  it.each([
    ['LOCK MOV', [0xf0, 0xa3, ...at(DEVICE)], 'exception', { vector: 6, ec: -1 }],
    ['UD2', [0x0f, 0x0b], 'exception', { vector: 6, ec: -1 }],
    ['UD0', [0x0f, 0xff, 0x05, ...at(DEVICE)], 'exception', { vector: 6, ec: -1 }],
    ['no instruction', [0x0f, 0x04], 'unrecognized', null],
    ['DIV by zero', [0xf7, 0xf1], 'exception', { vector: 0, ec: -1 }],
    ['a bad selector', [0xb8, 0xff, 0, 0, 0, 0x8e, 0xd8], 'exception', { vector: 13, ec: 0xfc }],
  ] as const)('%s', (name, code, step, exception) => {
    using rig = new Rig(...code);
    if (name === 'a bad selector') expect(rig.insn.advance(rig.list, 0)).toBe('retired');
    const rip = rig.machine.cpu.regs.rip;
    expect(rig.insn.advance(rig.list, 0)).toBe(step);
    expect(rig.insn.take_exception()).toEqual(exception);
    expect(rig.insn.begun).toBe(false);
    expect(rig.machine.cpu.regs.rip).toBe(rip);
    expect(rig.insn.protected_mode()).toBe(true);
  });

  it('is forgotten by the next instruction', () => {
    using rig = new Rig(0x0f, 0x0b);
    rig.insn.advance(rig.list, 0);
    rig.machine.cpu.regs.rip = CODE + 2;
    rig.machine.ram.write(CODE + 2, 1, 0x90);
    expect(rig.insn.advance(rig.list, 0)).toBe('retired');
    expect(rig.insn.take_exception()).toBeNull();
  });

  it('is delivered by the CPU unless it was asked not to', () => {
    using rig = new Rig(0xf0, 0xa3, ...at(DEVICE));
    rig.machine.cpu.catchExceptions = false;
    rig.machine.runTo(1);
    expect(rig.machine.cpu.exitAddr).toBe(HANDLER_PORT);
  });
});

describe('LOCK', () => {
  const memory = 0x9000;
  const modrm = (reg: number): number[] => [0x05 | (reg << 3), ...at(memory)];
  const allowed: [string, number[]][] = [
    ['ADD', [0x01, ...modrm(0)]],
    ['XOR', [0x30, ...modrm(0)]],
    ['SUB imm', [0x83, ...modrm(5), 1]],
    ['XCHG', [0x87, ...modrm(1)]],
    ['NOT', [0xf7, ...modrm(2)]],
    ['NEG', [0xf6, ...modrm(3)]],
    ['INC', [0xfe, ...modrm(0)]],
    ['DEC', [0xff, ...modrm(1)]],
    ['XADD', [0x0f, 0xc1, ...modrm(1)]],
    ['CMPXCHG', [0x0f, 0xb1, ...modrm(1)]],
    ['CMPXCHG8B', [0x0f, 0xc7, ...modrm(1)]],
    ['BTS', [0x0f, 0xab, ...modrm(0)]],
    ['BTC imm', [0x0f, 0xba, ...modrm(7), 1]],
  ];
  const refused: [string, number[]][] = [
    ['ADD to a register', [0x01, 0xc8]],
    ['ADD from memory', [0x03, ...modrm(0)]],
    ['CMP', [0x39, ...modrm(0)]],
    ['CMP imm', [0x83, ...modrm(7), 1]],
    ['TEST', [0xf7, ...modrm(0), 0, 0, 0, 0]],
    ['MOV', [0x89, ...modrm(0)]],
    ['PUSH', [0xff, ...modrm(6)]],
    ['BT imm', [0x0f, 0xba, ...modrm(4), 1]],
    ['BT', [0x0f, 0xa3, ...modrm(0)]],
    ['0F C7 /2', [0x0f, 0xc7, ...modrm(2)]],
    ['NOP', [0x90]],
    ['OUT', [0xee]],
    ['POPA', [0x61]],
  ];
  it.each(allowed)('is allowed on %s', (_name, code) => {
    using rig = new Rig(0xf0, ...code);
    expect(rig.machine.cpu.step()).toBe(EXIT_BOUNDARY);
    expect(rig.machine.cpu.regs.rip).toBe(CODE + 1 + code.length);
  });
  it.each(refused)(
    'is #UD on %s, also behind another prefix, and in the middle of a block',
    (_name, code) => {
      for (const before of [[], [0x66], [0x90, 0x90]]) {
        using rig = new Rig(...before, 0xf0, ...code);
        rig.machine.runTo(10);
        expect(rig.machine.cpu.exception.vector).toBe(6);
        expect(rig.machine.cpu.regs.rip).toBe(CODE + (before[0] === 0x90 ? 2 : 0));
      }
    },
  );
});

describe('a failed CMPXCHG', () => {
  it.each([
    [4, [0x0f, 0xb1, 0x0d, ...at(DEVICE)]],
    [2, [0x66, 0x0f, 0xb1, 0x0d, ...at(DEVICE)]],
    [1, [0x0f, 0xb0, 0x0d, ...at(DEVICE)]],
    [4, [0xf0, 0x0f, 0xb1, 0x0d, ...at(DEVICE)]],
  ])('of %i bytes makes no write, as in Xen; one that succeeds does', (size, code) => {
    const mask = 2 ** (8 * size) - 1;
    for (const equal of [false, true]) {
      using rig = new Rig(...code);
      const { regs } = rig.machine.cpu;
      const found = 0x8d8d8d8d % (mask + 1);
      regs.setGpr(RAX, equal ? 0x8d8d8d8d : 0x11111111);
      regs.setGpr(RCX, 0x22222222);
      expect(rig.run(found)).toEqual({ end: 'retired', dirs: equal ? 'rw' : 'r' });
      expect((regs.gpr(RAX) & mask) >>> 0).toBe(found);
      expect(regs.rip).toBe(CODE + code.length);
      expect(regs.rflags & 0x40).toBe(equal ? 0x40 : 0);
    }
  });

  it('of 8 bytes compares both halves', () => {
    for (const high of [0, 5]) {
      using rig = new Rig(0x0f, 0xc7, 0x0d, ...at(DEVICE));
      const { regs } = rig.machine.cpu;
      regs.setGpr(RAX, 7);
      regs.setGpr(RDX, high);
      expect(rig.run(7)).toEqual({ end: 'retired', dirs: high === 0 ? 'rw' : 'r' });
      expect(regs.gpr(RDX)).toBe(0);
    }
  });

  it('other instructions write back what they read', () => {
    using rig = new Rig(0x09, 0x0d, ...at(DEVICE)); // or [device],ecx
    expect(rig.run(7)).toEqual({ end: 'retired', dirs: 'rw' });
  });
});

describe('the end of REP', () => {
  it.each([1, 2])(
    'with %i repetitions: RIP moves with the last one, and the count is the same',
    (count) => {
      using rig = new Rig(0xf3, 0xab, 0xf3, 0xab); // rep stosd, twice
      const { cpu } = rig.machine;
      cpu.regs.setGpr(RCX, count);
      cpu.regs.setGpr(RDI, DEVICE);
      for (let left = count; left > 0; left--) {
        expect(cpu.regs.rip).toBe(CODE);
        rig.insn.string_op();
        expect(rig.run(0)).toEqual({ end: 'retired', dirs: 'w' });
      }
      // Not the second one, whose count is zero as well.
      expect(cpu.regs.rip).toBe(CODE + 2);
      expect(cpu.icount).toBe(count + 1);
    },
  );

  it('without repetitions: one step past it', () => {
    using rig = new Rig(0xf3, 0xab, 0xf3, 0xab);
    rig.insn.string_op();
    expect(rig.run(0)).toEqual({ end: 'retired', dirs: '' });
    expect(rig.machine.cpu.regs.rip).toBe(CODE + 2);
  });
});

it('a batch clears the high halves of 32-bit indices', () => {
  using rig = new Rig(0xf3, 0xab);
  const { regs } = rig.machine.cpu;
  regs.setGpr(RCX, 4, 9);
  regs.setGpr(RDI, DEVICE, 9);
  rig.machine.runTo(EXIT_MMIO);
  const op = rig.insn.string_op();
  expect(op).toMatchObject({ op: 'stos', count: 4 });
  if (op !== null) rig.insn.commit_string(op, 3);
  expect([regs.gpr(RCX), regs.gprHigh(RCX)]).toEqual([1, 0]);
  expect([regs.gpr(RDI), regs.gprHigh(RDI)]).toEqual([DEVICE + 12, 0]);
});
