// SPDX-License-Identifier: GPL-2.0-only
// String instructions on memory, the read cache, kinds of frames, faults: what the recordings leave out.
import { describe, expect, it } from 'vitest';
import { linear_read, linear_write } from '../../../src/xen/hvm/emulate_mmio.ts';
import { string_reps } from '../../../src/xen/hvm/emulate_rep.ts';
import {
  HVMTRANS_bad_gfn_to_mfn,
  HVMTRANS_gfn_shared,
  HVMTRANS_okay,
  hvm_copy_from_guest_phys,
  hvm_copy_to_guest_phys,
  hvmemul_cache_disable,
  hvmemul_cache_enable,
  hvmemul_cache_restore,
} from '../../../src/xen/hvm/guest_copy.ts';
import { register_mmio_handler } from '../../../src/xen/hvm/io_handler.ts';
import {
  p2m_ioreq_server,
  p2m_mmio_direct,
  p2m_mmio_dm,
  p2m_ram_paged,
  p2m_ram_ro,
  p2m_ram_rw,
  p2m_ram_shared,
} from '../../../src/xen/hvm/p2m.ts';
import type { StringOp } from '../../../src/xen/hvm/x86_emulate.ts';
import {
  X86EMUL_EXCEPTION,
  X86EMUL_OKAY,
  X86EMUL_RETRY,
  X86EMUL_UNHANDLEABLE,
} from '../../../src/xen/hvm/x86_emulate.ts';
import type { JsonObject } from '../../conformance/scenario.ts';
import { BUFFER, MMIO, PORT, RIP, Rig } from './rig.ts';

const SOURCE = 0x30000;

function step(rig: Rig, bytes: string, regs: JsonObject, exit = 'mmio'): JsonObject {
  rig.do('set_regs', { vcpu: 0, rip: RIP, rdx: PORT, ...regs });
  const length = bytes.length / 2;
  rig.do('prog', {
    vcpu: 0,
    rip: RIP,
    exit,
    len: length,
    bytes,
    gpa: BUFFER,
    write: 1,
    gla_valid: 1,
  });
  rig.do('set_regs', { vcpu: 0, rip: RIP });
  // The step of a guest operation may follow one that left the guest.
  if (!rig.v.in_guest) rig.run();
  return rig.do('step', { vcpu: 0 });
}

const memory = (rig: Rig, gpa: number, length: number): string =>
  Buffer.from(rig.machine.ram.bytes.subarray(gpa, gpa + length)).toString('hex');

