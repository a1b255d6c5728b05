// SPDX-License-Identifier: GPL-2.0-only
// The port's trace hooks, turned into the events of the recorded traces.
import type { domain, vcpu } from '../../src/xen/common/sched.ts';
import { NullTracer } from '../../src/xen/common/trace.ts';
import { X86EMUL_NAMES, type x86emul_rc } from '../../src/xen/hvm/x86_emulate.ts';
import type { ioreq_t } from '../../src/xen/public/hvm_ioreq.ts';
import { hex, hex64, type JsonObject } from './scenario.ts';

/** The fields of a request that events show. */
export function requestEvent(p: ioreq_t): JsonObject {
  return {
    type: p.type,
    dir: p.dir,
    addr: hex(p.addr),
    size: p.size,
    count: p.count,
    df: p.df ? 1 : 0,
    data_is_ptr: p.data_is_ptr ? 1 : 0,
    data: hex64(p.data, p.data_hi),
  };
}

/** Collects the events of one operation. */
export class Recorder extends NullTracer {
  events: JsonObject[] = [];

  add(e: string, more: JsonObject = {}): void {
    this.events.push({ e, ...more });
  }

  override start_deferral(v: vcpu, granted: boolean): void {
    this.add('start_deferral', { vcpu: v.vcpu_id, ret: granted ? 1 : 0 });
  }
  override end_deferral(v: vcpu): void {
    this.add('end_deferral', { vcpu: v.vcpu_id });
  }
  override send(v: vcpu, serverId: number, p: ioreq_t, rc: x86emul_rc): void {
    this.add('send', {
      vcpu: v.vcpu_id,
      server: serverId,
      ...requestEvent(p),
      rc: X86EMUL_NAMES[rc],
      is_shutting_down: v.domain.is_shutting_down,
    });
  }
  override do_pio(v: vcpu, rc: x86emul_rc): void {
    this.add('do_pio', {
      vcpu: v.vcpu_id,
      rc: X86EMUL_NAMES[rc],
      is_shutting_down: v.domain.is_shutting_down,
    });
  }
  override notify(_d: domain, port: number): void {
    this.add('notify', { port });
  }
  override raise_schedule(v: vcpu): void {
    this.add('raise_schedule', { cpu: v.vcpu_id });
  }
  override deschedule(): void {
    this.add('deschedule');
  }
  override softirq_continue(): void {
    this.add('softirq_continue');
  }
  override pause_nosync(v: vcpu): void {
    this.add('pause_nosync', { vcpu: v.vcpu_id });
  }
  override domain_pause(): void {
    this.add('domain_pause');
  }
  override domain_unpause(): void {
    this.add('domain_unpause');
  }
  override finalised(_d: domain, port: number): void {
    this.add('finalised', port === 0 ? { via: 'virq', virq: 3 } : { via: 'suspend_evtchn', port });
  }
  override crash(): void {
    this.add('crash');
  }
  override crash_other(domid: number): void {
    this.add('crash', { domid });
  }
  override inject(_v: vcpu, vector: number, type: number, ec: number): void {
    this.add('inject', { vector, type, ec });
  }
  override rm_exception(): void {
    this.add('rm_exception');
  }
  override evtchn_alloc(_d: domain, vcpu_id: number, port: number): void {
    this.add('evtchn_alloc', { vcpu: vcpu_id, port });
  }
  override evtchn_free(_d: domain, port: number): void {
    this.add('evtchn_free', { port });
  }
  override map_gfn(_d: domain, gfn: number): void {
    this.add('map_gfn', { gfn });
  }
  override unmap_gfn(): void {
    this.add('unmap_gfn');
  }
  override physmap_remove(_d: domain, gfn: number): void {
    this.add('physmap_remove', { gfn });
  }
  override physmap_add(_d: domain, gfn: number): void {
    this.add('physmap_add', { gfn });
  }
  override p2m_type_reset(): void {
    this.add('p2m_type_reset');
  }
  override paging_populate(_d: domain, gfn: number): void {
    this.add('paging_populate', { gfn });
  }
  override assert_failed(fn: string): void {
    this.add('assert', { fn });
  }
  override bug(fn: string): void {
    this.add('bug', { fn });
  }
}
