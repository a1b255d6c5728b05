// SPDX-License-Identifier: GPL-2.0-only
// One IN or OUT through an ioreq server as two straight functions: everything up to the device model, and everything
// behind it. For a domain of one vCPU whose device models answer at once on the same thread, with nobody at the
// preemption points: there, what the ordinary way does step by step has the same effects, and what it undoes before
// anybody can look is left out.
// Differences: ours. Who can look is the device model, and what it calls: `straight_send` leaves everything as the
// ordinary way has it when a device is accessed, `straight_complete` as it has it when the guest is entered again.
import type { IoreqSlot } from '../../mem/ioreq-page.ts';
import type { vcpu } from '../common/sched.ts';
import {
  IOREQ_READ,
  IOREQ_TYPE_PIO,
  type ioreq_dir,
  type ioreq_t,
  STATE_IOREQ_INPROCESS,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
} from '../public/hvm_ioreq.ts';
import { hvm_select_ioreq_server } from './ioreq.ts';
import { REVISIONS } from './revision.ts';
import {
  HVMIO_no_completion,
  HVMIO_pio_completion,
  type hvm_ioreq_server,
  type hvm_ioreq_vcpu,
} from './state.ts';

/** Configuration cycles depend on what was written to the first of these. */
const PCI_FIRST = 0xcf8;
const PCI_LAST = 0xcff;

/** Whether the ordinary way is known to have the effects written down here. Checked once. */
export function straight_possible(v: vcpu): boolean {
  const { host, arch } = v.domain;
  return host.revision === REVISIONS.exact && v.domain.vcpu.length === 1 && !arch.hvm.has_vpci;
}

/** Whether `v`, which has just left the guest, is in no state out of the ordinary. */
export function straight_allowed(v: vcpu): boolean {
  const d = v.domain;
  const vio = v.arch.hvm.hvm_io;
  return (
    !d.is_shutting_down &&
    d.crashed === null &&
    d.pause_count === 0 &&
    v.pause_count === 0 &&
    !v.defer_shutdown &&
    !v.blocked_in_xen &&
    !v.sched_pending &&
    v.in_guest &&
    vio.io_req.state === STATE_IOREQ_NONE &&
    vio.broadcast_refused === 0
  );
}

/** The server that every access of these ports goes to until `routing` changes; null: by the ordinary way. */
export function straight_server(
  v: vcpu,
  port: number,
  size: number,
  p: ioreq_t,
): hvm_ioreq_server | null {
  const { io_handler, portio } = v.domain.arch.hvm;
  if (port <= PCI_LAST && port + size > PCI_FIRST) return null;
  for (let i = 0; i < io_handler.length; i++) {
    if (io_handler[i]?.type !== IOREQ_TYPE_PIO) continue;
    const range = portio[i];
    // A handler that looks at more than the port may decide otherwise next time.
    if (range === null || range === undefined) return null;
    if (port >= range.port && port + size <= range.port + range.size) return null;
  }
  p.type = IOREQ_TYPE_PIO;
  p.addr = port;
  p.size = size;
  p.count = 1;
  p.df = false;
  return hvm_select_ioreq_server(v.domain, p);
}

/**
 * handle_pio to the moment at which the device model has taken the request; RIP is the caller's.
 * Scratch objects of the ordinary way (`p`, `pio_data`, `one_rep`) are left alone: each use begins by filling them.
 * @param data - of an OUT: EAX
 */
export function straight_send(
  v: vcpu,
  sv: hvm_ioreq_vcpu,
  slot: IoreqSlot,
  port: number,
  size: number,
  dir: ioreq_dir,
  data: number,
): void {
  const { hvm_io: vio } = v.arch.hvm;
  const { io_req } = vio;
  io_req.type = IOREQ_TYPE_PIO;
  io_req.addr = port;
  io_req.size = size;
  io_req.count = 1;
  io_req.dir = dir;
  io_req.df = false;
  io_req.data_is_ptr = false;
  io_req.data = data;
  io_req.data_hi = 0;
  io_req.state = STATE_IOREQ_READY;
  io_req.vp_eport = 0;
  slot.fillPort(port, size, dir, data, STATE_IOREQ_INPROCESS);
  vio.suspended = false;
  if (dir === IOREQ_READ) vio.io_completion = HVMIO_pio_completion;
  sv.pending = true;
  v.defer_shutdown = true;
  v.blocked_in_xen = true;
  v.sched_pending = true;
  v.in_guest = false;
  v.is_running = false;
}

/**
 * From the device model's answer to the guest's entry, but for EAX, which is the caller's. Call when
 * the slot is as it was sent and `stirs` of the domain has not changed.
 */
export function straight_complete(
  v: vcpu,
  sv: hvm_ioreq_vcpu,
  slot: IoreqSlot,
  dir: ioreq_dir,
  data: number,
): void {
  const { hvm_io: vio } = v.arch.hvm;
  const { io_req } = vio;
  if (dir === IOREQ_READ) {
    io_req.data = data;
    vio.io_completion = HVMIO_no_completion;
    slot.freeAnswered(data);
  } else slot.free();
  io_req.state = STATE_IOREQ_NONE;
  sv.pending = false;
  v.defer_shutdown = false;
  v.blocked_in_xen = false;
  v.sched_pending = false;
  v.descheduled = false;
  v.is_running = true;
  v.in_guest = true;
}
