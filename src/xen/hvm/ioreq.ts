// SPDX-License-Identifier: GPL-2.0-only
// Choosing an ioreq server, sending to it, waiting for it, broadcasting.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/ioreq.c; the life cycle of servers is in ioreq_server.ts,
// handle_hvm_io_completion in io_completion.ts.
// Differences: an enabled server without a page refuses synchronous requests instead of a null
// dereference; switches refused_broadcast_repeated and deferral_spans_instruction.
import type { BufferedPage } from '../../mem/buffered-page.ts';
import type { IoreqSlot } from '../../mem/ioreq-page.ts';
import {
  domain_crash,
  vcpu_end_shutdown_deferral,
  vcpu_start_shutdown_deferral,
} from '../common/domain.ts';
import {
  notify_via_xen_event_channel,
  prepare_wait_on_xen_event_channel,
  wait_for_schedule,
} from '../common/event_channel.ts';
import type { domain, vcpu } from '../common/sched.ts';
import {
  HVM_IOREQSRV_BUFIOREQ_ATOMIC,
  XEN_DMOP_IO_RANGE_MEMORY,
  XEN_DMOP_IO_RANGE_PCI,
  XEN_DMOP_IO_RANGE_PORT,
} from '../public/hvm_dm_op.ts';
import {
  BUFIOREQ_ADDR_MAX,
  copyIoreq,
  IOREQ_BUFFER_SLOT_NUM,
  IOREQ_TYPE_COPY,
  IOREQ_TYPE_INVALIDATE,
  IOREQ_TYPE_PCI_CONFIG,
  IOREQ_TYPE_PIO,
  IOREQ_TYPE_TIMEOFFSET,
  IOREQ_WRITE,
  type ioreq_t,
  newIoreq,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../public/hvm_ioreq.ts';
import { hvm_mmio_first_byte, hvm_mmio_last_byte } from './io_handler.ts';
import { hvm_ioreq_needs_completion, type hvm_ioreq_server, type hvm_ioreq_vcpu } from './state.ts';
import {
  X86EMUL_OKAY,
  X86EMUL_RETRY,
  X86EMUL_UNHANDLEABLE,
  type x86emul_rc,
} from './x86_emulate.ts';

const TWO_32 = 2 ** 32;

/** The slot of `v` in the page of `s`, or null while the server has none. */
export function get_ioreq(s: hvm_ioreq_server, v: vcpu): IoreqSlot | null {
  return s.ioreq.va === null ? null : s.ioreq.va.slot(v.vcpu_id);
}

/** The server, newest first, at which a request of `v` is outstanding; null for none. */
export function get_pending_server(v: vcpu): hvm_ioreq_server | null {
  const servers = v.domain.arch.hvm.ioreq_server;
  for (let id = servers.length - 1; id >= 0; id--) {
    const s = servers[id];
    if (s === null || s === undefined) continue;
    const sv = s.sv[v.vcpu_id];
    if (sv?.pending) return s;
  }
  return null;
}

export function hvm_io_pending(v: vcpu): boolean {
  return get_pending_server(v) !== null;
}

/** Ports 0xcfc-0xcff while a configuration address is latched. */
function is_pci_config_cycle(d: domain, p: ioreq_t): boolean {
  return (
    p.type === IOREQ_TYPE_PIO &&
    p.addr >= 0xcfc &&
    p.addr <= 0xcff &&
    (d.arch.hvm.pci_cf8 & 0x80000000) !== 0
  );
}

/** Segment:bus:device.function in the high half, register in the low, as PCI ranges are keyed. */
function pci_config_address(d: domain, p: ioreq_t): number {
  const { pci_cf8, cpuid } = d.arch.hvm;
  let register = (pci_cf8 & 0xfc) | (p.addr & 3);
  const high = (pci_cf8 & 0x0f000000) >>> 16;
  if (
    high !== 0 &&
    cpuid.amd &&
    cpuid.family >= 0x10 &&
    cpuid.family < 0x17 &&
    d.host.nb_cfg_cf8_ext(d)
  ) {
    register |= high;
  }
  return ((pci_cf8 >>> 8) & 0xffff) * TWO_32 + register;
}

/**
 * The enabled server whose ranges hold the request, newest first; null for none.
 * Turns `p` into a PCI_CONFIG request when a configuration range matched.
 */
export function hvm_select_ioreq_server(d: domain, p: ioreq_t): hvm_ioreq_server | null {
  if (p.type !== IOREQ_TYPE_COPY && p.type !== IOREQ_TYPE_PIO) return null;
  let type: 0 | 1 | 2;
  let first: number;
  let last: number;
  if (is_pci_config_cycle(d, p)) {
    type = XEN_DMOP_IO_RANGE_PCI;
    first = last = pci_config_address(d, p);
  } else if (p.type === IOREQ_TYPE_PIO) {
    type = XEN_DMOP_IO_RANGE_PORT;
    first = p.addr;
    last = p.addr + p.size - 1;
  } else {
    type = XEN_DMOP_IO_RANGE_MEMORY;
    const upward = d.host.revision.routing_ignores_direction;
    first = upward ? p.addr : hvm_mmio_first_byte(p);
    last = upward ? p.addr + p.size * p.count - 1 : hvm_mmio_last_byte(p);
  }
  const servers = d.arch.hvm.ioreq_server;
  for (let id = servers.length - 1; id >= 0; id--) {
    const s = servers[id];
    if (s === null || s === undefined || !s.enabled) continue;
    if (type === XEN_DMOP_IO_RANGE_PCI) {
      if (!s.range[type].contains_singleton(Math.floor(first / TWO_32))) continue;
      p.type = IOREQ_TYPE_PCI_CONFIG;
      p.addr = first;
      return s;
    }
    if (first > last) d.host.trace.assert_failed('rangeset_contains_range');
    if (s.range[type].contains_range(first, last)) return s;
  }
  return null;
}

/** Puts `p` into the ring of `s`: no answer, no deferral, no waiting. */
export function hvm_send_buffered_ioreq(curr: vcpu, s: hvm_ioreq_server, p: ioreq_t): x86emul_rc {
  const { points } = curr.domain.host;
  const pg = s.bufioreq.va;
  if (pg === null) return X86EMUL_UNHANDLEABLE;

  // What an entry cannot hold is dropped without a word. Upstream refuses it since 2024.
  if (p.addr > BUFIOREQ_ADDR_MAX || p.data_is_ptr || p.count !== 1) {
    return curr.domain.host.revision.unbufferable_refused ? X86EMUL_UNHANDLEABLE : X86EMUL_OKAY;
  }

  let code: number;
  if (p.size === 1) code = 0;
  else if (p.size === 2) code = 1;
  else if (p.size === 4) code = 2;
  else if (p.size === 8) code = 3;
  else return X86EMUL_UNHANDLEABLE;
  const quad = code === 3 ? 1 : 0;

  s.bufioreq_lock.lock();
  const rc = put_buffered(curr, s, pg, p, code, quad);
  s.bufioreq_lock.unlock();
  if (rc !== X86EMUL_OKAY) return rc;

  notify_via_xen_event_channel(curr.domain, s.bufioreq_evtchn);
  points.hit('buf_notify', curr);
  return X86EMUL_OKAY;
}

/** Under the lock: the entry, then the pointer. */
function put_buffered(
  curr: vcpu,
  s: hvm_ioreq_server,
  pg: BufferedPage,
  p: ioreq_t,
  code: number,
  quad: 0 | 1,
): x86emul_rc {
  const write_pointer = pg.write_pointer();
  if ((write_pointer - pg.read_pointer()) >>> 0 >= IOREQ_BUFFER_SLOT_NUM - quad) {
    return X86EMUL_UNHANDLEABLE;
  }
  pg.writeEntry(write_pointer, p.type, p.dir, code, p.addr, p.data);
  if (quad) pg.writeEntry(write_pointer + 1, p.type, p.dir, code, p.addr, p.data_hi);
  curr.domain.host.points.hit('buf_filled', curr);

  // Entries before the pointer: the reader trusts what lies below it.
  pg.setWritePointer(pg.write_pointer() + 1 + quad);

  // Only in this mode does the reader know that both pointers may be taken back together.
  for (
    let tries = 0;
    s.bufioreq_handling === HVM_IOREQSRV_BUFIOREQ_ATOMIC &&
    tries < IOREQ_BUFFER_SLOT_NUM &&
    pg.read_pointer() >= IOREQ_BUFFER_SLOT_NUM;
    tries++
  ) {
    pg.canonicalise();
  }
  return X86EMUL_OKAY;
}

/**
 * Sends `proto_p` to `s`.
 * @returns RETRY: sent and to be waited for, or refused by a shutdown (then `suspended` is set);
 *   UNHANDLEABLE: the slot is unusable. Buffered: OKAY or UNHANDLEABLE.
 */
export function hvm_send_ioreq(
  curr: vcpu,
  s: hvm_ioreq_server,
  proto_p: ioreq_t,
  buffered: boolean,
): x86emul_rc {
  if (buffered) return hvm_send_buffered_ioreq(curr, s, proto_p);
  const d = curr.domain;
  const { points, trace } = d.host;

  const granted = vcpu_start_shutdown_deferral(curr);
  trace.start_deferral(curr, granted);
  points.hit('defer_done', curr);
  if (!granted) {
    curr.arch.hvm.hvm_io.suspended = true;
    return d.host.revision.refused_send_is_okay ? X86EMUL_OKAY : X86EMUL_RETRY;
  }

  const sv = s.sv[curr.vcpu_id];
  if (sv === undefined) return X86EMUL_UNHANDLEABLE;
  const slot = get_ioreq(s, curr);
  if (slot === null) return X86EMUL_UNHANDLEABLE;
  const port = sv.ioreq_evtchn;
  if (slot.state() !== STATE_IOREQ_NONE || slot.vp_eport() !== port) return X86EMUL_UNHANDLEABLE;

  proto_p.state = STATE_IOREQ_NONE;
  proto_p.vp_eport = port;
  slot.write(proto_p);

  prepare_wait_on_xen_event_channel(curr);
  points.hit('send_filled', curr);

  // Blocked and filled before READY: the answer may come at once, from another thread.
  slot.setState(STATE_IOREQ_READY);
  notify_via_xen_event_channel(d, port);
  points.hit('send_notify', curr);

  sv.pending = true;
  return X86EMUL_RETRY;
}

/** `hvm_wait_for_io`: the response is in. */
export const WAIT_DONE = 0;
/** The device model broke the protocol; the domain is crashed. */
export const WAIT_BAD = 1;
/** The vCPU left its CPU and starts again at hvm_do_resume. */
export const WAIT_DESCHEDULED = 2;

/** Waits for the response to the request in `slot` and latches its data. */
export function hvm_wait_for_io(
  sv: hvm_ioreq_vcpu,
  slot: IoreqSlot | null,
  serverId: number,
): 0 | 1 | 2 {
  const v = sv.vcpu;
  const { points, trace } = v.domain.host;
  let prev_state = STATE_IOREQ_NONE;
  // One sample per decision: another thread may be writing.
  let state = slot === null ? STATE_IOREQ_NONE : slot.state();
  let data = 0xffffffff;
  let data_hi = 0xffffffff;

  while (slot !== null && state !== STATE_IOREQ_NONE) {
    if (state < prev_state || state > STATE_IORESP_READY) {
      sv.pending = false;
      domain_crash(v.domain, `weird ioreq state transition ${prev_state} -> ${state}`);
      return WAIT_BAD;
    }
    prev_state = state;
    if (state === STATE_IORESP_READY) {
      slot.setState(STATE_IOREQ_NONE);
      data = slot.data();
      data_hi = slot.data_hi();
      break;
    }
    // READY or INPROCESS: wait until it changes.
    state = slot.state();
    if (state !== prev_state) continue;
    v.blocked_in_xen = true;
    points.hit('wait_flagged', v);
    // Blocked first, then the test again: a signal in between is not lost.
    state = slot.state();
    if (state !== prev_state) {
      v.blocked_in_xen = false;
      continue;
    }
    if (!wait_for_schedule(v)) return WAIT_DESCHEDULED;
  }

  const { io_req } = v.arch.hvm.hvm_io;
  if (hvm_ioreq_needs_completion(io_req)) {
    io_req.data = data;
    io_req.data_hi = data_hi;
  }
  sv.pending = false;
  trace.response(v, serverId, io_req);
  return WAIT_DONE;
}

/**
 * Sends `p` to every enabled server, newest first.
 * @returns how many could not take it; a refusal by a shutdown is not counted
 */
export function hvm_broadcast_ioreq(curr: vcpu, p: ioreq_t, buffered: boolean): number {
  const servers = curr.domain.arch.hvm.ioreq_server;
  const vio = curr.arch.hvm.hvm_io;
  const repeat = curr.domain.host.revision.refused_broadcast_repeated && !buffered;
  let failed = 0;
  for (let id = servers.length - 1; id >= 0; id--) {
    const s = servers[id];
    if (s === null || s === undefined || !s.enabled) continue;
    if (repeat) vio.suspended = false;
    const rc = hvm_send_ioreq(curr, s, p, buffered);
    if (rc === X86EMUL_UNHANDLEABLE) failed++;
    else if (repeat && vio.suspended) {
      copyIoreq(vio.broadcast_req, p);
      vio.broadcast_refused |= 1 << id;
    }
  }
  return failed;
}

/**
 * Sends a broadcast that a shutdown had refused to the servers that did not get it.
 * @returns whether anything was sent, and so must be waited for
 */
export function hvm_repeat_refused_broadcast(curr: vcpu): boolean {
  const vio = curr.arch.hvm.hvm_io;
  const refused = vio.broadcast_refused;
  if (refused === 0 || curr.domain.is_shutting_down) return false;
  vio.broadcast_refused = 0;
  const servers = curr.domain.arch.hvm.ioreq_server;
  for (let id = servers.length - 1; id >= 0; id--) {
    const s = servers[id];
    if (!((refused >>> id) & 1) || s === null || s === undefined || !s.enabled) continue;
    vio.suspended = false;
    hvm_send_ioreq(curr, s, vio.broadcast_req, false);
    if (vio.suspended) vio.broadcast_refused |= 1 << id;
  }
  return hvm_io_pending(curr);
}

/** Tells every device model by how many seconds the guest moved its clock; nothing for 0. */
export function send_timeoffset_req(curr: vcpu, low: number, high: number): void {
  if (low === 0 && high === 0) return;
  const p = newIoreq();
  p.type = IOREQ_TYPE_TIMEOFFSET;
  p.size = 8;
  p.count = 1;
  p.dir = IOREQ_WRITE;
  p.data = low >>> 0;
  p.data_hi = high >>> 0;
  p.state = STATE_IOREQ_READY;
  hvm_broadcast_ioreq(curr, p, true);
}

/** Makes every device model drop what it has mapped of the guest. */
export function send_invalidate_req(curr: vcpu): void {
  const p = newIoreq();
  p.type = IOREQ_TYPE_INVALIDATE;
  p.size = 4;
  p.dir = IOREQ_WRITE;
  p.data = 0xffffffff;
  p.data_hi = 0xffffffff;
  hvm_broadcast_ioreq(curr, p, false);
}

/**
 * The instruction that `curr` was executing is over, or will be run again from its start: a deferral
 * kept for its sake ends. Call after RIP is final.
 * @returns whether a deferral ended; false while an answer is outstanding, and in Xen's revisions
 */
export function io_instruction_done(curr: vcpu): boolean {
  if (!curr.defer_shutdown || !curr.domain.host.revision.deferral_spans_instruction) return false;
  if (hvm_io_pending(curr)) return false;
  vcpu_end_shutdown_deferral(curr);
  return true;
}
