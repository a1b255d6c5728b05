// SPDX-License-Identifier: GPL-2.0-only
// Rare ways through the port that neither the recordings nor the other tests take: page faults of
// string operands, odd sizes, frames without memory, lost pages, failing allocations.
import { describe, expect, it } from 'vitest';
import { dm_op } from '../../../src/xen/hvm/dm.ts';
import { hvmemul_linear_mmio_access } from '../../../src/xen/hvm/emulate_mmio.ts';
import { hvmemul_rep_string } from '../../../src/xen/hvm/emulate_rep.ts';
import { relocate_portio_handler } from '../../../src/xen/hvm/io_handler.ts';
import { get_ioreq_server } from '../../../src/xen/hvm/ioreq_server.ts';
import {
  p2m_ioreq_server,
  p2m_mmio_dm,
  p2m_ram_paged,
  p2m_ram_shared,
} from '../../../src/xen/hvm/p2m.ts';
import type { StringOp } from '../../../src/xen/hvm/x86_emulate.ts';
import {
  INSN_MEM_ACCESS,
  type insn_access,
  type insn_cpu,
  type insn_step,
  X86EMUL_EXCEPTION,
  X86EMUL_RETRY,
  X86EMUL_UNHANDLEABLE,
} from '../../../src/xen/hvm/x86_emulate.ts';
import { EINVAL, ENOENT, ENOMEM, ENOSPC } from '../../../src/xen/public/errno.ts';
import { IOREQ_READ, IOREQ_WRITE } from '../../../src/xen/public/hvm_ioreq.ts';
import { BUFFER, MMIO, PORT, RIP, Rig } from './rig.ts';

const PAGE = 4096;

/** Makes every translation of an address from `first` up to `last` a page fault. */
function unmapped(rig: Rig, first: number, last = first + PAGE): void {
  const cpu = rig.v.arch.hvm.cpu as insn_cpu;
  cpu.linear_to_phys = (gla) => (gla >= first && gla < last ? -1 : gla);
}

const string = (op: StringOp['op'], more: Partial<StringOp> = {}): StringOp => ({
  op,
  size: 4,
  rep: true,
  count: 4,
  df: false,
  port: PORT,
  addrSize: 4,
  srcBase: 0,
  srcIndex: 0x30000,
  dstBase: 0,
  dstIndex: BUFFER,
  length: 2,
  ...more,
});

describe('a page fault of a string operand', () => {
  it.each([
    ['ins', BUFFER],
    ['outs', 0x30000],
    ['movs', 0x30000],
    ['movs', BUFFER],
    ['stos', BUFFER],
  ] as const)('%s at 0x%s: nothing is sent', (op, fault) => {
    const rig = new Rig('fixed');
    unmapped(rig, fault);
    expect(hvmemul_rep_string(rig.v, string(op), { reps: 4 })).toBe(X86EMUL_EXCEPTION);
    expect(rig.state().vcpus['0'].io_pending).toBe(false);
  });

  it('behind the first page: the first element is the fault, or the batch ends before it', () => {
    const rig = new Rig('fixed');
    unmapped(rig, BUFFER + PAGE);
    const reps = { reps: 4 };
    const split = string('stos', { dstIndex: BUFFER + PAGE - 2 });
    expect(hvmemul_rep_string(rig.v, split, reps)).toBe(X86EMUL_EXCEPTION);
    expect(reps.reps).toBe(0);
    reps.reps = 4;
    const later = string('stos', { dstIndex: BUFFER + PAGE - 8 });
    expect(hvmemul_rep_string(rig.v, later, reps)).toBe(0);
    expect(reps.reps).toBe(2);
  });

  it('above the first page, downward: the first element is the fault', () => {
    const rig = new Rig('fixed');
    const reps = { reps: 4 };
    const split = string('stos', { dstIndex: BUFFER + PAGE - 2, df: true });
    expect(hvmemul_rep_string(rig.v, split, reps)).toBe(0);
    unmapped(rig, BUFFER + PAGE);
    expect(hvmemul_rep_string(rig.v, split, reps)).toBe(X86EMUL_EXCEPTION);
    expect(reps.reps).toBe(0);
  });
});

it('REP MOVS from a shared frame is tried again later, and has copied nothing', () => {
  const rig = new Rig('fixed');
  rig.do('set_p2m', { gfn: 0x30, n: 1, type: p2m_ram_shared });
  rig.do('write_mem', { gpa: 0x30000, hex: 'ff'.repeat(16) });
  expect(hvmemul_rep_string(rig.v, string('movs'), { reps: 4 })).toBe(X86EMUL_RETRY);
  expect(rig.machine.ram.read(BUFFER, 4)).toBe(0);
});

