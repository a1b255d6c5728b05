// SPDX-License-Identifier: GPL-2.0-only
// The way a guest takes through the modes by its own code: reset, A20, unreal, 16-bit and 32-bit protected mode.
import { describe, expect, test } from 'vitest';
import {
  EXIT_BUDGET,
  EXIT_HLT,
  EXIT_MMIO,
  EXIT_SHUTDOWN,
  EXIT_UNSUPPORTED,
  RAX,
  RBX,
  RCX,
  RDX,
  RSP,
  SEG_CS,
  SEG_DS,
} from '../../src/cpu/backend.ts';
import { asm16, asm32, join } from '../helpers/guest-code.ts';
import { CODE, GDT, Machine, MIB } from './machine.ts';

/** 1 MiB of RAM whose last 64 KiB are also seen, read-only, below 4 GiB. */
function withRom(): Machine {
  return new Machine(MIB, [
    { gpa: 0, bytes: MIB, offset: 0, writable: true },
    { gpa: 0xffff0000, bytes: 0x10000, offset: 0xf0000, writable: false },
  ]);
}

describe('reset', () => {
  test('starts at F000:FFF0 through the ROM below 4 GiB', () => {
    using m = withRom();
    // Near, it would stay up there; far, it comes down to f000:e000.
    m.ram.writeBytes(0xffff0, asm16('ea00e000f0', 'jmp 0xf000:0xe000'));
    m.ram.writeBytes(0xfe000, asm16('41f4', 'inc cx; hlt'));
    expect(m.cpu.regs.segment(SEG_CS)).toMatchObject({ selector: 0xf000, base: 0xffff0000 });
    expect([m.cpu.regs.rip, m.cpu.regs.rflags]).toEqual([0xfff0, 2]);
    expect(m.cpu.regs.control(0)).toBe(0x60000010);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.segment(SEG_CS)).toMatchObject({ selector: 0xf000, base: 0xf0000 });
    expect(m.cpu.regs.gpr(RCX)).toBe(1);
  });

  test('stays in the ROM until a far jump', () => {
    using m = withRom();
    // ffff:fff0: jmp near to e000; there: store through CS into the ROM, which is dropped
    m.ram.writeBytes(0xffff0, asm16('e90de0', 'org 0xfff0; jmp 0xe000'));
    m.ram.writeBytes(
      0xfe000,
      asm16(
        '2ea000e12ec60600e1552e8a2600e1f4',
        'mov al,[cs:0xe100]; mov byte [cs:0xe100],0x55; mov ah,[cs:0xe100]; hlt',
      ),
    );
    m.ram.write(0xfe100, 1, 0x99);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.segment(SEG_CS).base).toBe(0xffff0000);
    expect(m.cpu.regs.gpr(RAX) & 0xffff).toBe(0x9999);
    expect(m.ram.read(0xfe100, 1)).toBe(0x99);
  });

  test('of a running machine: registers as after power-on, the count goes on, RAM stays', () => {
    using m = withRom();
    m.ram.writeBytes(
      0xffff0,
      asm16('b834128ed8a30000f4', 'mov ax,0x1234; mov ds,ax; mov [0],ax; hlt'),
    );
    const powerOn = m.cpu.regs.snapshot();
    m.runTo(EXIT_HLT);
    const count = m.cpu.icount;
    expect(count).toBe(4);
    m.cpu.reset();
    expect(m.cpu.regs.snapshot()).toEqual(powerOn);
    expect(m.cpu.icount).toBe(count);
    expect(m.ram.read(0x12340, 2)).toBe(0x1234);
    m.runTo(EXIT_HLT);
    expect(m.cpu.icount).toBe(2 * count);
  });

  test('without RAM at the reset vector: a clear exit', () => {
    using m = new Machine();
    m.runTo(EXIT_UNSUPPORTED);
    expect(m.cpu.unsupported()).toContain('0xfffffff0');
    m.runTo(EXIT_UNSUPPORTED);
  });
});