describe('string instructions between memory and memory', () => {
  it('REP MOVS copies a block in one go, also downwards', () => {
    for (const [rflags, from, to] of [
      [2, SOURCE, BUFFER],
      [0x402, SOURCE + 12, BUFFER + 12],
    ] as const) {
      const rig = new Rig('fixed');
      rig.do('write_mem', { gpa: SOURCE, hex: '000102030405060708090a0b0c0d0e0f' });
      step(rig, 'f3a5', { rsi: from, rdi: to, rcx: 4, rflags });
      expect(memory(rig, BUFFER, 17)).toBe('000102030405060708090a0b0c0d0e0f00');
      expect([rig.reg('rip'), rig.reg('rcx')]).toEqual(['0x1002', '0x0']);
    }
  });

  it('REP MOVS onto its own source goes element by element', () => {
    const rig = new Rig('fixed');
    rig.do('write_mem', { gpa: SOURCE, hex: '01020304' });
    step(rig, 'f3a4', { rsi: SOURCE, rdi: SOURCE + 1, rcx: 3 });
    expect(memory(rig, SOURCE, 4)).toBe('01010304');
    expect([rig.reg('rip'), rig.reg('rcx')]).toEqual(['0x1000', '0x2']);
  });

  it('REP STOS fills, upwards and downwards', () => {
    for (const [rflags, rdi] of [
      [2, BUFFER],
      [0x402, BUFFER + 4],
    ] as const) {
      const rig = new Rig('fixed');
      step(rig, 'f366ab', { rdi, rcx: 3, rax: 0xaabb1234, rflags });
      expect(memory(rig, BUFFER, 8)).toBe('3412341234120000');
      expect(rig.reg('rdi')).toBe(rflags === 2 ? '0x20006' : '0x1fffe');
    }
  });

  it('waits for shared frames, and hands frames it cannot reach to single accesses', () => {
    const shared = new Rig('fixed');
    shared.d.arch.hvm.p2m.set_type(0x20, 1, p2m_ram_shared);
    step(shared, 'f3ab', { rdi: BUFFER, rcx: 3 });
    expect(shared.reg('rcx')).toBe('0x3');

    const direct = new Rig('fixed');
    direct.d.arch.hvm.p2m.set_type(0x20, 1, p2m_mmio_direct);
    step(direct, 'f3ab', { rdi: BUFFER, rcx: 3 });
    // Nobody claims it: the write vanishes, one element is done.
    expect(direct.reg('rcx')).toBe('0x2');
  });

  it('takes one element at a time where both sides are devices', () => {
    const rig = new Rig('fixed');
    step(rig, 'f3a5', { rsi: MMIO, rdi: MMIO + 0x100, rcx: 3 });
    for (let i = 0; i < 2; i++) {
      rig.do('dm_answer', { server: 0, vcpu: 0, base: 0 });
      rig.run();
    }
    expect([rig.served, rig.reg('rcx'), rig.reg('rip')]).toEqual([2, '0x2', '0x1000']);
  });

  it('cuts a batch where the frames stop being contiguous, and faults where there is no translation', () => {
    for (const [limit, rcx] of [
      [BUFFER + 0x1000, '0x3fe'],
      [BUFFER, '0x7fe'],
    ] as const) {
      const rig = new Rig('fixed');
      const { cpu } = rig.v.arch.hvm;
      if (cpu !== null) cpu.linear_to_phys = (gla) => (gla < limit ? gla : -1);
      step(rig, 'f3ab', { rdi: BUFFER + 8, rcx: 0x7fe });
      // 0x1000 - 8 bytes are 0x3fe elements of four.
      expect(rig.reg('rcx')).toBe(limit === BUFFER ? rcx : '0x400');
    }
  });
});

describe('how many elements are taken on at once', () => {
  const op: StringOp = {
    op: 'movs',
    size: 2,
    rep: true,
    count: 1000,
    df: false,
    port: 0,
    addrSize: 2,
    srcBase: 0,
    srcIndex: 0x100,
    dstBase: 0,
    dstIndex: 0x100,
    length: 2,
  };
  it.each([
    ['all', {}, 1000],
    ['one without REP', { rep: false }, 1],
    ['up to the wrap of the destination', { dstIndex: 0xfffa }, 3],
    ['up to the wrap of the source', { srcIndex: 0xfffc }, 2],
    ['one, upwards from index 0', { dstIndex: 0 }, 1],
    ['one over the wrap', { dstIndex: 0xffff }, 1],
    ['down to index 0', { df: true, dstIndex: 6 }, 4],
    ['one, downwards over the wrap', { df: true, dstIndex: 0xffff }, 1],
    ['far, with 32-bit indices', { addrSize: 4, srcIndex: 0xfff0, dstIndex: 0xfff0 }, 1000],
    ['by the source alone', { op: 'outs', dstIndex: 0, srcIndex: 0xfff0 }, 8],
    ['by the destination alone', { op: 'stos', srcIndex: 0, dstIndex: 0xfff0 }, 8],
  ] as const)('%s', (_name, change, expected) => {
    expect(string_reps({ ...op, ...change })).toBe(expected);
  });
});

