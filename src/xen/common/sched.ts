// SPDX-License-Identifier: GPL-2.0-only
// Domains, vCPUs, pausing them, and the scheduler's choice of a vCPU.
// Behaviour of Xen 4.14.5 xen/common/sched/core.c, xen/common/domain.c (pausing), include/xen/sched.h.
// Differences: every vCPU has a physical CPU of its own; on one thread, locks and waits for another
// CPU to leave the hypervisor are free; `sched_pending` stands for that CPU's SCHEDULE softirq.

import type { XenHost } from '../host.ts';
import type { hvm_domain, hvm_vcpu } from '../hvm/state.ts';
import type { evtchn_port_t } from '../public/event_channel.ts';
import type { spinlock } from './spinlock.ts';

/** The guest registers the port itself touches. The CPU host's registers behind accessors will do. */
export interface cpu_user_regs {
  /** Low 32 bits of RAX, unsigned. */
  eax: number;
  /** Ours: high 32 bits of RAX, unsigned. */
  rax_hi: number;
  /** Instruction pointer; a CPU host may wrap what is stored. */
  eip: number;
}

/** Why a domain stopped: the first domain_crash. */
export interface CrashRecord {
  readonly reason: string;
}

export interface domain {
  readonly domain_id: number;
  /** By vCPU id. */
  readonly vcpu: vcpu[];
  /** A shutdown has been requested. */
  is_shutting_down: boolean;
  /** Every vCPU has been paused for it, and the toolstack told. */
  is_shut_down: boolean;
  /** SHUTDOWN_*, or SHUTDOWN_CODE_INVALID. */
  shutdown_code: number;
  /** Port signalled at the end of a suspend instead of VIRQ_DOM_EXC; 0 for none. */
  suspend_evtchn: evtchn_port_t;
  pause_count: number;
  /** Adds `by` to `pause_count`, as one operation where several threads can. */
  change_pause_count(by: 1 | -1): void;
  /** Held while a shutdown or a resume goes over the vCPUs. */
  readonly shutdown_lock: spinlock;
  is_dying: boolean;
  /** Ours: the first crash, or null. */
  crashed: CrashRecord | null;
  readonly arch: { readonly hvm: hvm_domain };
  readonly host: XenHost;
  /** Runs when the scheduler picks a vCPU, before the guest: hvm_do_resume. */
  readonly ctxt_switch_tail: (v: vcpu) => void;
}

export interface vcpu {
  readonly vcpu_id: number;
  readonly domain: domain;
  readonly regs: cpu_user_regs;
  readonly arch: { readonly hvm: hvm_vcpu };
  /** Asks not to be paused for a shutdown yet. */
  defer_shutdown: boolean;
  /** One pause reference is held because of a shutdown. */
  paused_for_shutdown: boolean;
  pause_count: number;
  change_pause_count(by: 1 | -1): void;
  /** Waits inside the hypervisor for a device model. */
  blocked_in_xen: boolean;
  /** The SCHEDULE softirq of its CPU is raised: it leaves the guest at the next chance. */
  sched_pending: boolean;
  /** Executes guest code, or the handling of its exit. */
  in_guest: boolean;
  /** The scheduler has it on a CPU, in the guest or in the hypervisor: domain_pause() waits for it to leave. */
  is_running: boolean;
  /** Left its CPU inside a wait; cleared when the scheduler picks it again. */
  descheduled: boolean;
}

/** Whether the scheduler may pick `v`. */
export function vcpu_runnable(v: vcpu): boolean {
  return !v.blocked_in_xen && v.pause_count === 0 && v.domain.pause_count === 0;
}

/** Makes `v` leave the guest at the next chance. */
function vcpu_sleep_nosync(v: vcpu): void {
  v.domain.arch.hvm.stirs++;
  v.sched_pending = true;
  v.in_guest = false;
}

/** Forces `v` through the scheduler, and so through hvm_do_resume. */
export function vcpu_kick(v: vcpu): void {
  vcpu_sleep_nosync(v);
}

/** Adds a pause reference without waiting for `v` to stop. */
export function vcpu_pause_nosync(v: vcpu): void {
  v.change_pause_count(1);
  v.domain.host.trace.pause_nosync(v);
  vcpu_sleep_nosync(v);
}

export function vcpu_unpause(v: vcpu): void {
  v.change_pause_count(-1);
}

/** Pauses every vCPU and waits until none executes, in the hypervisor either. */
export function domain_pause(d: domain): void {
  d.change_pause_count(1);
  d.host.trace.domain_pause(d);
  for (const v of d.vcpu) vcpu_sleep_nosync(v);
  for (const v of d.vcpu) d.host.vcpu_sleep_sync(v);
}

export function domain_unpause(d: domain): void {
  d.change_pause_count(-1);
  d.host.trace.domain_unpause(d);
}

/** SCHEDULE softirq of the running vCPU's CPU. */
export function raise_schedule_softirq(curr: vcpu): void {
  curr.sched_pending = true;
  curr.domain.host.trace.raise_schedule(curr);
}

/**
 * After an exit has been handled: pending softirqs run before the guest is entered again.
 * @returns whether `curr` may go straight back into the guest
 */
export function vcpu_check_softirqs(curr: vcpu): boolean {
  if (curr.sched_pending) curr.in_guest = false;
  return curr.in_guest;
}

/** How often one scheduling may repeat before it counts as endless. */
export const MAX_RESUMES = 21;

export type sched_outcome = 'in_guest' | 'not_runnable' | 'descheduled' | 'loop';

/** Filled by `schedule_vcpu`: how often hvm_do_resume ran. */
export interface sched_count {
  resumes: number;
}

/**
 * The scheduler picks `v`: resumes it until it is in the guest or cannot go on.
 * @param count - caller-owned, filled in
 */
export function schedule_vcpu(v: vcpu, count: sched_count): sched_outcome {
  count.resumes = 0;
  for (;;) {
    // On a CPU and without a request to leave it first, then the test: pairs with domain_pause, which pauses first,
    // then asks, then waits.
    v.is_running = true;
    const asked = v.sched_pending;
    v.sched_pending = false;
    if (!vcpu_runnable(v)) {
      if (asked) v.sched_pending = true;
      v.is_running = false;
      return 'not_runnable';
    }
    v.descheduled = false;
    count.resumes++;
    v.domain.ctxt_switch_tail(v);
    if (v.descheduled) {
      v.is_running = false;
      return 'descheduled';
    }
    if (!v.sched_pending) {
      v.in_guest = true;
      return 'in_guest';
    }
    v.in_guest = false;
    if (count.resumes >= MAX_RESUMES) return 'loop';
  }
}
