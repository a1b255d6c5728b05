// SPDX-License-Identifier: GPL-2.0-only
// The shutdown machinery as a table of one vCPU's states, and what several vCPUs add: the same for objects of one thread
// and for those over words that several threads share.
import { describe, expect, it } from 'vitest';
import { createDomainMemory } from '../../../src/machine/threads/domain-memory.ts';
import { GuestRam } from '../../../src/mem/guest-ram.ts';
import {
  domain_crash,
  domain_resume,
  domain_shutdown,
  domain_shutdown_code,
  vcpu_end_shutdown_deferral,
  vcpu_start_shutdown_deferral,
} from '../../../src/xen/common/domain.ts';
import {
  type domain,
  schedule_vcpu,
  type vcpu,
  vcpu_pause_nosync,
  vcpu_runnable,
  vcpu_unpause,
} from '../../../src/xen/common/sched.ts';
import { createXenHost, type XenHost } from '../../../src/xen/host.ts';
import { domain_create, shared_vcpu_create, vcpu_create } from '../../../src/xen/hvm/hvm.ts';
import {
  SHUTDOWN_CODE_INVALID,
  SHUTDOWN_crash,
  SHUTDOWN_poweroff,
  SHUTDOWN_suspend,
} from '../../../src/xen/public/sched.ts';

const newRegs = () => ({ eax: 0, rax_hi: 0, eip: 0 });

function local(vcpus: number, overrides: Partial<XenHost> = {}): domain {
  const d = domain_create(1, new GuestRam(4096), createXenHost(overrides));
  for (let i = 0; i < vcpus; i++) vcpu_create(d, newRegs());
  return d;
}

function shared(vcpus: number, overrides: Partial<XenHost> = {}): domain {
  const words = new Int32Array(createDomainMemory(4096, 1, vcpus).words);
  const d = domain_create(1, new GuestRam(4096), createXenHost(overrides), words);
  for (let i = 0; i < vcpus; i++) shared_vcpu_create(d, newRegs(), words, true);
  return d;
}

