// SPDX-License-Identifier: GPL-2.0-only
// Sending and waiting: the order of effects another thread can see, the ring, the limits of a batch.
import { describe, expect, it } from 'vitest';
import type { PointName } from '../../../src/xen/common/points.ts';
import {
  hvm_mmio_internal,
  register_mmio_handler,
  register_portio_handler,
} from '../../../src/xen/hvm/io_handler.ts';
import { get_ioreq, hvm_send_ioreq } from '../../../src/xen/hvm/ioreq.ts';
import { get_ioreq_server } from '../../../src/xen/hvm/ioreq_server.ts';
import type { hvm_ioreq_server } from '../../../src/xen/hvm/state.ts';
import { X86EMUL_OKAY, X86EMUL_UNHANDLEABLE } from '../../../src/xen/hvm/x86_emulate.ts';
import {
  IOREQ_TYPE_COPY,
  IOREQ_WRITE,
  newIoreq,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
} from '../../../src/xen/public/hvm_ioreq.ts';
import { ReplayMachine } from '../../conformance/machine.ts';
import { MMIO, PORT, Rig } from './rig.ts';

const server = (rig: Rig): hvm_ioreq_server => get_ioreq_server(rig.d, 0) as hvm_ioreq_server;

describe('hvm_send_ioreq', () => {
  it('fills the slot, marks the vCPU blocked, then READY, then signals, then pending', () => {
    const rig = new Rig('fixed');
    const seen: Record<string, object> = {};
    const look = (point: PointName): void => {
      seen[point] = {
        state: get_ioreq(server(rig), rig.v)?.state(),
        addr: get_ioreq(server(rig), rig.v)?.addr(),
        blocked: rig.v.blocked_in_xen,
        pending: server(rig).sv[0]?.pending,
        signalled: rig.events('notify').length,
      };
    };
    rig.d.host.points.hit = look;
    rig.do('pio', { vcpu: 0, port: PORT + 1, size: 1, dir: 'in', len: 1 });
    const filled = { addr: PORT + 1, blocked: true, pending: false };
    expect(seen.defer_done).toMatchObject({
      addr: 0,
      blocked: false,
      pending: false,
      signalled: 0,
    });
    expect(seen.send_filled).toEqual({ ...filled, state: STATE_IOREQ_NONE, signalled: 0 });
    expect(seen.send_notify).toEqual({ ...filled, state: STATE_IOREQ_READY, signalled: 1 });
    expect(seen.send_return).toMatchObject({ pending: true });
  });

  it('refuses a server without a page or without a record of the vCPU', () => {
    const rig = new Rig('fixed');
    rig.do('server_create', { bufioreq: 0 });
    const other = get_ioreq_server(rig.d, 1) as hvm_ioreq_server;
    expect(hvm_send_ioreq(rig.v, other, newIoreq(), false)).toBe(X86EMUL_UNHANDLEABLE);
    rig.do('vcpu_remove_servers', { vcpu: 0 });
    expect(hvm_send_ioreq(rig.v, server(rig), newIoreq(), false)).toBe(X86EMUL_UNHANDLEABLE);
  });
});

describe('the ring', () => {
  const put = (rig: Rig, size: number): number => {
    const p = {
      ...newIoreq(),
      type: IOREQ_TYPE_COPY,
      addr: 0x1000,
      size,
      count: 1,
      dir: 0 as const,
    };
    return hvm_send_ioreq(rig.v, server(rig), p, true);
  };

  it('holds 511 entries, of which an eight-byte one takes two', () => {
    const rig = new Rig('fixed', {}, 1);
    for (let i = 0; i < 509; i++) expect(put(rig, 4)).toBe(X86EMUL_OKAY);
    expect(put(rig, 8)).toBe(X86EMUL_OKAY);
    expect(put(rig, 4)).toBe(X86EMUL_UNHANDLEABLE);
    expect(put(rig, 8)).toBe(X86EMUL_UNHANDLEABLE);
    rig.do('dm_buf', { server: 0, read_pointer: 1 });
    expect(put(rig, 8)).toBe(X86EMUL_UNHANDLEABLE);
    expect(put(rig, 1)).toBe(X86EMUL_OKAY);
    expect(rig.state().servers['0'].bufioreq.write_pointer).toBe(512);
  });

  it('refuses sizes it has no code for', () => {
    const rig = new Rig('fixed', {}, 1);
    expect(put(rig, 3)).toBe(X86EMUL_UNHANDLEABLE);
    expect(put(rig, 16)).toBe(X86EMUL_UNHANDLEABLE);
    expect(put(rig, 2)).toBe(X86EMUL_OKAY);
  });

  it('wraps both pointers in atomic mode alone', () => {
    for (const [mode, read, write] of [
      [1, 511, 512],
      [2, 0, 1],
    ] as const) {
      const rig = new Rig('fixed', {}, mode);
      rig.do('dm_buf', { server: 0, read_pointer: 511, write_pointer: 511 });
      put(rig, 4);
      const ring = rig.state().servers['0'].bufioreq;
      expect([ring.read_pointer, ring.write_pointer]).toEqual([read, write]);
    }
  });
});