describe('address line 20', () => {
  const PROBE = asm16(
    'b8ffff8ed88a1e1005c606110577f4',
    'mov ax,0xffff; mov ds,ax; mov bl,[0x510]; mov byte [0x511],0x77; hlt',
  );
  function machine(): Machine {
    const m = new Machine(2 * MIB, [{ gpa: 0, bytes: 2 * MIB, offset: 0, writable: true }]);
    m.ram.write(0x500, 1, 0x11);
    m.ram.write(0x100500, 1, 0x22);
    return m;
  }
  test('on: ffff:0510 is above 1 MiB', () => {
    using m = machine();
    m.real(PROBE);
    expect(m.cpu.a20).toBe(true);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RBX)).toBe(0x22);
    expect([m.ram.read(0x501, 1), m.ram.read(0x100501, 1)]).toEqual([0, 0x77]);
  });
  test('off: it wraps, for loads and stores; kept by save and restore', () => {
    using m = machine();
    m.real(PROBE);
    m.cpu.a20 = false;
    const state = m.cpu.save();
    m.cpu.a20 = true;
    m.cpu.restore(state);
    expect(m.cpu.a20).toBe(false);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RBX)).toBe(0x11);
    expect([m.ram.read(0x501, 1), m.ram.read(0x100501, 1)]).toEqual([0x77, 0]);
  });
  test('switched while the guest runs', () => {
    using m = machine();
    // l: mov bl,[510]; out 92,al; jmp l
    m.real(
      asm16(
        'b8ffff8ed88a1e1005e692ebf8',
        'mov ax,0xffff; mov ds,ax; l: mov bl,[0x510]; out 0x92,al; jmp l',
      ),
    );
    const seen = [];
    for (const on of [false, true, false, true]) {
      m.port();
      seen.push(m.cpu.regs.gpr(RBX));
      m.cpu.a20 = on;
      m.port();
    }
    m.port();
    seen.push(m.cpu.regs.gpr(RBX));
    expect(seen).toEqual([0x22, 0x11, 0x22, 0x11, 0x22]);
  });
});

/** Descriptors: 8 code32, 10 data32 flat, 18 code16, 20 data16; the pointer for LGDT lies at GDT - 8. */
function tables(m: Machine): void {
  const rows: readonly (readonly [number, number])[] = [
    [0, 0],
    [0xffff, 0xcf9a00],
    [0xffff, 0xcf9200],
    [0xffff, 0x9a00],
    [0xffff, 0x9200],
  ];
  for (const [index, [low, high]] of rows.entries()) {
    m.ram.write(GDT + index * 8, 4, low);
    m.ram.write(GDT + index * 8 + 4, 4, high);
  }
  m.ram.write(GDT - 8, 2, rows.length * 8 - 1);
  m.ram.write(GDT - 6, 4, GDT);
}

