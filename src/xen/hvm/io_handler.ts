// SPDX-License-Identifier: GPL-2.0-only
// The table of handlers inside the monitor: registering, matching, moving.
// Behaviour of Xen 4.14.5 xen/arch/x86/hvm/intercept.c (first half).
// Differences: handlers are closures over their own state; `complete` hooks as there.
import { domain_crash } from '../common/domain.ts';
import type { domain, vcpu } from '../common/sched.ts';
import { NR_IO_HANDLERS } from '../public/hvm_dm_op.ts';
import {
  IOREQ_READ,
  IOREQ_TYPE_COPY,
  IOREQ_TYPE_PIO,
  type ioreq_dir,
  type ioreq_t,
  newIoreq,
} from '../public/hvm_ioreq.ts';
import type { hvm_io_handler, hvm_io_ops, hvm_portio, io_data } from './state.ts';
import type { x86emul_rc } from './x86_emulate.ts';

const TWO_64 = 2 ** 64;

/** Lowest address of a memory request; wraps at 2^64. */
export function hvm_mmio_first_byte(p: ioreq_t): number {
  if (!p.df) return p.addr;
  const first = p.addr - (p.count - 1) * p.size;
  return first < 0 ? first + TWO_64 : first;
}

/** Highest address of a memory request. */
export function hvm_mmio_last_byte(p: ioreq_t): number {
  return p.df ? p.addr + p.size - 1 : p.addr + p.count * p.size - 1;
}

/** Adds a handler at the end of the table; the first that finds it full crashes the domain. */
export function hvm_next_io_handler(
  d: domain,
  handler: hvm_io_handler,
  portio: hvm_portio | null = null,
): void {
  const { io_handler, portio: ports } = d.arch.hvm;
  const nth = d.arch.hvm.io_handler_count++;
  if (nth >= NR_IO_HANDLERS) {
    // Xen notices the first one too many only, and writes later ones behind its table.
    if (nth === NR_IO_HANDLERS) domain_crash(d, `more than ${NR_IO_HANDLERS} I/O handlers`);
    return;
  }
  d.arch.hvm.routing++;
  io_handler.push(handler);
  ports.push(portio);
}

/** One port access of a handler inside the monitor: `val.data` in for writes, out for reads. */
export type portio_action_t = (
  curr: vcpu,
  dir: ioreq_dir,
  port: number,
  size: number,
  val: io_data,
) => x86emul_rc;

/** Serves `size` ports from `port`; an access reaching beyond them is not the handler's. */
export function register_portio_handler(
  d: domain,
  port: number,
  size: number,
  action: portio_action_t,
): void {
  const range: hvm_portio = { port, size };
  const val: io_data = { data: 0, data_hi: 0 };
  const ops: hvm_io_ops = {
    accept: (_curr, p) => p.addr >= range.port && p.addr + p.size <= range.port + range.size,
    read: (curr, addr, bytes, data) => {
      val.data = 0xffffffff;
      const rc = action(curr, IOREQ_READ, addr, bytes, val);
      data.data = val.data >>> 0;
      data.data_hi = 0;
      return rc;
    },
    write: (curr, addr, bytes, data) => {
      val.data = data.data;
      return action(curr, 0, addr, bytes, val);
    },
    complete: null,
  };
  hvm_next_io_handler(d, { type: IOREQ_TYPE_PIO, ops }, range);
}

/**
 * Moves the first port handler at `old_port`; with a size of 0 none is moved, but all there are emptied.
 * @returns whether one was moved
 */
export function relocate_portio_handler(
  d: domain,
  old_port: number,
  new_port: number,
  size: number,
): boolean {
  for (const range of d.arch.hvm.portio) {
    if (range === null || range.port !== old_port) continue;
    d.arch.hvm.routing++;
    // Xen assigns where it means to compare: the size is taken over, and the handler found unless it is 0.
    range.size = size;
    if (size === 0) continue;
    range.port = new_port;
    return true;
  }
  return false;
}

/** Memory-mapped registers inside the monitor. */
export interface hvm_mmio_ops {
  check(curr: vcpu, addr: number): boolean;
  read(curr: vcpu, addr: number, size: number, data: io_data): x86emul_rc;
  write(curr: vcpu, addr: number, size: number, data: io_data): x86emul_rc;
}

/** Adds a memory handler; an access it accepts only in part crashes the domain. */
export function register_mmio_handler(d: domain, ops: hvm_mmio_ops): void {
  hvm_next_io_handler(d, {
    type: IOREQ_TYPE_COPY,
    ops: {
      accept: (curr, p) => {
        const first = hvm_mmio_first_byte(p);
        if (!ops.check(curr, first)) return false;
        const last = hvm_mmio_last_byte(p);
        if (last !== first && !ops.check(curr, last)) {
          domain_crash(
            curr.domain,
            `access to 0x${p.addr.toString(16)} leaves its handler's range`,
          );
        }
        return true;
      },
      read: (curr, addr, size, data) => ops.read(curr, addr, size, data),
      write: (curr, addr, size, data) => ops.write(curr, addr, size, data),
      complete: null,
    },
  });
}

/** The first registered handler that takes the request, or null. */
export function hvm_find_io_handler(curr: vcpu, p: ioreq_t): hvm_io_handler | null {
  const handlers = curr.domain.arch.hvm.io_handler;
  for (let i = 0; i < handlers.length; i++) {
    const handler = handlers[i];
    if (handler !== undefined && handler.type === p.type && handler.ops.accept(curr, p)) {
      return handler;
    }
  }
  return null;
}

const probe: ioreq_t = newIoreq();

/** Whether a handler inside the monitor claims the byte at `gpa`. Its `complete` hook runs. */
export function hvm_mmio_internal(curr: vcpu, gpa: number): boolean {
  probe.type = IOREQ_TYPE_COPY;
  probe.addr = gpa;
  probe.count = 1;
  probe.size = 1;
  probe.dir = IOREQ_READ;
  const handler = hvm_find_io_handler(curr, probe);
  if (handler === null) return false;
  handler.ops.complete?.(curr);
  return true;
}
