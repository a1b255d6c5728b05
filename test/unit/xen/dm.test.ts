// SPDX-License-Identifier: GPL-2.0-only
// The device-model hypercall: structures byte by byte, refusals, and what each operation does.
import { describe, expect, it } from 'vitest';
import { GuestRam } from '../../../src/mem/guest-ram.ts';
import type { domain } from '../../../src/xen/common/sched.ts';
import { createXenHost } from '../../../src/xen/host.ts';
import { dm_op } from '../../../src/xen/hvm/dm.ts';
import { domain_create, vcpu_create } from '../../../src/xen/hvm/hvm.ts';
import { get_ioreq_server } from '../../../src/xen/hvm/ioreq_server.ts';
import {
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENOENT,
  EOPNOTSUPP,
  EPERM,
} from '../../../src/xen/public/errno.ts';

const EMULATOR = 0;
const INTRUDER = 2;

function guest(): domain {
  const d = domain_create(1, new GuestRam(65536), createXenHost());
  d.arch.hvm.ioreq_gfn.base = 0xfeff0;
  d.arch.hvm.ioreq_gfn.mask.fill(1, 0, 8);
  vcpu_create(d, { eax: 0, rax_hi: 0, eip: 0 });
  return d;
}

/** An operation's buffer from its bytes: number, header padding, then the structure. */
function buffer(op: number, body: string): Uint8Array {
  const bytes = Buffer.from(body.replaceAll(' ', ''), 'hex');
  const buf = new Uint8Array(8 + bytes.length);
  new DataView(buf.buffer).setUint32(0, op, true);
  buf.set(bytes, 8);
  return buf;
}

const CREATE = '01 000000 0000';
const RANGE = '0000 0000 00000000 0002000000000000 0702000000000000';
const run = (d: domain, op: number, body: string, caller = EMULATOR): number =>
  dm_op(d, caller, buffer(op, body));

describe('dm_op', () => {
  it('creates a server and says where its pages and its ring channel are', () => {
    const d = guest();
    const create = buffer(1, CREATE);
    expect(dm_op(d, EMULATOR, create)).toBe(0);
    expect(create[12]).toBe(0);
    const info = buffer(2, `0000 0000 00000000 ${'00'.repeat(16)}`);
    expect(dm_op(d, EMULATOR, info)).toBe(0);
    const s = get_ioreq_server(d, 0);
    const view = new DataView(info.buffer);
    expect(view.getUint32(12, true)).toBe(s?.bufioreq_evtchn);
    expect([view.getBigUint64(16, true), view.getBigUint64(24, true)]).toEqual([
      0xfeff0n,
      0xfeff1n,
    ]);
  });

  it('tells the channel alone when no frames are wanted', () => {
    const d = guest();
    run(d, 1, CREATE);
    const info = buffer(2, `0000 0100 00000000 ${'ee'.repeat(16)}`);
    expect(dm_op(d, EMULATOR, info)).toBe(0);
    expect(info.subarray(16).every((byte) => byte === 0xee)).toBe(true);
    expect(new DataView(info.buffer).getUint32(12, true)).toBeGreaterThan(0);
    expect(get_ioreq_server(d, 0)?.ioreq.va).toBeNull();
  });

  it('maps, unmaps, enables and destroys', () => {
    const d = guest();
    run(d, 1, CREATE);
    expect(run(d, 3, RANGE)).toBe(0);
    expect(run(d, 3, RANGE)).toBe(-EEXIST);
    expect(get_ioreq_server(d, 0)?.range[0].ranges()).toEqual([[0x200, 0x207]]);
    expect(run(d, 4, RANGE)).toBe(0);
    expect(run(d, 4, RANGE)).toBe(-ENOENT);
    expect(run(d, 5, '0000 01 00')).toBe(0);
    expect(get_ioreq_server(d, 0)?.enabled).toBe(true);
    expect(run(d, 5, '0000 00 00')).toBe(0);
    expect(run(d, 6, '0000 0000')).toBe(0);
    expect(get_ioreq_server(d, 0)).toBeNull();
  });

  it('keeps all 64 bits of a range', () => {
    const d = guest();
    run(d, 1, CREATE);
    const body = '0000 0000 01000000 0000000001000000 ffffffff01000000';
    expect(run(d, 3, body)).toBe(0);
    expect(get_ioreq_server(d, 0)?.range[1].ranges()).toEqual([[0x1_0000_0000, 0x1_ffff_ffff]]);
  });

  it('registers a memory type, once, and only with hardware assisted paging', () => {
    const d = guest();
    run(d, 1, CREATE);
    run(d, 1, CREATE);
    expect(run(d, 15, `0000 0400 02000000 ${'00'.repeat(8)}`)).toBe(0);
    expect(run(d, 15, `0100 0400 02000000 ${'00'.repeat(8)}`)).toBe(-EBUSY);
    d.arch.hvm.hap_enabled = false;
    expect(run(d, 15, `0000 0400 00000000 ${'00'.repeat(8)}`)).toBe(-EOPNOTSUPP);
  });

  it('shuts a domain down from outside', () => {
    const d = guest();
    expect(run(d, 16, '02000000')).toBe(0);
    expect(d).toMatchObject({ is_shut_down: true, shutdown_code: 2 });
  });

  it.each([
    ['a caller that is not the emulator', 6, '0000 0000', INTRUDER, -EPERM],
    ['a server that does not exist', 6, '0700 0000', EMULATOR, -ENOENT],
    ['an unknown operation', 99, '', EMULATOR, -EOPNOTSUPP],
    ['a buffer cut short', 3, '0000', EMULATOR, -EFAULT],
    ['padding of create', 1, '01 010000 0000', EMULATOR, -EINVAL],
    ['a ring mode that is none', 1, '03 000000 0000', EMULATOR, -EINVAL],
    ['unknown flags of info', 2, `0000 0200 00000000 ${'00'.repeat(16)}`, EMULATOR, -EINVAL],
    ['info of nothing', 2, `0700 0000 00000000 ${'00'.repeat(16)}`, EMULATOR, -ENOENT],
    ['padding of a range', 3, RANGE.replace('0000 0000', '0000 0100'), EMULATOR, -EINVAL],
    ['a range type that is none', 3, RANGE.replace(' 00000000 ', ' 03000000 '), EMULATOR, -EINVAL],
    ['padding of state', 5, '0000 01 01', EMULATOR, -EINVAL],
    ['padding of destroy', 6, '0000 0100', EMULATOR, -EINVAL],
  ])('refuses %s', (_what, op, body, caller, errno) => {
    const d = guest();
    run(d, 1, CREATE);
    expect(run(d, op, body, caller)).toBe(errno);
  });

  it('refuses a header that is cut short or padded with something', () => {
    const d = guest();
    expect(dm_op(d, EMULATOR, new Uint8Array(7))).toBe(-EFAULT);
    const padded = buffer(1, CREATE);
    padded[4] = 1;
    expect(dm_op(d, EMULATOR, padded)).toBe(-EINVAL);
  });
});