describe('protected mode by the guest itself', () => {
  test('real to 16-bit, to 32-bit, and back to real mode', () => {
    using m = new Machine();
    m.real(
      join(
        // 1000: lgdt; PE on; far jump to 16-bit code at 1020
        asm16(
          '660f0116f82f0f20c00c010f22c0ea2010180090909090909090909090909090',
          'o32 lgdt [0x2ff8]; mov eax,cr0; or al,1; mov cr0,eax; jmp 0x18:0x1020; times 0x20-($-$$) nop',
        ),
        // 1020: 16-bit protected mode: data, then 32-bit code at 1040
        asm16(
          'b820008ed06811115966ea401000000800909090909090909090909090909090',
          'mov ax,0x20; mov ss,ax; push word 0x1111; pop cx; jmp dword 8:0x1040; times 0x20-($-$$) nop',
        ),
        // 1040: 32-bit: reaches far up, then 16-bit code at 1060
        asm32(
          '66b810008ed88ed068222222225a668b1d00000d00ea60100000180090909090',
          'mov ax,0x10; mov ds,ax; mov ss,ax; push dword 0x22222222; pop edx; mov bx,[0xd0000]; jmp 0x18:0x1060; times 0x20-($-$$) nop',
        ),
        // 1060: 16-bit again, PE off, real mode at 0:1080
        asm16(
          '0f20c024fe0f22c0ea8010000090909090909090909090909090909090909090',
          'mov eax,cr0; and al,0xfe; mov cr0,eax; jmp 0:0x1080; times 0x20-($-$$) nop',
        ),
        // 1080: real mode; DS still reaches 4 GiB: unreal mode
        asm16('66be1000b0fe678a06f4', 'mov esi,0xfeb00010; mov al,[esi]; hlt'),
      ),
    );
    tables(m);
    m.runTo(EXIT_MMIO);
    expect([m.cpu.exitAddr, m.cpu.regs.segment(SEG_CS).selector]).toEqual([0xd0000, 8]);
    expect([m.cpu.regs.gpr(RCX), m.cpu.regs.gpr(RDX)]).toEqual([0x1111, 0x22222222]);
    m.cpu.answer(0x3333, 0);
    m.runTo(EXIT_MMIO);
    expect([m.cpu.exitAddr, m.cpu.exitSize]).toEqual([0xfeb00010, 1]);
    expect(m.cpu.regs.control(0) & 1).toBe(0);
    expect(m.cpu.regs.segment(SEG_DS)).toMatchObject({ limit: 0xffffffff, base: 0 });
    m.cpu.answer(0x44, 0);
    m.runTo(EXIT_HLT);
    expect([m.cpu.regs.gpr(RAX) & 0xff, m.cpu.regs.gpr(RBX)]).toEqual([0x44, 0x3333]);
  });

  test('unreal mode outlives save and restore into another CPU', () => {
    using m = new Machine();
    m.real(
      asm16(
        '660f0116f82f0f20c00c010f22c0bb10008edb24fe0f22c04167a00000b0fef4',
        'o32 lgdt [0x2ff8]; mov eax,cr0; or al,1; mov cr0,eax; mov bx,0x10; mov ds,bx; and al,0xfe; mov cr0,eax; inc cx; a32 mov al,[dword 0xfeb00000]; hlt',
      ),
    );
    tables(m);
    m.runTo(EXIT_MMIO);
    const state = m.cpu.save();
    using other = new Machine();
    other.ram.writeBytes(0, m.ram.bytes.subarray(0, 0x8000));
    other.cpu.restore(state);
    other.runTo(EXIT_MMIO);
    expect(other.cpu.exitAddr).toBe(0xfeb00000);
    expect(other.cpu.regs.segment(SEG_DS)).toMatchObject({ selector: 0x10, limit: 0xffffffff });
    other.cpu.answer(0x5a, 0);
    other.runTo(EXIT_HLT);
    expect(other.cpu.regs.gpr(RAX) & 0xff).toBe(0x5a);
  });

  test('an IDT with nothing in it: triple fault, and reset leads out of it', () => {
    using m = withRom();
    m.ram.writeBytes(0xffff0, asm16('f4', 'hlt'));
    m.real(asm16('660f011e0040cd03f4', 'o32 lidt [0x4000]; int 3; hlt'));
    m.ram.write(0x4000, 2, 0);
    m.ram.write(0x4002, 4, 0);
    m.cpu.regs.setControl(0, 0x60000011);
    m.runTo(EXIT_SHUTDOWN);
    const count = m.cpu.icount;
    m.runTo(EXIT_SHUTDOWN);
    expect(m.cpu.icount).toBe(count);
    m.cpu.reset();
    m.runTo(EXIT_HLT);
  });
});