describe('an MMIO access by linear address', () => {
  const access = (rig: Rig, gla: number, size: number): number =>
    hvmemul_linear_mmio_access(rig.v, gla, size, IOREQ_READ, new Uint8Array(64), false);

  it('faults on its first page, or on its second after the first was read', () => {
    const rig = new Rig('fixed');
    rig.do('mmio_register', { start: MMIO, size: 0x3000, kind: 0, n: 0, val: 7 });
    unmapped(rig, MMIO + PAGE);
    expect(access(rig, MMIO + PAGE, 4)).toBe(X86EMUL_EXCEPTION);
    rig.machine.recorder.events = [];
    expect(access(rig, MMIO + PAGE - 4, 8)).toBe(X86EMUL_EXCEPTION);
    expect(rig.events('int_mmio')).toHaveLength(1);
  });

  it('of no bytes is an assertion, and refused', () => {
    const rig = new Rig('fixed');
    rig.machine.recorder.events = [];
    expect(access(rig, MMIO, 0)).toBe(X86EMUL_UNHANDLEABLE);
    expect(rig.events('assert')).toHaveLength(1);
  });
});

describe('one call of the device layer', () => {
  it('of no elements is an assertion', () => {
    const rig = new Rig('fixed');
    const call = { vcpu: 0, mmio: 0, addr: 0x50, reps: 0, size: 1, dir: 'w', df: 0, hex: '01' };
    expect(rig.do('fn_do_io', call)).toMatchObject({ ret: 'OKAY', reps: 0 });
    expect(rig.events('assert')).toMatchObject([{ fn: 'hvmemul_do_io' }]);
  });

  it.each([3, 5, 6, 7])('refuses %i bytes with all ones', (size) => {
    const rig = new Rig('fixed');
    const call = { vcpu: 0, mmio: 1, addr: MMIO, reps: 1, size, dir: 'r', df: 0, hex: '' };
    const buf = 'ff'.repeat(size);
    expect(rig.do('fn_do_io_buffer', call)).toMatchObject({ ret: 'UNHANDLEABLE', buf });
  });

  it('needs the RAM page of a batch, and the next one for an element over two', () => {
    const rig = new Rig('fixed');
    const next = (BUFFER + PAGE) / PAGE;
    const call = (gpa: number): unknown => {
      const args = { vcpu: 0, mmio: 0, addr: PORT, reps: 1, size: 4, dir: 'w', df: 0 };
      return rig.do('fn_do_io_addr', { ...args, gpa }).ret;
    };
    rig.do('set_p2m', { gfn: next, n: 1, type: p2m_ram_paged });
    expect(call(BUFFER + PAGE)).toBe('RETRY');
    expect(rig.events('paging_populate')).toHaveLength(1);
    expect(call(BUFFER + PAGE - 2)).toBe('RETRY');
    rig.do('set_p2m', { gfn: next, n: 1, type: p2m_mmio_dm });
    expect(call(BUFFER + PAGE - 2)).toBe('UNHANDLEABLE');
    expect(rig.state().vcpus['0'].io_pending).toBe(false);
  });

  it('an intercepted write takes all ones from no memory, and dies on a shared frame', () => {
    const rig = new Rig('fixed');
    rig.do('portio_register', { port: 0x60, size: 4, kind: 0, n: 0, val: 0 });
    const args = { vcpu: 0, mmio: 0, addr: 0x60, reps: 1, size: 4, dir: 'w', df: 0, is_addr: 1 };
    expect(rig.do('fn_do_io', { ...args, gpa: 0x200000 }).ret).toBe('OKAY');
    expect(rig.events('int_pio')).toMatchObject([{ val: '0xffffffff' }]);
    rig.do('set_p2m', { gfn: BUFFER / PAGE, n: 1, type: p2m_ram_shared });
    expect(rig.do('fn_do_io', { ...args, gpa: BUFFER }).ret).toBe('UNHANDLEABLE');
    // Once by the handler, once by the discarding write that is tried behind it.
    expect(rig.events('crash')).toHaveLength(2);
    expect(rig.state().domain.is_shut_down).toBe(true);
  });

  it('reads of an ioreq-server frame without memory are refused', () => {
    const rig = new Rig('fixed');
    rig.do('server_map_mem', { id: 0, memtype: 4, flags: 2 });
    rig.do('set_p2m', { gfn: 0x200, n: 1, type: p2m_ioreq_server });
    const call = { vcpu: 0, mmio: 1, addr: 0x200000, reps: 1, size: 4, dir: 'r', df: 0, hex: '' };
    expect(rig.do('fn_do_io', call).ret).toBe('UNHANDLEABLE');
  });
});