describe('guest memory copies', () => {
  it('read, write, drop and refuse by the kind of frame', () => {
    const rig = new Rig('fixed');
    const { p2m } = rig.d.arch.hvm;
    const buf = Uint8Array.from([1, 2, 3, 4]);
    const types = [
      [p2m_ram_rw, HVMTRANS_okay, HVMTRANS_okay, '01020304'],
      [p2m_ram_ro, HVMTRANS_okay, HVMTRANS_okay, '00000000'],
      [p2m_mmio_dm, HVMTRANS_bad_gfn_to_mfn, HVMTRANS_bad_gfn_to_mfn, '00000000'],
      [p2m_mmio_direct, HVMTRANS_bad_gfn_to_mfn, HVMTRANS_bad_gfn_to_mfn, '00000000'],
      [p2m_ram_paged, HVMTRANS_bad_gfn_to_mfn, HVMTRANS_bad_gfn_to_mfn, '00000000'],
      [p2m_ram_shared, HVMTRANS_gfn_shared, HVMTRANS_gfn_shared, '00000000'],
      [p2m_ioreq_server, HVMTRANS_bad_gfn_to_mfn, HVMTRANS_okay, '00000000'],
    ] as const;
    types.forEach(([type, write, read, after], i) => {
      const gpa = (0x40 + i) * 4096;
      p2m.set_type(0x40 + i, 1, type);
      expect([type, hvm_copy_to_guest_phys(rig.v, gpa, buf, 0, 4)]).toEqual([type, write]);
      expect(memory(rig, gpa, 4)).toBe(after);
      expect([type, hvm_copy_from_guest_phys(rig.v, new Uint8Array(4), 0, gpa, 4)]).toEqual([
        type,
        read,
      ]);
    });
  });

  it('keep away from frames with a handler inside the monitor', () => {
    const rig = new Rig('fixed');
    register_mmio_handler(rig.d, {
      check: (_curr, addr) => addr >= 0x50000 && addr < 0x50004,
      read: () => X86EMUL_OKAY,
      write: () => X86EMUL_OKAY,
    });
    const copy = (gpa: number): number =>
      hvm_copy_from_guest_phys(rig.v, new Uint8Array(4), 0, gpa, 4);
    expect([copy(0x50800), copy(0x51000)]).toEqual([HVMTRANS_bad_gfn_to_mfn, HVMTRANS_okay]);
  });

  it('remember reads while an instruction is emulated, in pieces within 8 bytes', () => {
    const rig = new Rig('fixed');
    const vio = rig.v.arch.hvm.hvm_io;
    const read = (gpa: number, size: number): string => {
      const into = new Uint8Array(size);
      expect(hvm_copy_from_guest_phys(rig.v, into, 0, gpa, size)).toBe(HVMTRANS_okay);
      return Buffer.from(into).toString('hex');
    };
    rig.do('write_mem', { gpa: BUFFER, hex: '000102030405060708090a0b' });
    hvmemul_cache_enable(vio);
    expect(read(BUFFER + 6, 4)).toBe('06070809');
    expect(vio.cache.slice(0, vio.cache_count).map(({ gpa, size }) => [gpa, size])).toEqual([
      [BUFFER + 6, 2],
      [BUFFER + 8, 2],
    ]);
    rig.do('write_mem', { gpa: BUFFER, hex: 'ff'.repeat(12) });
    expect(read(BUFFER + 6, 4)).toBe('06070809');
    expect(read(BUFFER + 6, 1)).toBe('ff');
    const token = hvmemul_cache_disable(vio);
    expect(read(BUFFER + 6, 4)).toBe('ffffffff');
    hvmemul_cache_restore(vio, token);
    expect(read(BUFFER + 6, 4)).toBe('06070809');
    hvmemul_cache_enable(vio);
    expect(read(BUFFER + 6, 4)).toBe('ffffffff');
  });
});

describe('linear accesses', () => {
  it('are memory, a device, a wait or a fault by what is there', () => {
    const rig = new Rig('fixed');
    const { p2m } = rig.d.arch.hvm;
    p2m.set_type(0x41, 1, p2m_ram_shared);
    const buf = new Uint8Array(8);
    expect(linear_write(rig.v, BUFFER, 4, Uint8Array.of(9, 8, 7, 6))).toBe(X86EMUL_OKAY);
    expect(linear_read(rig.v, BUFFER, 4, buf)).toBe(X86EMUL_OKAY);
    expect([...buf.subarray(0, 4)]).toEqual([9, 8, 7, 6]);
    expect(linear_read(rig.v, 0x41000, 4, buf)).toBe(X86EMUL_RETRY);
    const { cpu } = rig.v.arch.hvm;
    if (cpu !== null) cpu.linear_to_phys = () => -1;
    expect(linear_read(rig.v, BUFFER, 4, buf)).toBe(X86EMUL_EXCEPTION);
    expect(linear_write(rig.v, BUFFER, 4, buf)).toBe(X86EMUL_EXCEPTION);
    expect(rig.served).toBe(0);
  });
});

