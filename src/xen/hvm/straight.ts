// SPDX-License-Identifier: GPL-2.0-only
// One access through an ioreq server as two straight functions: everything up to the device model, and everything behind
// it. For a vCPU whose device models answer at once on its thread, with nobody at the preemption points: there, what the ordinary way does step by step has the same effects, and what it undoes before anybody can
// look is left out.
// Differences: ours. Who can look is the device model, and what it calls: `straight_send` leaves everything as the
// ordinary way has it when a device is accessed, `straight_complete` as it has it when the guest is entered again. Left
// out are what only the port reads and what each use begins by filling: scratch objects (`p`, `pio_data`, `one_rep`),
// and the emulator's memory of an instruction that it may have to run again.
import type { IoreqSlot } from '../../mem/ioreq-page.ts';
import type { domain, vcpu } from '../common/sched.ts';
import { XEN_DMOP_IO_RANGE_MEMORY, XEN_DMOP_IO_RANGE_PORT } from '../public/hvm_dm_op.ts';
import {
  IOREQ_READ,
  IOREQ_TYPE_COPY,
  IOREQ_TYPE_PIO,
  IOREQ_WRITE,
  type ioreq_dir,
  newIoreq,
  STATE_IOREQ_INPROCESS,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
} from '../public/hvm_ioreq.ts';
import { hvmemul_find_mmio_cache } from './emulate_mmio.ts';
import { hvmemul_cache_enable } from './guest_copy.ts';
import { hvm_select_ioreq_server } from './ioreq.ts';
import { p2m_mmio_dm } from './p2m.ts';
import { REVISIONS } from './revision.ts';
import {
  HVMIO_mmio_completion,
  HVMIO_no_completion,
  HVMIO_pio_completion,
  type hvm_ioreq_server,
  type hvm_ioreq_vcpu,
} from './state.ts';
import { INSN_MEM_ACCESS } from './x86_emulate.ts';

const PAGE = 4096;
/** Configuration cycles depend on what was written to the first of these. */
const PCI_FIRST = 0xcf8;
const PCI_LAST = 0xcff;

/** Whether the ordinary way is known to have the effects written down here. Checked once. */
export function straight_possible(v: vcpu): boolean {
  const { host, arch } = v.domain;
  return host.revision === REVISIONS.exact && !arch.hvm.has_vpci;
}

/** Whether `v`, about to enter the guest, is in no state out of the ordinary. */
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

/** Whether the server of [first, last] is the same for any access inside. */
function undivided(d: domain, s: hvm_ioreq_server, type: number, first: number, last: number) {
  const { io_handler, portio, ioreq_server, p2m } = d.arch.hvm;
  const isPort = type === IOREQ_TYPE_PIO;
  if (isPort && first <= PCI_LAST && last >= PCI_FIRST) return false;
  if (
    !isPort &&
    (last - (first % PAGE) >= first - (first % PAGE) + PAGE || p2m.type_at(first) !== p2m_mmio_dm)
  ) {
    return false;
  }
  for (let i = 0; i < io_handler.length; i++) {
    if (io_handler[i]?.type !== type) continue;
    const range = portio[i];
    // A handler that looks at more than the port may decide otherwise next time.
    if (range === null || range === undefined) return false;
    if (first < range.port + range.size && last >= range.port) return false;
  }
  const kind = isPort ? XEN_DMOP_IO_RANGE_PORT : XEN_DMOP_IO_RANGE_MEMORY;
  for (const other of ioreq_server) {
    if (other === null || other === undefined || other === s) continue;
    if (other.enabled && other.range[kind].overlaps_range(first, last)) return false;
  }
  return s.range[kind].contains_range(first, last);
}

const probe = newIoreq();

/**
 * The server that every access within [first, last] goes to until `routing` moves; null: as the ordinary way finds out.
 * Memory: within one page.
 */
export function straight_server(
  v: vcpu,
  isPort: boolean,
  first: number,
  last: number,
): hvm_ioreq_server | null {
  const type = isPort ? IOREQ_TYPE_PIO : IOREQ_TYPE_COPY;
  probe.type = type;
  probe.addr = first;
  probe.size = last - first + 1;
  probe.count = 1;
  probe.df = false;
  const s = hvm_select_ioreq_server(v.domain, probe);
  return s !== null && undivided(v.domain, s, type, first, last) ? s : null;
}

/**
 * handle_pio or handle_mmio to the moment at which the device model has taken the request; RIP is the caller's.
 * @param data - of a write, cut to its width of at most 4 bytes; of a read 0
 */