describe.each([
  ['of one thread', local],
  ['over shared words', shared],
] as const)('objects %s', (_, make) => {
  const first = (d: domain): vcpu => d.vcpu[0] as vcpu;

  type State = [defer: 0 | 1, paused: 0 | 1, shutting: 0 | 1];

  function enter(d: domain, [defer, paused, shutting]: State): void {
    const v = first(d);
    v.defer_shutdown = defer === 1;
    v.paused_for_shutdown = paused === 1;
    v.pause_count = paused;
    d.is_shutting_down = shutting === 1;
    if (shutting) d.shutdown_code = SHUTDOWN_suspend;
  }

  function stateOf(d: domain): State {
    const v = first(d);
    const bit = (flag: boolean): 0 | 1 => (flag ? 1 : 0);
    return [bit(v.defer_shutdown), bit(v.paused_for_shutdown), bit(d.is_shutting_down)];
  }

  describe('one vCPU: (deferring, paused, shutting down)', () => {
    const events = {
      send: (d: domain) => vcpu_start_shutdown_deferral(first(d)),
      end: (d: domain) => vcpu_end_shutdown_deferral(first(d)),
      suspend: (d: domain) => domain_shutdown(d, SHUTDOWN_suspend) === 0,
      crash: (d: domain) => domain_shutdown(d, SHUTDOWN_crash) === 0,
      resume: (d: domain) => domain_resume(d),
    };
    const rows: [State, keyof typeof events, State, number, unknown, string][] = [
      [[0, 0, 0], 'send', [1, 0, 0], 0, true, 'granted'],
      [[1, 0, 0], 'send', [1, 0, 0], 0, true, 'granted again'],
      [[1, 0, 1], 'send', [1, 0, 1], 0, true, 'granted without looking at the domain'],
      [[0, 1, 1], 'send', [0, 1, 1], 1, false, 'refused, not paused twice'],
      [[0, 0, 1], 'send', [0, 1, 1], 1, false, 'refused and paused'],
      [[0, 0, 0], 'suspend', [0, 1, 1], 1, true, 'paused at once'],
      [[1, 0, 0], 'suspend', [1, 0, 1], 0, true, 'goes on'],
      [[1, 0, 0], 'crash', [0, 1, 1], 1, true, 'deferral overridden'],
      [[1, 0, 1], 'suspend', [1, 0, 1], 0, true, 'a second shutdown changes nothing'],
      [[1, 0, 1], 'end', [0, 1, 1], 1, undefined, 'paused at last'],
      [[1, 0, 0], 'end', [0, 0, 0], 0, undefined, 'nothing to wait for'],
      [[0, 1, 1], 'end', [0, 1, 1], 1, undefined, 'stays paused, once'],
      [[0, 1, 1], 'resume', [0, 0, 0], 0, undefined, 'runs again'],
      [[1, 0, 1], 'resume', [1, 0, 0], 0, undefined, 'still defers'],
      [[0, 0, 0], 'resume', [0, 0, 0], 0, undefined, 'harmless'],
    ];
    it.each(rows)(
      '%j -%s-> %j: pause count %d, returns %j (%s)',
      (from, event, to, count, result) => {
        const d = make(1);
        enter(d, from);
        expect(events[event](d)).toBe(result);
        expect(stateOf(d)).toEqual(to);
        expect(first(d).pause_count).toBe(count);
        expect(d.is_shut_down).toBe(to[1] === 1);
      },
    );

    it('a shutdown cancelled between the two tests of a send grants it', () => {
      const d = make(1, {
        points: {
          hit: (point, v) => {
            if (point === 'defer_set') domain_shutdown(v.domain, SHUTDOWN_suspend);
            if (point === 'check_lock') domain_resume(v.domain);
          },
        },
      });
      expect(vcpu_start_shutdown_deferral(first(d))).toBe(true);
      expect(stateOf(d)).toEqual([1, 0, 0]);
    });
  });

  describe('several vCPUs', () => {
    it('are shut down when the last deferral ends, and told of once', () => {
      const told: number[] = [];
      const d = make(3, { send_global_virq: (_d, virq) => told.push(virq) });
      const [a, b, c] = d.vcpu as [vcpu, vcpu, vcpu];
      vcpu_start_shutdown_deferral(a);
      vcpu_start_shutdown_deferral(c);
      domain_shutdown(d, SHUTDOWN_poweroff);
      expect([a, b, c].map((v) => v.paused_for_shutdown)).toEqual([false, true, false]);
      vcpu_end_shutdown_deferral(a);
      expect(d.is_shut_down).toBe(false);
      vcpu_end_shutdown_deferral(c);
      expect(d.is_shut_down).toBe(true);
      vcpu_end_shutdown_deferral(c);
      expect(told).toEqual([3]);
      expect([a, b, c].map((v) => v.pause_count)).toEqual([1, 1, 1]);
      domain_resume(d);
      expect([a, b, c].map((v) => v.pause_count)).toEqual([0, 0, 0]);
    });
  });

  describe('reasons', () => {
    it('the first one wins, also one only announced, and only suspend uses the suspend channel', () => {
      const signals: string[] = [];
      const d = make(1, {
        evtchn_send: (_d, port) => signals.push(`port ${port}`),
        send_global_virq: (_d, virq) => signals.push(`virq ${virq}`),
      });
      d.suspend_evtchn = 9;
      domain_shutdown(d, SHUTDOWN_suspend);
      domain_shutdown(d, SHUTDOWN_poweroff);
      expect(d.shutdown_code).toBe(SHUTDOWN_suspend);
      domain_resume(d);
      expect(d.shutdown_code).toBe(SHUTDOWN_CODE_INVALID);
      domain_shutdown_code(d, SHUTDOWN_poweroff);
      domain_shutdown(d, SHUTDOWN_suspend);
      expect(d.shutdown_code).toBe(SHUTDOWN_poweroff);
      domain_resume(d);
      domain_shutdown(d, 0x102);
      expect(d.shutdown_code).toBe(2);
      expect(signals).toEqual(['port 9', 'virq 3', 'port 9']);
    });

    it('a crash after another reason was announced does not override deferrals; its record is kept', () => {
      const d = make(1);
      vcpu_start_shutdown_deferral(first(d));
      domain_shutdown_code(d, SHUTDOWN_suspend);
      domain_crash(d, 'first');
      domain_crash(d, 'second');
      expect(d.crashed).toEqual({ reason: 'first' });
      expect(stateOf(d)).toEqual([1, 0, 1]);
    });
  });

  describe('the scheduler', () => {
    it('runs no paused vCPU, and counts pause references', () => {
      const d = make(1);
      const v = first(d);
      const count = { resumes: 0 };
      vcpu_pause_nosync(v);
      vcpu_pause_nosync(v);
      vcpu_unpause(v);
      expect(vcpu_runnable(v)).toBe(false);
      expect([schedule_vcpu(v, count), count.resumes]).toEqual(['not_runnable', 0]);
      vcpu_unpause(v);
      expect([schedule_vcpu(v, count), count.resumes, v.in_guest]).toEqual(['in_guest', 1, true]);
    });

    it('gives up on a vCPU that never gets into the guest', () => {
      const d = make(1, { vpci_process_pending: () => true });
      d.arch.hvm.has_vpci = true;
      const count = { resumes: 0 };
      expect(schedule_vcpu(first(d), count)).toBe('loop');
      expect(count.resumes).toBe(21);
    });
  });
});

it('a vCPU made during a shutdown starts out paused', () => {
  const d = local(1);
  domain_shutdown(d, SHUTDOWN_suspend);
  const late = vcpu_create(d, newRegs());
  expect(late).toMatchObject({ vcpu_id: 1, paused_for_shutdown: true, pause_count: 1 });
});