/** A CPU whose instruction makes these accesses, then ends this way. */
function scripted(end: insn_step, accesses: Partial<insn_access>[] = []): insn_cpu {
  return {
    string_op: () => null,
    classify: () => INSN_MEM_ACCESS,
    advance: (list, done) => {
      const next = accesses[done];
      if (next === undefined) return end;
      Object.assign(list[done] as insn_access, next);
      return 'access';
    },
    rollback: () => {},
    commit_string: () => {},
    linear_to_phys: (gla) => gla,
  };
}

describe('how an emulated instruction can end', () => {
  const step = (rig: Rig, exit: string): unknown =>
    rig.do('insn', { vcpu: 0, exit, gpa: MMIO, write: 1, gla_valid: 0 }).ret;

  it('not handled: #GP from an exit, a crash from emulated real mode', () => {
    const rig = new Rig('fixed');
    rig.v.arch.hvm.cpu = scripted('unhandleable');
    expect(step(rig, 'emul')).toBe('UNHANDLEABLE');
    expect(step(rig, 'mmio')).toBe(false);
    expect(rig.events('inject')).toMatchObject([{ vector: 13 }]);
  });

  it('not recognised: #UD', () => {
    const rig = new Rig('fixed');
    rig.v.arch.hvm.cpu = scripted('unrecognized');
    expect(step(rig, 'mmio')).toBe(true);
    expect(rig.events('inject')).toMatchObject([{ vector: 6, ec: -1 }]);
  });

  it('an exception that the CPU has delivered itself: nothing is left to do', () => {
    const rig = new Rig('fixed');
    rig.v.arch.hvm.cpu = scripted('exception');
    expect(step(rig, 'mmio')).toBe(true);
    expect(step(rig, 'realmode')).toBe('done');
    expect(rig.machine.recorder.events).toEqual([]);
  });

  it('another answer the second time: the instruction goes back to its start', () => {
    const rig = new Rig('fixed');
    rig.do('portio_register', { port: 0x60, size: 1, kind: 0, n: 0, val: 0x11 });
    const cpu = scripted('retired', [
      { is_pio: true, dir: IOREQ_READ, gpa: 0x60, gla: 0x60, size: 1 },
      { is_pio: false, dir: IOREQ_WRITE, gpa: MMIO, gla: MMIO, size: 1, data: 0x22 },
    ]);
    let rollbacks = 0;
    cpu.rollback = () => {
      rollbacks++;
    };
    rig.v.arch.hvm.cpu = cpu;
    expect(step(rig, 'mmio')).toBe(true);
    rig.do('dm_answer', { server: 0, vcpu: 0, base: 0 });
    expect(rollbacks).toBe(0);
    rig.run();
    expect(rollbacks).toBeGreaterThan(0);
  });

  it('a single INS whose port nobody takes is tried as a batch: its page has to be there', () => {
    const rig = new Rig('fixed');
    // An occupied slot is no place for a request.
    rig.do('dm', { server: 0, vcpu: 0, state: 2 });
    rig.do('set_p2m', { gfn: BUFFER / PAGE, n: 1, type: p2m_ram_paged });
    rig.do('set_regs', { vcpu: 0, rip: RIP, rdx: PORT, rdi: BUFFER });
    expect(rig.do('insn', { vcpu: 0, exit: 'pio_string', bytes: '6c' }).ret).toBe(true);
    expect(rig.events('paging_populate')).toHaveLength(1);
    expect(rig.reg('rip')).toBe('0x1000');
  });
});

