// SPDX-License-Identifier: GPL-2.0-only
// The two tests that the fix changes, row by row: after the send, and in handle_pio.
import { describe, expect, it } from 'vitest';
import { domain_resume, domain_shutdown } from '../../../src/xen/common/domain.ts';
import { hvmemul_do_io } from '../../../src/xen/hvm/emulate.ts';
import { handle_pio } from '../../../src/xen/hvm/io.ts';
import type { RevisionName } from '../../../src/xen/hvm/revision.ts';
import {
  X86EMUL_OKAY,
  X86EMUL_RETRY,
  X86EMUL_UNHANDLEABLE,
} from '../../../src/xen/hvm/x86_emulate.ts';
import {
  IOREQ_READ,
  IOREQ_WRITE,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
} from '../../../src/xen/public/hvm_ioreq.ts';
import { SHUTDOWN_suspend } from '../../../src/xen/public/sched.ts';
import type { Operation } from '../../conformance/scenario.ts';
import { PORT, Rig } from './rig.ts';

const shutdown: Operation = { op: 'shutdown', reason: SHUTDOWN_suspend };
const resume: Operation = { op: 'resume' };

/** Injected operations that make the send refused (R) and the domain shutting down at the test (S). */
function injections(
  refused: boolean,
  shutting: boolean,
): { at: string; nth: number; do: Operation[] }[] {
  if (!refused) return shutting ? [{ at: 'defer_done', nth: 1, do: [shutdown] }] : [];
  const before = { at: 'send_entry', nth: 1, do: [shutdown] };
  return shutting ? [before] : [before, { at: 'send_return', nth: 1, do: [resume] }];
}

const NONE = STATE_IOREQ_NONE;
const READY = STATE_IOREQ_READY;
const RETRY = X86EMUL_RETRY;
const OKAY = X86EMUL_OKAY;

describe('hvmemul_do_io after a synchronous send (rc RETRY)', () => {
  // refused, shutting down, needs completion, then [state, rc] before the fix and with it
  const rows: [boolean, boolean, boolean, [number, number], [number, number]][] = [
    [false, false, true, [READY, RETRY], [READY, RETRY]],
    [false, false, false, [READY, OKAY], [READY, OKAY]],
    [false, true, true, [NONE, RETRY], [READY, RETRY]],
    [false, true, false, [NONE, RETRY], [READY, OKAY]],
    [true, true, true, [NONE, RETRY], [NONE, RETRY]],
    [true, true, false, [NONE, RETRY], [NONE, RETRY]],
    [true, false, true, [READY, RETRY], [NONE, RETRY]],
    [true, false, false, [READY, OKAY], [NONE, RETRY]],
  ];
  it.each(rows)(
    'refused %s, shutting down %s, needs completion %s',
    (refused, shutting, needs, pre, post) => {
      const outcome = (revision: RevisionName): [number, number] => {
        const rig = new Rig(revision);
        const result = rig.do('fn_do_io_buffer', {
          vcpu: 0,
          mmio: 0,
          addr: PORT,
          size: 4,
          reps: 1,
          df: 0,
          dir: needs ? 'r' : 'w',
          hex: '01020304',
          inject: injections(refused, shutting) as never,
        });
        const names = { OKAY, RETRY, UNHANDLEABLE: X86EMUL_UNHANDLEABLE };
        return [rig.v.arch.hvm.hvm_io.io_req.state, names[result.ret as keyof typeof names]];
      };
      expect(outcome('before-b7e0d8978810')).toEqual(pre);
      expect(outcome('fixed')).toEqual(post);
      // There the deferral is taken before send_entry: what lands there no longer refuses the send.
      expect(outcome('exact')).toEqual(needs ? [READY, RETRY] : [READY, OKAY]);
    },
  );

  it('exact: refused where the deferral is taken', () => {
    const rig = new Rig('exact');
    const at = [{ at: 'defer_set', nth: 1, do: [shutdown] }];
    const args = {
      vcpu: 0,
      mmio: 0,
      addr: PORT,
      size: 4,
      reps: 1,
      df: 0,
      dir: 'r',
      hex: '00000000',
    };
    expect(rig.do('fn_do_io_buffer', { ...args, inject: at as never }).ret).toBe('RETRY');
    expect(rig.v.arch.hvm.hvm_io).toMatchObject({ suspended: true, io_req: { state: NONE } });
  });

  it.each(['before-b7e0d8978810', 'fixed', 'exact'] as const)(
    '%s: an unusable slot is UNHANDLEABLE, whatever the domain does',
    (revision) => {
      for (const shutting of [false, true]) {
        const rig = new Rig(revision);
        rig.do('dm', { server: 0, vcpu: 0, eport: 77 });
        const result = rig.do('fn_do_io_buffer', {
          vcpu: 0,
          mmio: 0,
          addr: PORT,
          size: 1,
          reps: 1,
          df: 0,
          dir: 'r',
          hex: '00',
          inject: injections(false, shutting) as never,
        });
        expect(result).toMatchObject({ ret: 'UNHANDLEABLE', buf: 'ff' });
        expect(rig.v.arch.hvm.hvm_io.io_req.state).toBe(NONE);
      }
    },
  );
});

