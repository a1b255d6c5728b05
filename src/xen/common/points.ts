// SPDX-License-Identifier: GPL-2.0-only
// The closed list of preemption points: places in a vCPU's path where another CPU's work may land.
// Traces, stress runs and exploration all use these and no others.
import type { vcpu } from './sched.ts';

/** Every point, in the order in which one access passes them. */
export const POINT_NAMES = [
  /** hvmemul_do_io: request latched, internal handlers not yet asked. */
  'intercept',
  /** hvmemul_do_io: about to call hvm_send_ioreq. */
  'send_entry',
  /** vcpu_start_shutdown_deferral: flag set, shutdown not yet tested. */
  'defer_set',
  /** vcpu_check_shutdown: about to take the lock. */
  'check_lock',
  /** hvm_send_ioreq: deferral asked for, answer not yet used. */
  'defer_done',
  /** hvm_send_ioreq: slot filled with state NONE, vCPU marked blocked. */
  'send_filled',
  /** hvm_send_ioreq: state READY and port signalled, not yet pending. */
  'send_notify',
  /** hvmemul_do_io: hvm_send_ioreq returned, result not yet examined. */
  'send_return',
  /** handle_pio: hvmemul_do_pio_buffer returned, result not yet examined. */
  'do_io_return',
  /** wait_on_xen_event_channel: marked blocked, condition not yet tested again. */
  'wait_flagged',
  /** wait_on_xen_event_channel: in the softirq that may take the vCPU off its CPU. */
  'wait_blocked',
  /** handle_hvm_io_completion: response latched, deferral still held. */
  'assist_done',
  /** vcpu_end_shutdown_deferral: flag cleared, shutdown not yet tested. */
  'undefer_clear',
  /** handle_hvm_io_completion: deferral ended. */
  'undefer_done',
  /** hvm_send_buffered_ioreq: entry written, write pointer not yet moved. */
  'buf_filled',
  /** hvm_send_buffered_ioreq: port signalled. */
  'buf_notify',
] as const;

export type PointName = (typeof POINT_NAMES)[number];

/** What happens at a point: nothing, a shutdown, steps of other actors. */
export interface Points {
  /** Called by the vCPU `curr`; returns when it may go on. */
  hit(point: PointName, curr: vcpu): void;
}

/** Nothing happens anywhere. */
export const NO_POINTS: Points = { hit: () => {} };