describe('a single INS or OUTS at an unusable slot', () => {
  it('is tried as a port access; an INS then as a batch of one, and as a port access again', () => {
    for (const [bytes, expected] of [
      ['6c', 3],
      ['6e', 1],
      // With REP the batch comes first, then one element.
      ['f36c', 2],
    ] as const) {
      const rig = new Rig('fixed');
      rig.do('dm', { server: 0, vcpu: 0, eport: 77 });
      expect(step(rig, bytes, { rdi: BUFFER, rsi: BUFFER, rcx: 2 }, 'pio_string').ret).toBe(false);
      expect(rig.events('send')).toHaveLength(expected);
      expect(rig.events('inject')).toMatchObject([{ vector: 13 }]);
      expect(rig.reg('rip')).toBe('0x1000');
    }
  });

  it('is done by the batch if the slot has become usable', () => {
    const rig = new Rig('fixed');
    rig.do('dm', { server: 0, vcpu: 0, eport: 77 });
    const port = rig.state().servers['0'].vcpus['0'].ioreq_evtchn;
    let tries = 0;
    rig.d.host.points.hit = (point) => {
      if (point === 'send_entry' && ++tries === 2)
        rig.d.arch.hvm.ioreq_server[0]?.ioreq.va?.slot(0).setVpEport(port);
    };
    expect(step(rig, '6c', { rdi: BUFFER }, 'pio_string').ret).toBe(true);
    expect([rig.reg('rip'), rig.reg('rdi')]).toEqual(['0x1001', '0x20001']);
    expect(rig.state().servers['0'].vcpus['0'].slot).toMatchObject({ data_is_ptr: 1, count: 1 });
  });
});

describe('what cannot be emulated', () => {
  it('crashes a guest whose real mode is emulated, and faults through its vectors otherwise', () => {
    const crash = new Rig('fixed');
    step(crash, '0f04', {}, 'realmode');
    expect(crash.d.crashed?.reason).toMatch(/exception 6/);

    for (const bytes of ['0f04', 'f0a300000200']) {
      const rig = new Rig('fixed');
      const { cpu } = rig.v.arch.hvm;
      if (cpu !== null) cpu.protected_mode = () => false;
      step(rig, bytes, {}, 'realmode');
      expect(rig.events('rm_exception')).toHaveLength(1);
      expect(rig.d.crashed).toBeNull();
    }

    const refused = new Rig('fixed');
    refused.do('dm', { server: 0, vcpu: 0, eport: 77 });
    step(refused, 'ed', {}, 'realmode');
    expect(refused.d.crashed?.reason).toMatch(/real-mode/);
  });

  it('is UNHANDLEABLE without a CPU', () => {
    const rig = new Rig('fixed');
    rig.v.arch.hvm.cpu = null;
    expect(step(rig, '90', {}, 'emul').ret).toBe('UNHANDLEABLE');
    expect(X86EMUL_UNHANDLEABLE).toBe(1);
  });

  it('cancels whatever was under way', () => {
    const rig = new Rig('exact');
    step(rig, 'a3080000f0', {});
    expect(rig.v.arch.hvm).toMatchObject({ insn: { count: 1 }, hvm_io: { mmio_cache_count: 1 } });
    rig.do('cancel', { vcpu: 0 });
    expect(rig.v.arch.hvm).toMatchObject({
      insn: { count: 0 },
      hvm_io: { mmio_cache_count: 0, io_completion: 0, cache_enabled: false, mmio_insn_bytes: 0 },
    });
  });
});

describe('the memory map', () => {
  it('knows frames beyond memory, and counts the entries of ioreq servers', () => {
    const { p2m } = new Rig('fixed').d.arch.hvm;
    expect(p2m.type_at(0x1000_0000)).toBe(p2m_mmio_dm);
    p2m.set_type(0xff, 0x10, p2m_mmio_direct);
    p2m.set_type(0x101, 1, p2m_ram_rw);
    expect([0xff, 0x100, 0x101, 0x10e, 0x10f].map((gfn) => p2m.type_at(gfn * 4096))).toEqual([
      p2m_mmio_direct,
      p2m_mmio_direct,
      p2m_ram_rw,
      p2m_mmio_direct,
      p2m_mmio_dm,
    ]);
    expect(p2m.has_page(0x101000)).toBe(false);
    p2m.set_type(1, 3, p2m_ioreq_server);
    p2m.set_type(2, 1, p2m_ram_rw);
    expect(p2m.ioreq_entry_count).toBe(2);
    p2m.reset_ioreq_entries();
    expect([p2m.ioreq_entry_count, p2m.type_at(0x1000)]).toEqual([0, p2m_ram_rw]);
  });
});
