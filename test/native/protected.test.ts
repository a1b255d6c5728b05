// SPDX-License-Identifier: GPL-2.0-only
// 32-bit protected mode: the descriptor table of interrupts, error codes, rings, I/O permission, paging.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  EXIT_HLT,
  EXIT_MMIO,
  EXIT_PIO,
  EXIT_PIO_STRING,
  EXIT_SHUTDOWN,
  RAX,
  RCX,
  RSP,
  SEG_CS,
  SEG_SS,
  SEG_TR,
} from '../../src/cpu/backend.ts';
import { asm32 } from '../helpers/guest-code.ts';
import * as M from './machine.ts';

let m: M.Machine;
beforeAll(() => {
  m = new M.Machine();
});
afterAll(() => m[Symbol.dispose]());

/** What a handler of an exception with an error code finds on its stack; EIP relative to CODE. */
function errorFrame(): { code: number; ip: number; cs: number } {
  return { code: m.stack(0, 32), ip: m.stack(1, 32) - M.CODE, cs: m.stack(2, 32) };
}
function plainFrame(): { ip: number; cs: number; flags: number } {
  return { ip: m.stack(0, 32) - M.CODE, cs: m.stack(1, 32), flags: m.stack(2, 32) };
}

describe('interrupts through the IDT', () => {
  test('INT n, #DE, #UD without an error code', () => {
    m.flat32(asm32('cd3031c9f7f1f4', 'int 0x30; xor ecx,ecx; div ecx; hlt'), { flags: 2 | M.IF });
    expect(m.toHandler()).toBe(0x30);
    expect(plainFrame()).toMatchObject({ ip: 2, cs: M.CODE32 });
    expect(m.cpu.regs.rflags & M.IF).toBe(0);
    m.leaveHandler();
    expect(m.toHandler()).toBe(0);
    expect(plainFrame()).toMatchObject({ ip: 4, cs: M.CODE32 });
    m.flat32(asm32('900f0b', 'nop; ud2'));
    expect(m.toHandler()).toBe(6);
    expect(plainFrame().ip).toBe(1);
  });

  test('#GP with an error code: a selector beyond the GDT', () => {
    m.flat32(asm32('b8381200008ed8f4', 'mov eax,0x1238; mov ds,ax; hlt'));
    expect(m.toHandler()).toBe(13);
    expect(errorFrame()).toEqual({ code: 0x1238, ip: 5, cs: M.CODE32 });
  });

  test('#NP for a gate that is not present, with its number', () => {
    m.flat32(asm32('cd21f4', 'int 0x21; hlt'));
    m.ram.write(M.IDT + 0x21 * 8 + 4, 4, 0x6e00);
    expect(m.toHandler()).toBe(11);
    expect(errorFrame()).toEqual({ code: (0x21 << 3) | 2, ip: 0, cs: M.CODE32 });
  });

  test('a vector beyond the IDT is #GP with its number', () => {
    m.flat32(asm32('cd50f4', 'int 0x50; hlt'));
    expect(m.toHandler()).toBe(13);
    expect(errorFrame().code).toBe((0x50 << 3) | 2);
  });

  test('an external interrupt, and IRET back', () => {
    m.flat32(asm32('4141f4', 'inc ecx; inc ecx; hlt'), { flags: 2 | M.IF });
    m.cpu.irq = 0x31;
    expect(m.toHandler()).toBe(0x31);
    expect(plainFrame()).toMatchObject({ ip: 0, cs: M.CODE32 });
    m.leaveHandler();
    m.runTo(EXIT_HLT);
    expect([m.cpu.regs.gpr(RCX), m.cpu.regs.gpr(RSP)]).toEqual([2, M.STACK]);
  });

  test('from ring 3 onto the stack of ring 0, and back', () => {
    m.flat32(asm32('cd3041cd31', 'int 0x30; inc ecx; int 0x31'), { ring: 3 });
    expect(m.toHandler()).toBe(0x30);
    expect(m.cpu.regs.gpr(RSP)).toBe(M.RING0_STACK - 20);
    expect(m.cpu.regs.segment(SEG_SS).selector).toBe(M.DATA32);
    expect(m.cpu.regs.segment(SEG_CS).selector).toBe(M.CODE32);
    expect([0, 1, 3, 4].map((word) => m.stack(word, 32))).toEqual([
      M.CODE + 2,
      M.USER_CODE32,
      M.STACK,
      M.USER_DATA32,
    ]);
    m.leaveHandler();
    expect(m.toHandler()).toBe(0x31);
    expect(m.cpu.regs.gpr(RCX)).toBe(1);
  });

  test('an exception that the owner injects brings its error code', () => {
    m.flat32(asm32('e460f4', 'in al,0x60; hlt'));
    m.runTo(EXIT_PIO);
    m.cpu.injectException(13, 0x18);
    expect(m.toHandler()).toBe(13);
    expect(errorFrame()).toEqual({ code: 0x18, ip: 0, cs: M.CODE32 });
    m.leaveHandler();
    m.runTo(EXIT_PIO);
    expect(m.cpu.exitAddr).toBe(0x60);
  });

  test('double fault when #GP cannot be delivered; triple fault when nothing can', () => {
    m.flat32(asm32('b8381200008ed8f4', 'mov eax,0x1238; mov ds,ax; hlt'));
    m.ram.write(M.IDT + 13 * 8 + 4, 4, 0);
    expect(m.toHandler()).toBe(8);
    m.flat32(asm32('410f0bf4', 'inc ecx; ud2; hlt'));
    m.cpu.regs.setTable('idt', 0, 0);
    m.runTo(EXIT_SHUTDOWN);
    m.runTo(EXIT_SHUTDOWN);
    m.runTo(EXIT_SHUTDOWN, () => m.cpu.step());
    m.flat32(asm32('41f4', 'inc ecx; hlt'));
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RCX)).toBe(1);
  });

  test('an interrupt at ring 3 without a task register: triple fault', () => {
    m.flat32(asm32('cd30f4', 'int 0x30; hlt'), { ring: 3 });
    m.cpu.regs.setSegment(SEG_TR, { selector: 0, base: 0, limit: 0, attributes: 0 });
    m.cpu.deadline = m.cpu.icount + 1000;
    m.runTo(EXIT_SHUTDOWN);
    m.cpu.deadline = Number.MAX_SAFE_INTEGER;
    m.flat32(asm32('41f4', 'inc ecx; hlt'), { ring: 3, flags: 2 | M.IF });
    m.cpu.regs.setSegment(SEG_TR, { selector: 0, base: 0, limit: 0, attributes: 0 });
    m.cpu.irq = 0x31;
    m.runTo(EXIT_SHUTDOWN);
  });

  test('a saved state from before a triple fault runs again', () => {
    m.flat32(asm32('410f0bf4', 'inc ecx; ud2; hlt'));
    const state = m.cpu.save();
    m.cpu.regs.setTable('idt', 0, 0);
    m.runTo(EXIT_SHUTDOWN);
    m.cpu.restore(state);
    expect(m.toHandler()).toBe(6);
    expect(m.cpu.regs.gpr(RCX)).toBe(1);
  });
});

