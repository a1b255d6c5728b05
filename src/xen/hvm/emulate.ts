// SPDX-License-Identifier: GPL-2.0-only
// One device access of a vCPU: latch, intercept, send, and take the answer in the second pass.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/emulate.c (hvmemul_do_io and its wrappers).
// Differences: a buffer is a caller-owned 64-bit value; page references are not counted; switches
// io_suspended_flag and deferral_spans_instruction.
import { BugError } from '../../util/errors.ts';
import { domain_crash, vcpu_start_shutdown_deferral } from '../common/domain.ts';
import type { vcpu } from '../common/sched.ts';
import {
  copyIoreq,
  IOREQ_READ,
  IOREQ_TYPE_COPY,
  IOREQ_TYPE_PIO,
  IOREQ_WRITE,
  type ioreq_dir,
  type ioreq_t,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../public/hvm_ioreq.ts';
import { HVMTRANS_okay, hvm_copy_from_guest_phys } from './guest_copy.ts';
import {
  bytesToValue,
  gpaToValue,
  hvm_io_intercept,
  hvm_process_io_intercept,
} from './intercept.ts';
import { hvm_select_ioreq_server, hvm_send_ioreq } from './ioreq.ts';
import { p2m_ioreq_server, p2m_mmio_direct, p2m_ram_paged } from './p2m.ts';
import {
  type hvm_io_handler,
  hvm_ioreq_needs_completion,
  type hvm_ioreq_server,
  type io_data,
  type reps_t,
} from './state.ts';
import {
  X86EMUL_OKAY,
  X86EMUL_RETRY,
  X86EMUL_UNHANDLEABLE,
  type x86emul_rc,
} from './x86_emulate.ts';

const PAGE = 4096;

/** An access nobody claims: reads give all ones, writes vanish. */
const null_handler: hvm_io_handler = {
  type: IOREQ_TYPE_PIO,
  ops: {
    accept: () => true,
    read: (_curr, _addr, _size, data) => {
      data.data = 0xffffffff;
      data.data_hi = 0xffffffff;
      return X86EMUL_OKAY;
    },
    write: () => X86EMUL_OKAY,
    complete: null,
  },
};

/** The read half of a read-modify-write on a p2m_ioreq_server frame: from its RAM. */
const ioreq_server_handler: hvm_io_handler = {
  type: IOREQ_TYPE_COPY,
  ops: {
    accept: () => true,
    read: (curr, addr, size, data) => {
      const { bytes } = curr.arch.hvm;
      if (hvm_copy_from_guest_phys(curr, bytes, 0, addr, size) !== HVMTRANS_okay) {
        return X86EMUL_UNHANDLEABLE;
      }
      bytesToValue(bytes, data, size);
      return X86EMUL_OKAY;
    },
    write: () => X86EMUL_UNHANDLEABLE,
    complete: null,
  },
};

/**
 * Whether the access just tried counts as not done. Before the fix any shutdown that was requested
 * by now said so, sent or not.
 */
export function io_was_suspended(curr: vcpu): boolean {
  const d = curr.domain;
  return d.host.revision.io_suspended_flag ? curr.arch.hvm.hvm_io.suspended : d.is_shutting_down;
}

/** The answer in `p` becomes the low `size` bytes of the caller's value. */
function finish_access(
  p: ioreq_t,
  dir: ioreq_dir,
  size: number,
  data_is_addr: boolean,
  data: io_data,
): x86emul_rc {
  if (dir === IOREQ_READ && !data_is_addr) {
    if (size >= 4) data.data = p.data;
    else {
      const mask = (1 << (8 * size)) - 1;
      data.data = ((data.data & ~mask) | (p.data & mask)) >>> 0;
    }
    if (size === 8) data.data_hi = p.data_hi;
  }
  return X86EMUL_OKAY;
}

/** Cuts a repeated memory request at the end of its page, so that one owner gets all of it. */
function truncate_at_page(p: ioreq_t): void {
  if (p.count <= 1 || p.type !== IOREQ_TYPE_COPY) return;
  const off = p.addr % PAGE;
  const tail = PAGE - off;
  if (tail < p.size) p.count = 1;
  else p.count = Math.min(p.count, Math.floor((p.df ? off + p.size : tail) / p.size));
}

/**
 * One device access, `reps.reps` elements.
 * @param size - bytes per element; anything but 1, 2, 4, 8 is refused
 * @param data_is_addr - `data` is the guest-physical address of the elements, not a value
 * @param data - in for writes, out for reads: the low `size` bytes
 * @returns RETRY: sent, answer to come, call again with the same arguments after the completion; or
 *   not done, run the instruction again. `reps.reps` becomes the number of elements covered.
 */
export function hvmemul_do_io(
  curr: vcpu,
  is_mmio: boolean,
  addr: number,
  reps: reps_t,
  size: number,
  dir: ioreq_dir,
  df: boolean,
  data_is_addr: boolean,
  data: io_data,
): x86emul_rc {
  const { hvm_io: vio, p } = curr.arch.hvm;
  const { host } = curr.domain;
  const type = is_mmio ? IOREQ_TYPE_COPY : IOREQ_TYPE_PIO;

  // Weird sizes: the callers turn this into discarded writes and all-ones reads.
  if (size > 8 || (size & (size - 1)) !== 0) return X86EMUL_UNHANDLEABLE;

  const { io_req } = vio;
  if (io_req.state === STATE_IORESP_READY) {
    io_req.state = STATE_IOREQ_NONE;
    if (
      io_req.type !== type ||
      io_req.addr !== addr ||
      io_req.size !== size ||
      io_req.count > reps.reps ||
      io_req.dir !== dir ||
      io_req.df !== df ||
      io_req.data_is_ptr !== data_is_addr
    ) {
      domain_crash(curr.domain, 'an I/O emulation was re-issued differently');
    }
    if (data_is_addr) return X86EMUL_UNHANDLEABLE;
    reps.reps = io_req.count;
    return finish_access(io_req, dir, size, data_is_addr, data);
  }
  // READY: a request of this very exit is outstanding.
  if (io_req.state !== STATE_IOREQ_NONE) return X86EMUL_UNHANDLEABLE;

  p.type = type;
  p.addr = addr;
  p.size = size;
  p.count = reps.reps;
  p.dir = dir;
  p.df = df;
  p.data_is_ptr = data_is_addr;
  p.state = STATE_IOREQ_READY;
  p.vp_eport = 0;
  if (data_is_addr) {
    p.data = data.data;
    p.data_hi = data.data_hi;
  } else if (dir === IOREQ_READ) {
    p.data = 0;
    p.data_hi = 0;
  } else {
    p.data = size >= 4 ? data.data : data.data & ((1 << (8 * size)) - 1);
    p.data_hi = size === 8 ? data.data_hi : 0;
  }

  truncate_at_page(p);
  if (p.count === 0) host.trace.assert_failed('hvmemul_do_io');

  vio.suspended = false;
  // Ours: whoever acts on the access, inside or outside, acts under the deferral.
  if (host.revision.deferral_spans_instruction && !vcpu_start_shutdown_deferral(curr)) {
    vio.suspended = true;
    host.trace.refused(curr, p);
    return X86EMUL_RETRY;
  }
  copyIoreq(io_req, p);
  host.points.hit('intercept', curr);
  const intercepted = hvm_io_intercept(curr, p);

  // Handlers may have done less than asked for.
  reps.reps = p.count;
  io_req.count = p.count;

  if (intercepted === X86EMUL_OKAY) {
    io_req.state = STATE_IOREQ_NONE;
    host.trace.internal(curr, p, true, X86EMUL_OKAY);
    return finish_access(p, dir, size, data_is_addr, data);
  }
  if (intercepted !== X86EMUL_UNHANDLEABLE) {
    host.trace.bug('hvmemul_do_io');
    throw new BugError(`an internal I/O handler returned ${intercepted} in hvmemul_do_io`);
  }

  const rc = hvmemul_do_external_io(curr, is_mmio, p);
  return rc === X86EMUL_OKAY ? finish_access(p, dir, size, data_is_addr, data) : rc;
}

/** The part of hvmemul_do_io behind the internal handlers: the server of the frame, a server by range, nobody. */
function hvmemul_do_external_io(curr: vcpu, is_mmio: boolean, p: ioreq_t): x86emul_rc {
  const d = curr.domain;
  const { host } = d;
  const { io_req } = curr.arch.hvm.hvm_io;
  let s: hvm_ioreq_server | null = null;

  if (is_mmio && d.arch.hvm.p2m.type_at(p.addr) === p2m_ioreq_server) {
    s = d.arch.hvm.p2m.ioreq_server;
    if (s === null) {
      // The frame's type is about to change back to RAM.
      io_req.state = STATE_IOREQ_NONE;
      return X86EMUL_RETRY;
    }
    if (p.dir === IOREQ_READ) {
      const rc = hvm_process_io_intercept(curr, ioreq_server_handler, p);
      io_req.state = STATE_IOREQ_NONE;
      return rc;
    }
  }

  s ??= hvm_select_ioreq_server(d, p);
  if (s === null) {
    const rc = hvm_process_io_intercept(curr, null_handler, p);
    io_req.state = STATE_IOREQ_NONE;
    host.trace.internal(curr, p, false, rc);
    return rc;
  }

  host.points.hit('send_entry', curr);
  let rc = hvm_send_ioreq(curr, s, p, false);
  host.points.hit('send_return', curr);
  host.trace.send(curr, s.id, p, rc);
  if (rc !== X86EMUL_RETRY || io_was_suspended(curr)) {
    io_req.state = STATE_IOREQ_NONE;
    if (rc === X86EMUL_RETRY && host.revision.refused_write_retires) {
      if (p.dir === IOREQ_WRITE || p.data_is_ptr) return X86EMUL_OKAY;
    }
    if (rc === X86EMUL_RETRY) host.trace.refused(curr, io_req);
  } else if (!hvm_ioreq_needs_completion(io_req)) {
    rc = X86EMUL_OKAY;
  }
  return rc;
}

/** hvmemul_do_io with a value; a refused read gives all ones. */
export function hvmemul_do_io_buffer(
  curr: vcpu,
  is_mmio: boolean,
  addr: number,
  reps: reps_t,
  size: number,
  dir: ioreq_dir,
  df: boolean,
  data: io_data,
): x86emul_rc {
  const rc = hvmemul_do_io(curr, is_mmio, addr, reps, size, dir, df, false, data);
  if (rc === X86EMUL_UNHANDLEABLE && dir === IOREQ_READ) {
    if (size >= 4) data.data = 0xffffffff;
    else data.data = (data.data | ((1 << (8 * size)) - 1)) >>> 0;
    if (size >= 8) data.data_hi = 0xffffffff;
    else if (size > 4) data.data_hi = (data.data_hi | ((1 << (8 * (size - 4))) - 1)) >>> 0;
  }
  return rc;
}

/** One port access. */
export function hvmemul_do_pio_buffer(
  curr: vcpu,
  port: number,
  size: number,
  dir: ioreq_dir,
  data: io_data,
): x86emul_rc {
  const { one_rep } = curr.arch.hvm;
  one_rep.reps = 1;
  return hvmemul_do_io_buffer(curr, false, port, one_rep, size, dir, false, data);
}

/** One memory access, or the same value stored `reps.reps` times. */
export function hvmemul_do_mmio_buffer(
  curr: vcpu,
  mmio_gpa: number,
  reps: reps_t,
  size: number,
  dir: ioreq_dir,
  df: boolean,
  data: io_data,
): x86emul_rc {
  return hvmemul_do_io_buffer(curr, true, mmio_gpa, reps, size, dir, df, data);
}

/** Whether the RAM page of a batch can be had. */
function hvmemul_acquire_page(curr: vcpu, gpa: number): x86emul_rc {
  const { p2m } = curr.domain.arch.hvm;
  const type = p2m.type_at(gpa);
  if (type === p2m_ram_paged) {
    curr.domain.host.trace.paging_populate(curr.domain, Math.floor(gpa / PAGE));
    return X86EMUL_RETRY;
  }
  if (type === p2m_mmio_direct) {
    curr.domain.host.trace.assert_failed('hvmemul_acquire_page');
    return X86EMUL_UNHANDLEABLE;
  }
  return p2m.has_page(gpa) ? X86EMUL_OKAY : X86EMUL_UNHANDLEABLE;
}

/**
 * A batch between a device and guest RAM: one request whose data is an address.
 * `reps.reps` becomes the number of elements that fit the RAM page, and that were covered.
 */
export function hvmemul_do_io_addr(
  curr: vcpu,
  is_mmio: boolean,
  addr: number,
  reps: reps_t,
  size: number,
  dir: ioreq_dir,
  df: boolean,
  ram_gpa: number,
): x86emul_rc {
  const { one_rep: count, data, hvm_io: vio } = curr.arch.hvm;
  const page_off = ram_gpa % PAGE;

  let rc = hvmemul_acquire_page(curr, ram_gpa);
  if (rc !== X86EMUL_OKAY) return rc;

  // Downwards, an element that starts in the page's first byte counts as not fitting.
  const fits = df
    ? Math.floor(((page_off + size - 1) % PAGE) / size)
    : Math.floor((PAGE - page_off) / size);
  count.reps = Math.min(reps.reps, fits);

  if (count.reps === 0) {
    // One element over two pages. They are adjacent: the caller made sure of it.
    rc = hvmemul_acquire_page(curr, df ? ram_gpa - PAGE : ram_gpa + PAGE);
    if (rc !== X86EMUL_OKAY) return rc;
    count.reps = 1;
  }

  gpaToValue(ram_gpa, data);
  rc = hvmemul_do_io(curr, is_mmio, addr, count, size, dir, df, true, data);
  if (rc === X86EMUL_OKAY) vio.mmio_retry = count.reps < reps.reps;
  reps.reps = count.reps;
  return rc;
}

/** Ports to or from RAM. */
export function hvmemul_do_pio_addr(
  curr: vcpu,
  port: number,
  reps: reps_t,
  size: number,
  dir: ioreq_dir,
  df: boolean,
  ram_gpa: number,
): x86emul_rc {
  return hvmemul_do_io_addr(curr, false, port, reps, size, dir, df, ram_gpa);
}

/** Device memory to or from RAM. */
export function hvmemul_do_mmio_addr(
  curr: vcpu,
  mmio_gpa: number,
  reps: reps_t,
  size: number,
  dir: ioreq_dir,
  df: boolean,
  ram_gpa: number,
): x86emul_rc {
  return hvmemul_do_io_addr(curr, true, mmio_gpa, reps, size, dir, df, ram_gpa);
}
