// SPDX-License-Identifier: GPL-2.0-only
// A shutdown at every point of every kind of access: what each revision does with it. And each
// switch of 'exact' by itself, against the behaviour of Xen that it replaces.
import { describe, expect, it } from 'vitest';
import { domain_resume, domain_shutdown } from '../../../src/xen/common/domain.ts';
import { POINT_NAMES } from '../../../src/xen/common/points.ts';
import { hvmemul_linear_mmio_access } from '../../../src/xen/hvm/emulate_mmio.ts';
import { register_portio_handler } from '../../../src/xen/hvm/io_handler.ts';
import { hvm_io_pending, hvm_send_ioreq } from '../../../src/xen/hvm/ioreq.ts';
import {
  REVISION_NAMES,
  REVISIONS,
  type RevisionName,
  SWITCHES,
} from '../../../src/xen/hvm/revision.ts';
import type { hvm_ioreq_server } from '../../../src/xen/hvm/state.ts';
import {
  X86EMUL_OKAY,
  X86EMUL_RETRY,
  X86EMUL_UNHANDLEABLE,
} from '../../../src/xen/hvm/x86_emulate.ts';
import { IOREQ_READ, newIoreq } from '../../../src/xen/public/hvm_ioreq.ts';
import { SHUTDOWN_suspend } from '../../../src/xen/public/sched.ts';
import {
  BUFFER,
  type Landing,
  MMIO,
  type Outcome,
  PORT,
  RIP,
  Rig,
  runSample,
  SAMPLES,
  type Sample,
} from './rig.ts';

/** Every landing that a sample reaches, with its outcome. */
function everywhere(revision: RevisionName, sample: Sample): [Landing, Outcome][] {
  const reached: [Landing, Outcome][] = [];
  for (const at of POINT_NAMES) {
    for (let turn = 0; turn < 6; turn++) {
      for (let nth = 1; nth <= 3; nth++) {
        const landing = { at, nth, turn };
        const outcome = runSample(revision, sample, landing);
        if (!outcome.fired) break;
        reached.push([landing, outcome]);
      }
    }
  }
  return reached;
}

/** What a run is judged by: the device, the guest's registers, its memory. */
function seen(outcome: Outcome): object {
  const { served, crashed, retired, rax, rdi, rsi, rcx, memory } = outcome;
  return { served, crashed, retired, rax, rdi, rsi, rcx, memory };
}

describe.each(SAMPLES)('a shutdown anywhere in $name', (sample) => {
  const calm = runSample('exact', sample, null);

  it('is the same instruction under every revision when nothing happens', () => {
    expect(calm).toMatchObject({ served: sample.requests, retired: 1, crashed: false });
    for (const revision of REVISION_NAMES) {
      expect(seen(runSample(revision, sample, null))).toEqual(seen(calm));
    }
  });

  it('exact: leaves no trace, and registers are complete when the domain is shut down', () => {
    const reached = everywhere('exact', sample);
    expect(reached.length).toBeGreaterThan(8);
    for (const [landing, outcome] of reached) {
      expect({ landing, ...seen(outcome) }).toEqual({ landing, ...seen(calm) });
      expect({ landing, incomplete: outcome.incomplete }).toEqual({ landing, incomplete: false });
    }
  });

  it(`fixed: ${sample.several ? 'repeats an access somewhere' : 'repeats nothing'}`, () => {
    const repeated = everywhere('fixed', sample).filter(([, o]) => o.served > sample.requests);
    expect(repeated.length > 0).toBe(sample.several);
  });

  it('before the fix: repeats an access somewhere', () => {
    const reached = everywhere('before-b7e0d8978810', sample);
    expect(reached.some(([, o]) => o.served > sample.requests)).toBe(true);
  });
});