describe('I/O permission at ring 3', () => {
  const IN = asm32('41e46041f4', 'inc ecx; in al,0x60; inc ecx; hlt');
  /** TSS with an I/O bitmap in which every bit is set but those of `ports`. */
  function bitmap(...ports: readonly number[]): void {
    const bytes = new Uint8Array(0x2001).fill(0xff);
    for (const port of ports) bytes[port >> 3] = (bytes[port >> 3] ?? 0) & ~(1 << (port & 7));
    m.ram.writeBytes(0x20000, m.ram.bytes.subarray(M.TSS, M.TSS + 0x68));
    m.ram.writeBytes(0x20068, bytes);
    const limit = 0x68 + 0x2000;
    m.cpu.regs.setSegment(SEG_TR, { selector: 0x28, base: 0x20000, limit, attributes: 0x8b00 });
  }
  function refused(ip: number): void {
    expect(m.toHandler()).toBe(13);
    expect(errorFrame()).toEqual({ code: 0, ip, cs: M.USER_CODE32 });
  }

  test('IOPL 0 and no bitmap: #GP(0), the device is not asked', () => {
    m.flat32(IN, { ring: 3 });
    refused(1);
    expect(m.cpu.regs.gpr(RCX)).toBe(1);
  });
  test('IOPL 3: allowed', () => {
    m.flat32(IN, { ring: 3, flags: 0x3002 });
    expect(m.port()).toBe('in 60');
  });
  test('ring 0 is always allowed', () => {
    m.flat32(IN);
    expect(m.port()).toBe('in 60');
  });
  test('a clear bit in the bitmap: allowed', () => {
    m.flat32(IN, { ring: 3 });
    bitmap(0x60);
    expect(m.port()).toBe('in 60');
  });
  test('a set bit: refused', () => {
    m.flat32(IN, { ring: 3 });
    bitmap(0x5f, 0x61);
    refused(1);
  });
  test('every byte of a wide access needs its bit', () => {
    m.flat32(asm32('e55ef4', 'in eax,0x5e; hlt'), { ring: 3 });
    bitmap(0x5e, 0x5f, 0x60);
    refused(0);
    m.flat32(asm32('e55ef4', 'in eax,0x5e; hlt'), { ring: 3 });
    bitmap(0x5e, 0x5f, 0x60, 0x61);
    expect(m.port()).toBe('in 5e');
  });
  test('the last port needs the byte behind the bitmap', () => {
    m.flat32(asm32('baffff0000eef4', 'mov edx,0xffff; out dx,al; hlt'), { ring: 3 });
    bitmap(0xffff);
    expect(m.port()).toBe('out ffff=0');
  });
  test('INS and OUTS: #GP before anything', () => {
    m.flat32(asm32('bf00400000b902000000f36cf4', 'mov edi,0x4000; mov ecx,2; rep insb; hlt'), {
      ring: 3,
    });
    m.ram.bytes[0x4000] = 0x77;
    refused(10);
    expect(m.cpu.regs.gpr(RCX)).toBe(2);
    expect(m.ram.bytes[0x4000]).toBe(0x77);
    m.flat32(asm32('be004000006ff4', 'mov esi,0x4000; outsd; hlt'), { ring: 3 });
    refused(5);
  });
  test('CLI, STI, HLT at ring 3 are #GP', () => {
    for (const code of [asm32('fa', 'cli'), asm32('fb', 'sti'), asm32('f4', 'hlt')]) {
      m.flat32(code, { ring: 3 });
      refused(0);
    }
  });
});