describe('handle_pio after RETRY', () => {
  it.each([
    ['before-b7e0d8978810', false, true],
    ['before-b7e0d8978810', true, false],
    ['fixed', false, true],
    ['fixed', true, true],
    ['exact', false, true],
    ['exact', true, true],
  ] as const)(
    '%s: sent, shutting down by then %s: advance is %s',
    (revision, shutting, advance) => {
      const rig = new Rig(revision);
      const inject = shutting ? [{ at: 'do_io_return', nth: 1, do: [shutdown] }] : [];
      const args = { vcpu: 0, port: PORT, size: 1, dir: 'in', len: 1, inject: inject as never };
      expect(rig.do('pio', args).ret).toBe(advance);
      expect(rig.v.arch.hvm.hvm_io.io_completion).toBe(2);
    },
  );

  it.each(['before-b7e0d8978810', 'fixed', 'exact'] as const)(
    '%s: refused: RIP stays',
    (revision) => {
      const rig = new Rig(revision);
      domain_shutdown(rig.d, SHUTDOWN_suspend);
      expect(handle_pio(rig.v, PORT, 1, IOREQ_READ)).toBe(false);
      expect(rig.v.arch.hvm.hvm_io.io_completion).toBe(0);
      domain_resume(rig.d);
    },
  );
});

describe('hvmemul_do_io', () => {
  const call = (rig: Rig, size: number, addr = PORT, reps = 1): number =>
    hvmemul_do_io(rig.v, false, addr, { reps }, size, IOREQ_WRITE, false, false, {
      data: 0,
      data_hi: 0,
    });

  it.each([3, 5, 6, 7, 9, 16])('refuses a size of %d bytes and touches nothing', (size) => {
    const rig = new Rig('fixed');
    const before = JSON.stringify(rig.state());
    expect(call(rig, size)).toBe(X86EMUL_UNHANDLEABLE);
    expect(JSON.stringify(rig.state())).toBe(before);
  });

  it('refuses a second request of the same exit', () => {
    const rig = new Rig('fixed');
    expect(call(rig, 4)).toBe(X86EMUL_OKAY);
    expect(call(rig, 4)).toBe(X86EMUL_UNHANDLEABLE);
  });

  it.each([
    ['addr', { addr: PORT + 1 }],
    ['size', { size: 2 }],
    ['dir', { dir: 'w' }],
    ['df', { df: 1 }],
    ['type', { mmio: 1 }],
  ])('crashes the domain when a request comes back with another %s', (_field, other) => {
    const rig = new Rig('fixed');
    const io = { vcpu: 0, mmio: 0, addr: PORT, size: 4, reps: 1, df: 0, dir: 'r', hex: '00000000' };
    rig.do('fn_do_io_buffer', io);
    rig.do('dm_answer', { server: 0, vcpu: 0, base: 5 });
    rig.run();
    expect(rig.do('fn_do_io_buffer', { ...io, ...other }).ret).toBe('OKAY');
    expect(rig.d.crashed?.reason).toMatch(/re-issued/);
  });

  it('does not, when it comes back as it was', () => {
    const rig = new Rig('fixed');
    const io = { vcpu: 0, mmio: 0, addr: PORT, size: 4, reps: 3, df: 0, dir: 'r', hex: '00000000' };
    rig.do('fn_do_io_buffer', io);
    rig.do('dm_answer', { server: 0, vcpu: 0, base: 5 });
    rig.run();
    expect(rig.do('fn_do_io_buffer', io)).toMatchObject({ ret: 'OKAY', buf: '05000000' });
    expect(rig.d.crashed).toBeNull();
  });
});