describe('hvm_io_intercept', () => {
  it('passes one element to the device model, so that the handler sees the next one', () => {
    const rig = new Rig('fixed');
    let calls = 0;
    register_portio_handler(rig.d, PORT, 4, () => {
      calls++;
      return X86EMUL_UNHANDLEABLE;
    });
    rig.do('fn_do_io_addr', {
      vcpu: 0,
      mmio: 0,
      addr: PORT,
      size: 1,
      reps: 5,
      df: 0,
      dir: 'w',
      gpa: 0x20000,
    });
    expect(calls).toBe(1);
    expect(rig.v.arch.hvm.hvm_io.io_req.count).toBe(1);
  });

  it('is told once: an access that leaves its handler crashes the domain and is still handled', () => {
    const rig = new Rig('fixed');
    let written = 0;
    register_mmio_handler(rig.d, {
      check: (_curr, addr) => addr >= MMIO && addr < MMIO + 2,
      read: () => X86EMUL_OKAY,
      write: () => {
        written++;
        return X86EMUL_OKAY;
      },
    });
    rig.do('fn_do_io_buffer', {
      vcpu: 0,
      mmio: 1,
      addr: MMIO,
      size: 4,
      reps: 1,
      df: 0,
      dir: 'w',
      hex: '00000000',
    });
    expect(written).toBe(1);
    expect(rig.d.crashed?.reason).toContain('leaves its handler');
    expect([hvm_mmio_internal(rig.v, MMIO + 1), hvm_mmio_internal(rig.v, MMIO + 2)]).toEqual([
      true,
      false,
    ]);
  });

  it('has room for 32 handlers', () => {
    const rig = new Rig('fixed');
    for (let i = 1; i < 32; i++) register_portio_handler(rig.d, i, 1, () => X86EMUL_OKAY);
    expect(rig.d.crashed).toBeNull();
    register_portio_handler(rig.d, 99, 1, () => X86EMUL_OKAY);
    expect(rig.d.crashed?.reason).toContain('more than 32');
    expect(rig.d.arch.hvm.io_handler).toHaveLength(32);
  });
});

describe('several vCPUs in one page', () => {
  it('have slots, ports and answers of their own', () => {
    const rig = new Rig('fixed', { vcpus: 2 });
    rig.do('run', { vcpu: 1 });
    for (const vcpu of [0, 1]) {
      rig.do('pio', { vcpu, port: PORT + vcpu, size: 1, dir: 'in', len: 1 });
    }
    const { vcpus } = rig.state().servers['0'];
    expect([vcpus['0'].slot.addr, vcpus['1'].slot.addr]).toEqual(['0x300', '0x301']);
    expect(vcpus['0'].ioreq_evtchn).not.toBe(vcpus['1'].ioreq_evtchn);
    rig.do('dm_answer', { server: 0, vcpu: 1, base: 0x10 });
    rig.do('dm_answer', { server: 0, vcpu: 0, base: 0x20 });
    expect([rig.run(), rig.do('run', { vcpu: 1 }).ret]).toEqual(['in_guest', 'in_guest']);
    const { vcpus: after } = rig.state();
    expect([after['0'].regs.rax, after['1'].regs.rax]).toEqual(['0x21', '0x10']);
  });
});

describe('the wrapped start of a downward request', () => {
  it('is a 64-bit number', () => {
    const rig = new Rig('fixed');
    const result = rig.do('select', { type: 1, addr: 4, size: 4, count: 3, df: 1 });
    // Judged as Xen's rangeset does: the last range ends above the last byte.
    expect(result.ret).toBe(0);
    expect(rig.do('select', { type: 1, addr: MMIO + 0x2ffe, size: 4, count: 1 }).ret).toBe(-1);
  });
});

it('a machine for recordings refuses operations it does not know', () => {
  const machine = new Rig('fixed').machine;
  expect(machine).toBeInstanceOf(ReplayMachine);
  expect(() => machine.execute({ op: 'nonsense' })).toThrow(/unknown operation/);
  expect(() => machine.execute({ op: 'kick', vcpu: 7 })).toThrow(/does not exist/);
  expect(IOREQ_WRITE).toBe(0);
});