describe('paging', () => {
  const DIRECTORY = 0x10000;
  const TABLE = 0x11000;
  /** A page number beyond RAM, at 200000, free to be mapped. */
  const P = 0x200;
  /** One inside RAM. */
  const Q = 0x90;

  /** Identity for the first 4 MiB, present, writable, user; `pages` are exceptions: linear page to entry. */
  function paged(
    code: Uint8Array,
    pages: Record<number, number>,
    ring: 0 | 3 = 0,
    flags = 2,
  ): void {
    m.flat32(code, { ring, flags });
    m.ram.write(DIRECTORY, 4, TABLE | 7);
    for (let i = 0; i < 1024; i++) m.ram.write(TABLE + i * 4, 4, pages[i] ?? (i << 12) | 7);
    m.cpu.regs.setControl(3, DIRECTORY);
    m.cpu.regs.setControl(0, 0xe0010011);
  }

  test('an address goes where the tables say', () => {
    paged(asm32('a110002000a314002000f4', 'mov eax,[0x200010]; mov [0x200014],eax; hlt'), {
      [P]: 0x4007,
    });
    m.ram.write(0x4010, 4, 0x12345678);
    expect(m.cpu.translate(0x200010)).toBe(0x4010);
    m.runTo(EXIT_HLT);
    expect(m.ram.read(0x4014, 4)).toBe(0x12345678);
    expect(m.cpu.translate(0x7fffffff)).toBe(-1);
  });

  test('#PF on a load: CR2, error code, EIP on it; mapped by the handler it goes on', () => {
    paged(asm32('41a11000200041f4', 'inc ecx; mov eax,[0x200010]; inc ecx; hlt'), { [P]: 0 });
    m.ram.write(0x4010, 4, 0x12345678);
    expect(m.toHandler()).toBe(14);
    expect(errorFrame()).toEqual({ code: 0, ip: 1, cs: M.CODE32 });
    expect(m.cpu.regs.control(2)).toBe(0x200010);
    m.ram.write(TABLE + 0x200 * 4, 4, 0x4007);
    m.leaveHandler();
    m.runTo(EXIT_HLT);
    expect([m.cpu.regs.gpr(RAX), m.cpu.regs.gpr(RCX)]).toEqual([0x12345678, 2]);
  });

  test('#PF on a store: error codes of write, protection, user', () => {
    paged(asm32('a310002000f4', 'mov [0x200010],eax; hlt'), { [P]: 0 });
    expect(m.toHandler()).toBe(14);
    expect(errorFrame().code).toBe(2);
    paged(asm32('a310002000f4', 'mov [0x200010],eax; hlt'), { [P]: 0x4005 });
    expect(m.toHandler()).toBe(14);
    expect(errorFrame().code).toBe(3);
    paged(asm32('a110002000f4', 'mov eax,[0x200010]; hlt'), { [P]: 0x4003 }, 3);
    expect(m.toHandler()).toBe(14);
    expect(errorFrame().code).toBe(5);
  });

  test('#PF on the destination of INS: the device was not asked', () => {
    paged(asm32('bffeff0800b904000000f36cf4', 'mov edi,0x8fffe; mov ecx,4; rep insb; hlt'), {
      [Q]: 0,
    });
    m.cpu.regs.setGpr(2, 0x60);
    const bytes = [];
    for (let i = 0; i < 2; i++) {
      m.runTo(EXIT_PIO_STRING);
      m.cpu.answer(0xa0 + i, 0);
    }
    expect(m.toHandler()).toBe(14);
    expect(errorFrame()).toEqual({ code: 2, ip: 10, cs: M.CODE32 });
    expect(m.cpu.regs.control(2)).toBe(0x90000);
    expect(m.cpu.regs.gpr(RCX)).toBe(2);
    m.ram.write(TABLE + Q * 4, 4, 0x4007);
    m.leaveHandler();
    for (let i = 2; i < 4; i++) {
      m.runTo(EXIT_PIO_STRING);
      m.cpu.answer(0xa0 + i, 0);
    }
    m.runTo(EXIT_HLT);
    bytes.push(...m.ram.bytes.subarray(0x4000, 0x4002));
    expect(bytes).toEqual([0xa2, 0xa3]);
  });

  test('#PF on the second half of the destination of INSD: the device was not asked', () => {
    paged(asm32('bffeff08006df4', 'mov edi,0x8fffe; insd; hlt'), { [Q]: 0x4005 });
    expect(m.toHandler()).toBe(14);
    expect(errorFrame()).toMatchObject({ code: 3, ip: 5 });
    expect(m.cpu.regs.control(2)).toBe(0x90000);
  });

  test('#PF on the source of OUTS: the device was not asked', () => {
    paged(asm32('be000020006ef4', 'mov esi,0x200000; outsb; hlt'), { [P]: 0 });
    expect(m.toHandler()).toBe(14);
    expect(errorFrame()).toMatchObject({ code: 0, ip: 5 });
  });

  test('device memory is reached through the tables: physical and linear address', () => {
    paged(asm32('a110002000ff0520002000f4', 'mov eax,[0x200010]; inc dword [0x200020]; hlt'), {
      [P]: M.DEVICE | 7,
    });
    m.runTo(EXIT_MMIO);
    expect([m.cpu.exitAddr, m.cpu.exitLinear]).toEqual([M.DEVICE + 0x10, 0x200010]);
    m.cpu.answer(0x1234, 0);
    m.runTo(EXIT_MMIO);
    m.runTo(EXIT_MMIO, () => m.cpu.finish(5, 0));
    expect([m.cpu.exitAddr, m.cpu.exitLinear, m.cpu.exitData]).toEqual([
      M.DEVICE + 0x20,
      0x200020,
      6,
    ]);
    m.cpu.answer(0, 0);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RAX)).toBe(0x1234);
  });

  test('an access over two pages that lie apart', () => {
    const pages = { [P]: M.DEVICE | 7, [P + 1]: 0x4007 };
    paged(asm32('a1fe0f2000a3ff0f2000f4', 'mov eax,[0x200ffe]; mov [0x200fff],eax; hlt'), pages);
    m.ram.write(0x4000, 4, 0xaabbccdd);
    m.runTo(EXIT_MMIO);
    expect([m.cpu.exitSize, m.cpu.exitAddr]).toEqual([2, M.DEVICE + 0xffe]);
    m.cpu.answer(0x1122, 0);
    m.runTo(EXIT_MMIO);
    expect([m.cpu.exitSize, m.cpu.exitAddr, m.cpu.exitData]).toEqual([1, M.DEVICE + 0xfff, 0x22]);
    expect(m.ram.read(0x4000, 4)).toBe(0xaabbccdd);
    m.cpu.answer(0, 0);
    m.runTo(EXIT_HLT);
    expect(m.cpu.regs.gpr(RAX)).toBe(0xccdd1122);
    expect(m.ram.read(0x4000, 4)).toBe(0xaaccdd11);
  });

  test('#PF on the second page of an access: the device in the first one was not asked', () => {
    const pages = { [P]: M.DEVICE | 7, [P + 1]: 0 };
    for (const [code, error] of [
      [asm32('a1fe0f2000f4', 'mov eax,[0x200ffe]; hlt'), 0],
      [asm32('a3fe0f2000f4', 'mov [0x200ffe],eax; hlt'), 2],
    ] as const) {
      paged(code, pages);
      expect(m.toHandler()).toBe(14);
      expect(errorFrame()).toMatchObject({ code: error, ip: 0 });
      expect(m.cpu.regs.control(2)).toBe(0x201000);
    }
  });

  test('movs from a device to a page that is not there: what happens to the device', () => {
    paged(asm32('be00002000bf00102000a4f4', 'mov esi,0x200000; mov edi,0x201000; movsb; hlt'), {
      [P]: M.DEVICE | 7,
      [P + 1]: 0,
    });
    m.runTo(EXIT_MMIO);
    m.cpu.answer(0x5a, 0);
    // As on a processor: the load is done, the store faults, and the whole instruction is executed again.
    expect(m.toHandler()).toBe(14);
    expect(errorFrame()).toMatchObject({ code: 2, ip: 10 });
    m.ram.write(TABLE + 0x201 * 4, 4, 0x4007);
    m.leaveHandler();
    m.runTo(EXIT_MMIO);
    expect(m.cpu.exitIndex).toBe(0);
    m.cpu.answer(0x5b, 0);
    m.runTo(EXIT_HLT);
    expect(m.ram.bytes[0x4000]).toBe(0x5b);
  });

  // A processor checks for the store first and does not read; the emulator reads, and then its store faults.
  test('read-modify-write of a read-only device page: one read, then the fault, and nothing written', () => {
    paged(asm32('ff0510002000f4', 'inc dword [0x200010]; hlt'), { [P]: M.DEVICE | 5 });
    m.runTo(EXIT_MMIO);
    expect(m.cpu.exitDir).toBe(1);
    m.cpu.answer(5, 0);
    expect(m.toHandler()).toBe(14);
    expect(errorFrame()).toMatchObject({ code: 3, ip: 0 });
  });

  test('pages of 4 MiB', () => {
    m.flat32(asm32('a110004000a110004d00f4', 'mov eax,[0x400010]; mov eax,[0x4d0010]; hlt'));
    m.ram.write(DIRECTORY, 4, 0x87);
    m.ram.write(DIRECTORY + 4, 4, 0x87);
    m.ram.write(0x10, 4, 0x1234);
    m.cpu.regs.setControl(4, 0x10);
    m.cpu.regs.setControl(3, DIRECTORY);
    m.cpu.regs.setControl(0, 0xe0000011);
    m.runTo(EXIT_MMIO);
    expect(m.cpu.regs.gpr(RAX)).toBe(0x1234);
    expect(m.cpu.exitAddr).toBe(M.DEVICE + 0x10);
    m.cpu.answer(9, 0);
    m.runTo(EXIT_HLT);
  });
});