export function straight_send(
  v: vcpu,
  sv: hvm_ioreq_vcpu,
  slot: IoreqSlot,
  isPort: boolean,
  addr: number,
  size: number,
  dir: ioreq_dir,
  data: number,
): void {
  slot.fillOne(
    isPort ? IOREQ_TYPE_PIO : IOREQ_TYPE_COPY,
    addr,
    size,
    dir,
    data,
    STATE_IOREQ_INPROCESS,
  );
  straight_latch(v, sv, isPort, addr, size, dir, data);
}

/**
 * A REP INS or OUTS from its exit to the moment at which the device model has taken the request, but for the registers,
 * which are the caller's. `count` elements upwards at `gpa`, all of the instruction: no completion is to come, so what the
 * emulator remembers of it is forgotten.
 */
export function straight_send_string(
  v: vcpu,
  sv: hvm_ioreq_vcpu,
  slot: IoreqSlot,
  port: number,
  size: number,
  count: number,
  dir: ioreq_dir,
  gpa: number,
): void {
  const { hvm_io: vio } = v.arch.hvm;
  const { io_req, mmio_access } = vio;
  slot.fillRun(port, size, count, dir, gpa, STATE_IOREQ_INPROCESS);
  straight_latch(v, sv, true, port, size, dir, gpa);
  io_req.count = count;
  io_req.data_is_ptr = true;
  vio.io_completion = HVMIO_no_completion;
  vio.mmio_retry = false;
  vio.mmio_cache_count = 0;
  vio.mmio_insn_bytes = 0;
  vio.cache_enabled = false;
  mmio_access.gla_valid = false;
  mmio_access.read_access = false;
  mmio_access.write_access = false;
}

/** What a vCPU and its request are while the device model has it. */
export function straight_latch(
  v: vcpu,
  sv: hvm_ioreq_vcpu,
  isPort: boolean,
  addr: number,
  size: number,
  dir: ioreq_dir,
  data: number,
): void {
  const { hvm_io: vio } = v.arch.hvm;
  const { io_req } = vio;
  io_req.type = isPort ? IOREQ_TYPE_PIO : IOREQ_TYPE_COPY;
  io_req.addr = addr;
  io_req.size = size;
  io_req.count = 1;
  io_req.dir = dir;
  io_req.df = false;
  io_req.data_is_ptr = false;
  io_req.data = data;
  io_req.data_hi = 0;
  io_req.state = STATE_IOREQ_READY;
  io_req.vp_eport = 0;
  vio.suspended = false;
  if (!isPort) vio.io_completion = HVMIO_mmio_completion;
  else vio.io_completion = dir === IOREQ_READ ? HVMIO_pio_completion : HVMIO_no_completion;
  sv.pending = true;
  v.defer_shutdown = true;
  v.blocked_in_xen = true;
  v.sched_pending = true;
  v.in_guest = false;
  v.is_running = false;
}

/**
 * From the device model's answer to the guest's entry, but for what the instruction does with it, which is the caller's.
 * Call when the slot is as it was sent and `stirs` of the domain has not changed. While nobody else can look, further
 * accesses of the same server may be sent before it.
 * @param data - of a read, cut to its width
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
  vio.io_completion = HVMIO_no_completion;
  if (dir === IOREQ_READ) {
    io_req.data = data;
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

/**
 * After `straight_send` of a memory access: what the emulator remembers of an instruction whose answer is to come, for
 * going on in the ordinary way. The CPU host's instruction has begun.
 */
export function straight_mmio_as_ordinary(v: vcpu, gla: number, gpa: number, dir: ioreq_dir): void {
  const { hvm_io: vio, insn, cpu } = v.arch.hvm;
  if (!vio.cache_enabled) hvmemul_cache_enable(vio);
  vio.mmio_access.gla_valid = true;
  vio.mmio_access.read_access = dir === IOREQ_READ;
  vio.mmio_access.write_access = dir === IOREQ_WRITE;
  vio.mmio_gla = gla - (gla % PAGE);
  vio.mmio_gpfn = Math.floor(gpa / PAGE);
  vio.mmio_retry = false;
  vio.mmio_insn_bytes = 16;
  v.arch.hvm.insn_class = INSN_MEM_ACCESS;
  insn.list[0] ??= { is_pio: false, dir, gla, gpa, size: 0, data: 0, data_hi: 0 };
  cpu?.string_op();
  cpu?.advance(insn.list, 0);
  insn.count = 1;
  hvmemul_find_mmio_cache(v, gla, dir, true);
}
