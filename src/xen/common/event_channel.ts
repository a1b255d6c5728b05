// SPDX-License-Identifier: GPL-2.0-only
// Event channels between a vCPU in the hypervisor and its device models.
// Behaviour of Xen 4.14.5 xen/common/event_channel.c and xen/include/xen/event.h.
// Differences: only channels consumed by the hypervisor; ports come from the host.
import type { evtchn_port_t } from '../public/event_channel.ts';
import { type domain, raise_schedule_softirq, type vcpu, vcpu_runnable } from './sched.ts';

/** A channel that a device model of domain `remote` may bind. @returns port, or a negated errno */
export function alloc_unbound_xen_event_channel(
  d: domain,
  vcpu_id: number,
  remote: number,
): number {
  const port = d.host.evtchn_alloc(d, vcpu_id, remote);
  if (port >= 0) d.host.trace.evtchn_alloc(d, vcpu_id, port);
  return port;
}

export function free_xen_event_channel(d: domain, port: evtchn_port_t): void {
  d.host.evtchn_free(d, port);
  d.host.trace.evtchn_free(d, port);
}

/** Tells the device model behind `port` that there is something to look at. */
export function notify_via_xen_event_channel(d: domain, port: evtchn_port_t): void {
  d.arch.hvm.stirs++;
  d.host.trace.notify(d, port);
  d.host.evtchn_send(d, port);
}

/** The device model signalled the port of `v`: a wait ends. Nothing happens if `v` did not wait. */
export function xen_event_channel_signalled(v: vcpu): void {
  v.domain.arch.hvm.stirs++;
  v.blocked_in_xen = false;
}

/** Marks `curr` as waiting before the work that others will answer is published. */
export function prepare_wait_on_xen_event_channel(curr: vcpu): void {
  curr.blocked_in_xen = true;
  raise_schedule_softirq(curr);
}

/**
 * The second half of a wait, after `curr` was marked blocked and its condition tested again: the
 * softirq. x86 keeps no hypervisor stack per vCPU, so a vCPU switched out here never comes back:
 * it starts again at hvm_do_resume.
 * @returns true if it became runnable in the meantime and goes on, false if it left its CPU
 */
export function wait_for_schedule(curr: vcpu): boolean {
  const { points, trace } = curr.domain.host;
  raise_schedule_softirq(curr);
  points.hit('wait_blocked', curr);
  // The softirq is taken before the test: one that is raised behind it stays raised.
  curr.sched_pending = false;
  if (vcpu_runnable(curr)) {
    trace.softirq_continue(curr);
    return true;
  }
  curr.sched_pending = true;
  curr.descheduled = true;
  trace.deschedule(curr);
  return false;
}