describe('servers', () => {
  it('a page lost under a request: the answer is all ones', () => {
    const rig = new Rig('fixed');
    rig.do('pio', { vcpu: 0, port: PORT, size: 4, dir: 'in', len: 1 });
    expect(rig.do('server_frame', { id: 0, idx: 1 }).ret).toBe(-1);
    rig.do('kick', { vcpu: 0 });
    rig.v.blocked_in_xen = false;
    rig.run();
    expect(rig.reg('rax')).toBe('0xffffffff');
  });

  it('broadcasts pass a server that is not enabled', () => {
    const rig = new Rig('fixed');
    rig.do('server_create', { bufioreq: 0 });
    rig.run();
    const call = { vcpu: 0, buffered: 1, type: 8, size: 4, count: 1, rd: 0, data: 0, addr: 0 };
    expect(rig.do('broadcast', call).ret).toBe(1);
    rig.do('server_state', { id: 0, enabled: 0 });
    rig.run();
    expect(rig.do('broadcast', call).ret).toBe(0);
  });

  it('get no pages of a dying domain, nor where the mapping fails', () => {
    const rig = new Rig('fixed');
    rig.do('server_create', { bufioreq: 0 });
    expect(rig.do('server_info', { id: 1, gfns: 1, fail_ring: ENOMEM }).ret).toBe(-ENOMEM);
    rig.do('set_dying', { v: 1 });
    expect(rig.do('server_info', { id: 1, gfns: 1 }).ret).toBe(-EINVAL);
    rig.do('set_dying', { v: 0 });
    expect(rig.do('server_info', { id: 1, gfns: 1 }).ret).toBe(0);
  });

  it('are not made without memory for a vCPU, nor a ninth time', () => {
    const rig = new Rig('fixed');
    expect(rig.do('server_create', { bufioreq: 0, fail_alloc: 4 }).ret).toBe(-ENOMEM);
    for (let id = 1; id < 8; id++) {
      expect(rig.do('server_create', { bufioreq: 0 })).toEqual({ ret: 0, id });
    }
    expect(rig.do('server_create', { bufioreq: 0 }).ret).toBe(-ENOSPC);
    expect(rig.state().domain.pause_count).toBe(0);
  });

  it('have no ring frame unless they have a ring', () => {
    const rig = new Rig('fixed');
    rig.do('server_create', { bufioreq: 0 });
    expect(rig.do('server_frame', { id: 1, idx: 0 }).ret).toBe(-ENOENT);
    expect(rig.do('server_frame', { id: 1, idx: 1 }).ret).toBe(0);
    const info = new Uint8Array(32);
    info[0] = 2;
    expect(dm_op(rig.d, 0, info)).toBe(0);
    // No ring, so no port of one.
    expect(new DataView(info.buffer).getUint32(12, true)).toBe(0);
  });

  it('get a legacy frame at the second try only, as in 4.14.5, and give it back', () => {
    const rig = new Rig('fixed', { ioreq_pages: 1, legacy_pages: 1 });
    const { ioreq_gfn } = rig.d.arch.hvm;
    const both = ioreq_gfn.legacy_mask;
    rig.do('server_create', { bufioreq: 0 });
    expect(rig.do('server_info', { id: 1, gfns: 1 }).ret).toBe(-ENOMEM);
    expect(ioreq_gfn.legacy_mask).toBe(0);
    const info = rig.do('server_info', { id: 1, gfns: 1 });
    expect(Number(info.ioreq_gfn)).toBe(0xfefe0);
    rig.do('server_destroy', { id: 1 });
    expect(rig.events('unmap_gfn')).toHaveLength(1);
    expect(ioreq_gfn.legacy_mask).not.toBe(0);
    expect(ioreq_gfn.legacy_mask & ~both).toBe(0);
  });

  it('forget a vCPU once', () => {
    const rig = new Rig('fixed');
    rig.do('vcpu_remove_servers', { vcpu: 0 });
    rig.do('vcpu_remove_servers', { vcpu: 0 });
    expect(rig.events('evtchn_free')).toEqual([]);
    expect(get_ioreq_server(rig.d, 0)?.ioreq_vcpu_list).toEqual([]);
  });

  it('stay when the 0xcf8 handler is gone at the end of their domain', () => {
    const rig = new Rig('fixed');
    expect(relocate_portio_handler(rig.d, 0xcf8, 0xd00, 4)).toBe(true);
    rig.do('destroy_all_servers');
    expect(get_ioreq_server(rig.d, 0)).not.toBeNull();
  });

  it('destroyed under a downward batch: every element is all ones', () => {
    const rig = new Rig('exact');
    const regs = { vcpu: 0, rip: RIP, rdx: PORT, rdi: BUFFER + 16, rcx: 3, rflags: 0x402 };
    rig.do('set_regs', regs);
    rig.do('insn', { vcpu: 0, exit: 'pio_string', bytes: 'f36d' });
    rig.do('server_destroy', { id: 0 });
    const bytes = rig.machine.ram.bytes.subarray(BUFFER + 4, BUFFER + 24);
    expect(Buffer.from(bytes).toString('hex')).toBe(`00000000${'ff'.repeat(12)}00000000`);
  });
});