describe('what is not supported is a clear exit', () => {
  test('long mode is neither offered nor entered', () => {
    using m = new Machine();
    m.flat32(
      // EFER.LME, PAE, PG
      asm32(
        'b9800000c00f320d000100000f300f3289c3b8010000800fa2f4',
        'mov ecx,0xc0000080; rdmsr; or eax,0x100; wrmsr; rdmsr; mov ebx,eax; mov eax,0x80000001; cpuid; hlt',
      ),
    );
    m.runTo(EXIT_HLT);
    // CPUID has no LM bit, and EFER.LME does not keep what is written.
    expect([m.cpu.regs.gpr(RDX) & 0x20000000, m.cpu.regs.gpr(RBX) & 0x100]).toEqual([0, 0]);
  });

  test('instruction fetch from a device', () => {
    using m = new Machine();
    m.real(asm16('41ea100000d0', 'inc cx; jmp 0xd000:0x10'));
    for (let i = 0; i < 3; i++) {
      m.runTo(EXIT_UNSUPPORTED);
      expect(m.cpu.unsupported()).toMatch(/fetch.*0xd0010/);
      expect([m.cpu.regs.rip, m.cpu.regs.gpr(RCX)]).toEqual([0x10, 1]);
    }
    // The owner may lead the guest out of it.
    m.ram.writeBytes(CODE, asm16('f4', 'hlt'));
    m.cpu.regs.setSegment(SEG_CS, { selector: 0, base: 0, limit: 0xffff, attributes: 0x9b00 });
    m.cpu.regs.rip = CODE;
    m.runTo(EXIT_HLT);
  });

  test('an instruction that lies half in a device: what stands before it is executed', () => {
    using m = new Machine();
    m.real(asm16('eafc0f00cf', 'jmp 0xcf00:0xffc'));
    m.ram.writeBytes(0xcfffc, asm16('4141b801', 'inc cx; inc cx; db 0xb8,1'));
    m.runTo(EXIT_UNSUPPORTED);
    expect(m.cpu.unsupported()).toMatch(/fetch.*0xd0000/);
    expect([m.cpu.regs.rip, m.cpu.regs.gpr(RCX)]).toEqual([0xffe, 2]);
  });

  test('running off the end of RAM', () => {
    using m = new Machine(MIB, [{ gpa: 0, bytes: MIB, offset: 0, writable: true }]);
    m.flat32(asm32('e9ebef0f00', 'jmp 0xfeff0'));
    m.ram.bytes.fill(0x90, 0xff000, MIB);
    m.cpu.hostWrote(0xff000, 0x1000);
    m.cpu.regs.rip = 0xffff0;
    m.runTo(EXIT_UNSUPPORTED);
    expect(m.cpu.unsupported()).toMatch(/fetch.*0x100000/);
    expect(m.cpu.regs.rip).toBe(MIB);
  });

  test('a stack in device memory when an interrupt comes', () => {
    using m = new Machine();
    m.real(asm16('cd42f4', 'int 0x42; hlt'));
    m.cpu.regs.setSegment(2, {
      selector: 0xd000,
      base: 0xd0000,
      limit: 0xffff,
      attributes: 0x9300,
    });
    m.cpu.regs.setGpr(RSP, 0x100);
    m.runTo(EXIT_UNSUPPORTED);
    expect(m.cpu.unsupported()).toContain('outside any instruction');
  });

  test('a page table in device memory', () => {
    using m = new Machine();
    m.flat32(asm32('90f4', 'nop; hlt'));
    m.cpu.regs.setControl(3, 0xd0000);
    m.cpu.regs.setControl(0, 0xe0000011);
    m.cpu.deadline = m.cpu.icount + 100;
    const exits = new Set<number>();
    for (let i = 0; i < 10; i++) exits.add(m.cpu.run());
    expect(
      [...exits].every((exit) =>
        [EXIT_UNSUPPORTED, EXIT_SHUTDOWN, EXIT_BUDGET].includes(exit as 8),
      ),
    ).toBe(true);
    expect(exits.has(EXIT_HLT)).toBe(false);
  });
});
