// SPDX-License-Identifier: GPL-2.0-only
// What the port tells an observer, event by event. Observers must not change anything.
import type { x86emul_rc } from '../hvm/x86_emulate.ts';
import type { ioreq_t } from '../public/hvm_ioreq.ts';
import type { domain, vcpu } from './sched.ts';

/** Each method is called when its event has happened. Objects passed in are reused: copy to keep. */
export interface Tracer {
  /** vcpu_start_shutdown_deferral returned to a sender. */
  start_deferral(v: vcpu, granted: boolean): void;
  /** vcpu_end_shutdown_deferral returned to the completion. */
  end_deferral(v: vcpu): void;
  /** hvm_send_ioreq returned to hvmemul_do_io; `p` is what was (to be) sent. */
  send(v: vcpu, serverId: number, p: ioreq_t, rc: x86emul_rc): void;
  /** hvmemul_do_pio_buffer returned to handle_pio. */
  do_pio(v: vcpu, rc: x86emul_rc): void;
  /** A response was consumed by the waiting vCPU; `io_req` holds what it gets. */
  response(v: vcpu, serverId: number, io_req: ioreq_t): void;
  /** An internal handler, or nobody (`handled` false), dealt with the request. */
  internal(v: vcpu, p: ioreq_t, handled: boolean, rc: x86emul_rc): void;
  /** A latched request was withdrawn unsent: its instruction will run again. */
  refused(v: vcpu, p: ioreq_t): void;
  /** A port was signalled to a device model. */
  notify(d: domain, port: number): void;
  raise_schedule(v: vcpu): void;
  /** The vCPU left its CPU inside a wait; it starts again at hvm_do_resume. */
  deschedule(v: vcpu): void;
  /** The vCPU became runnable again before it left its CPU. */
  softirq_continue(v: vcpu): void;
  pause_nosync(v: vcpu): void;
  domain_pause(d: domain): void;
  domain_unpause(d: domain): void;
  /** Every vCPU is paused; `port` is the suspend channel, or 0 for VIRQ_DOM_EXC. */
  finalised(d: domain, port: number): void;
  crash(d: domain, reason: string): void;
  /** domain_crash of a device model's domain. */
  crash_other(domid: number): void;
  /** An exception was handed to the guest. */
  inject(v: vcpu, vector: number, type: number, ec: number): void;
  /** A real-mode exception delivery was attempted. */
  rm_exception(v: vcpu, vector: number): void;
  evtchn_alloc(d: domain, vcpu_id: number, port: number): void;
  evtchn_free(d: domain, port: number): void;
  map_gfn(d: domain, gfn: number): void;
  unmap_gfn(d: domain): void;
  physmap_remove(d: domain, gfn: number): void;
  physmap_add(d: domain, gfn: number): void;
  p2m_type_reset(d: domain): void;
  paging_populate(d: domain, gfn: number): void;
  /** Xen's debug build would have stopped in `fn`; a release build, and this port, go on. */
  assert_failed(fn: string): void;
  /** Xen stops the host in `fn`; this port throws right after. */
  bug(fn: string): void;
}

/** Says nothing. Observers extend it and override what they care for. */
export class NullTracer implements Tracer {
  start_deferral(_v: vcpu, _granted: boolean): void {}
  end_deferral(_v: vcpu): void {}
  send(_v: vcpu, _serverId: number, _p: ioreq_t, _rc: x86emul_rc): void {}
  do_pio(_v: vcpu, _rc: x86emul_rc): void {}
  response(_v: vcpu, _serverId: number, _io_req: ioreq_t): void {}
  internal(_v: vcpu, _p: ioreq_t, _handled: boolean, _rc: x86emul_rc): void {}
  refused(_v: vcpu, _p: ioreq_t): void {}
  notify(_d: domain, _port: number): void {}
  raise_schedule(_v: vcpu): void {}
  deschedule(_v: vcpu): void {}
  softirq_continue(_v: vcpu): void {}
  pause_nosync(_v: vcpu): void {}
  domain_pause(_d: domain): void {}
  domain_unpause(_d: domain): void {}
  finalised(_d: domain, _port: number): void {}
  crash(_d: domain, _reason: string): void {}
  crash_other(_domid: number): void {}
  inject(_v: vcpu, _vector: number, _type: number, _ec: number): void {}
  rm_exception(_v: vcpu, _vector: number): void {}
  evtchn_alloc(_d: domain, _vcpu_id: number, _port: number): void {}
  evtchn_free(_d: domain, _port: number): void {}
  map_gfn(_d: domain, _gfn: number): void {}
  unmap_gfn(_d: domain): void {}
  physmap_remove(_d: domain, _gfn: number): void {}
  physmap_add(_d: domain, _gfn: number): void {}
  p2m_type_reset(_d: domain): void {}
  paging_populate(_d: domain, _gfn: number): void {}
  assert_failed(_fn: string): void {}
  bug(_fn: string): void {}
}