describe('switch deferral_spans_instruction', () => {
  it('closes what Xen leaves open: a domain called shut down before RAX is written', () => {
    const sample = SAMPLES[0] as Sample;
    expect(everywhere('fixed', sample).some(([, o]) => o.incomplete)).toBe(true);
    expect(everywhere('exact', sample).some(([, o]) => o.incomplete)).toBe(false);
  });

  it('an internal handler does not act once a shutdown was first', () => {
    const calls = (revision: RevisionName): number => {
      const rig = new Rig(revision);
      let count = 0;
      register_portio_handler(rig.d, 0x60, 1, (_curr, _dir, _port, _size, val) => {
        val.data = ++count;
        return X86EMUL_OKAY;
      });
      const at = revision === 'exact' ? 'defer_set' : 'intercept';
      const inject = [{ at, nth: 1, do: [{ op: 'shutdown', reason: 2 }] }];
      const pio = { vcpu: 0, port: 0x60, size: 1, dir: 'in', len: 1 };
      const { ret } = rig.do('pio', { ...pio, inject: inject as never });
      expect(ret).toBe(revision !== 'exact');
      expect(rig.d.is_shut_down).toBe(true);
      domain_resume(rig.d);
      rig.run();
      if (ret === false) expect(rig.do('pio', pio).ret).toBe(true);
      expect(rig.reg('rax')).toBe('0x1');
      return count;
    };
    expect([calls('fixed'), calls('exact')]).toEqual([1, 1]);
  });

  it('the deferral of an access inside the monitor ends with its instruction', () => {
    const rig = new Rig('exact');
    const pio = { vcpu: 0, port: 0x99, size: 1, dir: 'in', len: 1 };
    const inject = [{ at: 'do_io_return', nth: 1, do: [{ op: 'shutdown', reason: 2 }] }];
    expect(rig.do('pio', { ...pio, inject: inject as never })).toMatchObject({ ret: true });
    expect(rig.reg('rax')).toBe('0xff');
    expect(rig.reg('rip')).toBe('0x1001');
    expect(rig.v).toMatchObject({ defer_shutdown: false, paused_for_shutdown: true });
    expect(rig.d.is_shut_down).toBe(true);
  });
});

describe('switch pio_answers_cached', () => {
  it.each([
    ['fixed', true],
    ['exact', false],
  ] as const)('%s: INS from a device port to device memory crashes: %s', (revision, crashes) => {
    const sample: Sample = {
      name: 'INS to the device',
      bytes: '6d',
      exit: 'pio_string',
      regs: { rdi: MMIO },
      requests: 2,
      several: true,
    };
    const outcome = runSample(revision, sample, null);
    expect(outcome.crashed).toBe(crashes);
    if (!crashes) {
      expect(outcome).toMatchObject({ served: 2, retired: 1, rdi: '0xf0000004' });
      for (const [landing, shut] of everywhere('exact', sample)) {
        expect({ landing, ...seen(shut) }).toEqual({ landing, ...seen(outcome) });
      }
    }
  });
});

describe('switch destroyed_server_answers_ones', () => {
  const inFlight = (revision: RevisionName, insn: object): Rig => {
    const rig = new Rig(revision);
    rig.do('set_regs', { vcpu: 0, rdx: PORT, rdi: BUFFER, rcx: 3 } as never);
    rig.do('prog', { vcpu: 0, rip: RIP, len: 2, ...insn } as never);
    rig.do('set_regs', { vcpu: 0, rip: RIP });
    rig.do('step', { vcpu: 0 });
    expect(rig.v.blocked_in_xen).toBe(true);
    rig.do('server_destroy', { id: 0 });
    return rig;
  };
  const IN = { exit: 'pio', port: PORT, size: 4, dir: 'in' };
  const REP_INS = { exit: 'pio_string', bytes: 'f36d' };

  it('fixed: the vCPU is blocked for good', () => {
    const rig = inFlight('fixed', IN);
    expect(rig.run()).toBe('not_runnable');
  });

  it('exact: the vCPU reads all ones and goes on', () => {
    const rig = inFlight('exact', IN);
    expect(rig.run()).toBe('in_guest');
    expect(rig.reg('rax')).toBe('0xffffffff');
    expect(rig.v.defer_shutdown).toBe(false);
  });

  it('exact: a batch into memory is all ones', () => {
    const rig = inFlight('exact', REP_INS);
    expect(rig.run()).toBe('in_guest');
    const memory = rig.machine.ram.bytes.subarray(BUFFER, BUFFER + 13);
    expect(Buffer.from(memory).toString('hex')).toBe(`${'ff'.repeat(12)}00`);
  });

  it('exact: a write is over, and an idle vCPU is left alone', () => {
    const rig = inFlight('exact', { ...IN, dir: 'out' });
    expect(rig.run()).toBe('in_guest');
    expect(rig.reg('rax')).toBe('0x0');
    const idle = new Rig('exact');
    idle.do('server_destroy', { id: 0 });
    expect(idle.run()).toBe('in_guest');
  });
});

