// SPDX-License-Identifier: GPL-2.0-only
// Shutting a domain down, the deferral a vCPU takes while an I/O is in flight, resuming.
// Behaviour of Xen 4.14.5 xen/common/domain.c.
// Differences: the hardware domain, which would take the host down, does not exist here.
import { VIRQ_DOM_EXC } from '../public/event_channel.ts';
import { SHUTDOWN_CODE_INVALID, SHUTDOWN_crash, SHUTDOWN_suspend } from '../public/sched.ts';
import {
  type domain,
  domain_pause,
  domain_unpause,
  type vcpu,
  vcpu_pause_nosync,
  vcpu_unpause,
} from './sched.ts';

/** Under the lock: if every vCPU is paused, the domain is shut down and the toolstack hears of it. */
function __domain_finalise_shutdown(d: domain): void {
  if (d.is_shut_down) return;
  for (const v of d.vcpu) if (!v.paused_for_shutdown) return;
  d.is_shut_down = true;
  const port = d.shutdown_code === SHUTDOWN_suspend ? d.suspend_evtchn : 0;
  d.host.trace.finalised(d, port);
  if (port !== 0) d.host.evtchn_send(d, port);
  else d.host.send_global_virq(d, VIRQ_DOM_EXC);
}

/** What SCHEDOP_shutdown_code does: names the reason of a later shutdown. */
export function domain_shutdown_code(d: domain, reason: number): void {
  if (d.shutdown_code === SHUTDOWN_CODE_INVALID) d.shutdown_code = reason & 0xff;
}

/**
 * Asks every vCPU to stop. Those that defer go on until their deferral ends.
 * @param wanted - SHUTDOWN_*, 8 bits; a reason given earlier wins
 * @returns 0, always
 */
export function domain_shutdown(d: domain, wanted: number): 0 {
  d.shutdown_lock.lock();
  shut_down_locked(d, wanted);
  d.shutdown_lock.unlock();
  return 0;
}

function shut_down_locked(d: domain, wanted: number): void {
  d.arch.hvm.stirs++;
  domain_shutdown_code(d, wanted);
  const reason = d.shutdown_code;
  if (d.is_shutting_down) return;
  d.is_shutting_down = true;
  // Flag first, then the deferrals: pairs with vcpu_start_shutdown_deferral and vcpu_end_...
  for (const v of d.vcpu) {
    if (reason === SHUTDOWN_crash) v.defer_shutdown = false;
    else if (v.defer_shutdown) continue;
    vcpu_pause_nosync(v);
    v.paused_for_shutdown = true;
  }
  __domain_finalise_shutdown(d);
}

/** The guest or a device model has done what cannot go on. The caller continues as in Xen. */
export function domain_crash(d: domain, reason: string): void {
  d.arch.hvm.stirs++;
  d.host.trace.crash(d, reason);
  d.crashed ??= { reason };
  domain_shutdown(d, SHUTDOWN_crash);
}

/** Pauses `v` for a shutdown that is under way; a deferral ends here. */
export function vcpu_check_shutdown(v: vcpu): void {
  const d = v.domain;
  d.host.points.hit('check_lock', v);
  d.shutdown_lock.lock();
  if (d.is_shutting_down) {
    if (!v.paused_for_shutdown) vcpu_pause_nosync(v);
    v.paused_for_shutdown = true;
    v.defer_shutdown = false;
    __domain_finalise_shutdown(d);
  }
  d.shutdown_lock.unlock();
}

/**
 * Before an I/O is sent: no shutdown may stop `v` until its answer is in.
 * @returns false when a shutdown was first
 */
export function vcpu_start_shutdown_deferral(v: vcpu): boolean {
  if (v.defer_shutdown && !v.domain.host.revision.answer_ends_deferral) return true;
  v.defer_shutdown = true;
  // Flag first, then the test of the shutdown: pairs with domain_shutdown.
  v.domain.host.points.hit('defer_set', v);
  if (v.domain.is_shutting_down) vcpu_check_shutdown(v);
  return v.defer_shutdown;
}

/** The I/O is over: a shutdown that waited for it pauses `v` now. */
export function vcpu_end_shutdown_deferral(v: vcpu): void {
  v.defer_shutdown = false;
  v.domain.host.points.hit('undefer_clear', v);
  if (v.domain.is_shutting_down) vcpu_check_shutdown(v);
}

/** Undoes a shutdown; deferrals stay. Harmless when nothing is shutting down. */
export function domain_resume(d: domain): void {
  // Some code depends on the shutdown not being undone while a vCPU is in the emulation path.
  domain_pause(d);
  d.shutdown_lock.lock();
  d.is_shutting_down = false;
  d.is_shut_down = false;
  d.shutdown_code = SHUTDOWN_CODE_INVALID;
  for (const v of d.vcpu) {
    if (v.paused_for_shutdown) vcpu_unpause(v);
    v.paused_for_shutdown = false;
  }
  d.shutdown_lock.unlock();
  domain_unpause(d);
}