describe('switch refused_broadcast_repeated', () => {
  const refused = (revision: RevisionName): Rig => {
    const rig = new Rig(revision);
    const inject = [{ at: 'defer_set', nth: 1, do: [{ op: 'shutdown', reason: 2 }] }];
    rig.do('invalidate', { vcpu: 0, inject: inject as never });
    expect(rig.d.is_shut_down).toBe(true);
    expect(hvm_io_pending(rig.v)).toBe(false);
    domain_resume(rig.d);
    return rig;
  };

  it('fixed: it is gone', () => {
    const rig = refused('fixed');
    expect(rig.run()).toBe('in_guest');
    expect(hvm_io_pending(rig.v)).toBe(false);
  });

  it('exact: the server gets it after the resume, once', () => {
    const rig = refused('exact');
    expect(rig.run()).toBe('not_runnable');
    expect(rig.state().servers['0'].vcpus['0'].slot).toMatchObject({ type: 8, state: 1, size: 4 });
    expect(rig.do('dm_answer', { server: 0, vcpu: 0, base: 0 }).ret).toBe(1);
    expect(rig.run()).toBe('in_guest');
    expect(rig.run()).toBe('in_guest');
    expect(rig.served).toBe(1);
    expect(rig.v.defer_shutdown).toBe(false);
  });

  it('exact: refused again, it is repeated again; a server that is gone is forgotten', () => {
    const rig = refused('exact');
    const inject = [{ at: 'defer_set', nth: 1, do: [{ op: 'shutdown', reason: 2 }] }];
    rig.run({ inject: inject as never });
    expect(rig.d.is_shut_down).toBe(true);
    domain_resume(rig.d);
    rig.run();
    expect(hvm_io_pending(rig.v)).toBe(true);

    const gone = refused('exact');
    gone.do('server_state', { id: 0, enabled: 0 });
    expect(gone.run()).toBe('in_guest');
    expect(gone.v.arch.hvm.hvm_io.broadcast_refused).toBe(0);
  });
});

describe('switch emulated_in_retires', () => {
  it.each([
    ['fixed', '0x1000'],
    ['exact', '0x1001'],
  ] as const)('%s: IN through the emulator leaves RIP at %s', (revision, rip) => {
    const rig = new Rig(revision);
    rig.do('set_regs', { vcpu: 0, rdx: PORT });
    rig.do('prog', { vcpu: 0, rip: RIP, exit: 'emul', len: 1, bytes: 'ed' });
    expect(rig.do('step', { vcpu: 0 }).ret).toBe('RETRY');
    rig.do('dm_answer', { server: 0, vcpu: 0, base: 0x77 });
    expect(rig.run()).toBe('in_guest');
    expect(rig.reg('rax')).toBe('0x77');
    expect(rig.reg('rip')).toBe(rip);
  });
});

describe('switch mmio_cache_grows', () => {
  it.each([
    ['fixed', X86EMUL_UNHANDLEABLE],
    ['exact', X86EMUL_RETRY],
  ] as const)('%s: a fourth distinct access gives %d', (revision, expected) => {
    const rig = new Rig(revision);
    const buffer = new Uint8Array(8);
    for (let i = 0; i < 4; i++) {
      const gla = MMIO + 0x20 * i;
      const rc = hvmemul_linear_mmio_access(rig.v, gla, 4, IOREQ_READ, buffer, false);
      expect(rc).toBe(i < 3 ? X86EMUL_RETRY : expected);
      rig.do('dm_answer', { server: 0, vcpu: 0, base: 0 });
      rig.run();
      if (i < 3) {
        expect(hvmemul_linear_mmio_access(rig.v, gla, 4, IOREQ_READ, buffer, false)).toBe(
          X86EMUL_OKAY,
        );
      }
    }
  });
});

describe('switch unbufferable_refused', () => {
  it.each([
    ['fixed', X86EMUL_OKAY],
    ['exact', X86EMUL_UNHANDLEABLE],
  ] as const)(
    '%s: a buffered send of what the ring cannot hold answers %d',
    (revision, expected) => {
      const rig = new Rig(revision, {}, 2);
      const [s] = rig.d.arch.hvm.ioreq_server;
      const p = { ...newIoreq(), type: 1, addr: 0x100000, size: 4, count: 1 };
      expect(hvm_send_ioreq(rig.v, s as hvm_ioreq_server, p, true)).toBe(expected);
      expect(s?.bufioreq.va?.write_pointer()).toBe(0);
      expect(hvm_send_ioreq(rig.v, s as hvm_ioreq_server, { ...p, addr: 0xfffff }, true)).toBe(
        X86EMUL_OKAY,
      );
      expect(s?.bufioreq.va?.write_pointer()).toBe(1);
    },
  );
});

describe('revisions', () => {
  it('the fix is exactly one switch; exact has them all', () => {
    const names = Object.keys(SWITCHES) as (keyof typeof SWITCHES)[];
    const on = (name: RevisionName): string[] => names.filter((s) => REVISIONS[name][s]);
    expect(on('before-b7e0d8978810')).toEqual([]);
    expect(on('fixed')).toEqual(['io_suspended_flag']);
    expect(on('exact')).toEqual(names);
    for (const s of names) expect(SWITCHES[s].reason).toMatch(/\.$/);
    for (const name of REVISION_NAMES) expect(REVISIONS[name].name).toBe(name);
  });

  it('a shutdown of an idle guest finalises under every revision', () => {
    for (const name of REVISION_NAMES) {
      const rig = new Rig(name);
      domain_shutdown(rig.d, SHUTDOWN_suspend);
      expect(rig.d.is_shut_down).toBe(true);
    }
  });
});
