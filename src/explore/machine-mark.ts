// SPDX-License-Identifier: GPL-2.0-only
// A saved place of a machine: all that a run changes in it. Guest memory is saved as what differs from the start.
import type { MachineCpu } from '../cpu/machine-cpu.ts';
import type { ServerState } from '../dm/server.ts';
import type { Witness } from '../ledger/events.ts';
import type { domain, vcpu } from '../xen/common/sched.ts';
import { hvmemul_cancel } from '../xen/hvm/emulate_insn.ts';
import { HVMIO_no_completion } from '../xen/hvm/state.ts';
import { copyIoreq, newIoreq, STATE_IOREQ_NONE } from '../xen/public/hvm_ioreq.ts';
import { SHUTDOWN_CODE_INVALID } from '../xen/public/sched.ts';

/** One CPU between two instructions. */
export interface CpuMark {
  state: Uint8Array;
  /** What the last IN got: the port reads it as EAX until the next answer. */
  answer: number;
  charged: number;
  irq: number;
  injected: MachineCpu['injected'];
}

/** What the port keeps of a vCPU that has no access in hand. */
export class VcpuMark {
  readonly #io_req = newIoreq();
  readonly #access = { gla_valid: false, read_access: false, write_access: false };
  #suspended = false;
  #mmio_gla = 0;
  #mmio_gpfn = 0;
  #defer_shutdown = false;
  #paused_for_shutdown = false;
  #pause_count = 0;
  #blocked_in_xen = false;
  #sched_pending = false;
  #in_guest = false;
  #is_running = false;
  #descheduled = false;

  /** Of a vCPU for which `isStill()`. */
  save(v: vcpu): void {
    const vio = v.arch.hvm.hvm_io;
    copyIoreq(this.#io_req, vio.io_req);
    copyAccess(this.#access, vio.mmio_access);
    this.#suspended = vio.suspended;
    this.#mmio_gla = vio.mmio_gla;
    this.#mmio_gpfn = vio.mmio_gpfn;
    this.#defer_shutdown = v.defer_shutdown;
    this.#paused_for_shutdown = v.paused_for_shutdown;
    this.#pause_count = v.pause_count;
    this.#blocked_in_xen = v.blocked_in_xen;
    this.#sched_pending = v.sched_pending;
    this.#in_guest = v.in_guest;
    this.#is_running = v.is_running;
    this.#descheduled = v.descheduled;
  }

  restore(v: vcpu): void {
    hvmemul_cancel(v);
    const vio = v.arch.hvm.hvm_io;
    copyIoreq(vio.io_req, this.#io_req);
    copyAccess(vio.mmio_access, this.#access);
    vio.suspended = this.#suspended;
    vio.mmio_gla = this.#mmio_gla;
    vio.mmio_gpfn = this.#mmio_gpfn;
    vio.broadcast_refused = 0;
    v.defer_shutdown = this.#defer_shutdown;
    v.paused_for_shutdown = this.#paused_for_shutdown;
    v.pause_count = this.#pause_count;
    v.blocked_in_xen = this.#blocked_in_xen;
    v.sched_pending = this.#sched_pending;
    v.in_guest = this.#in_guest;
    v.is_running = this.#is_running;
    v.descheduled = this.#descheduled;
  }
}

type AccessKind = vcpu['arch']['hvm']['hvm_io']['mmio_access'];

function copyAccess(to: AccessKind, from: AccessKind): void {
  to.gla_valid = from.gla_valid;
  to.read_access = from.read_access;
  to.write_access = from.write_access;
}

/** Whether the port has nothing of the vCPU in hand: no access, no instruction, no repetition to come. */
export function isStill(v: vcpu): boolean {
  const { hvm_io: vio, insn } = v.arch.hvm;
  return (
    vio.io_req.state === STATE_IOREQ_NONE &&
    vio.io_completion === HVMIO_no_completion &&
    insn.count === 0 &&
    !vio.mmio_retry &&
    !vio.cache_enabled &&
    vio.mmio_cache_count === 0 &&
    vio.cache_count === 0 &&
    vio.mmio_insn_bytes === 0 &&
    vio.broadcast_refused === 0
  );
}

/** As a domain and its vCPUs are before the first schedule: nothing in hand, nobody paused. */
export function toRest(d: domain): void {
  d.is_shutting_down = false;
  d.is_shut_down = false;
  d.shutdown_code = SHUTDOWN_CODE_INVALID;
  d.pause_count = 0;
  d.crashed = null;
  const rest = new VcpuMark();
  for (const v of d.vcpu) rest.restore(v);
}

/** The whole machine. Filled and used by `Rewinder`; taken again, it uses its arrays again. */
export class MachineMark {
  readonly cpus: CpuMark[] = [];
  readonly vcpus: VcpuMark[] = [];
  /** Numbers and states of the device models, by server. */
  readonly servers: { version: number; state: ServerState }[] = [];
  readonly asleep: boolean[] = [];
  /** By server: the slots of its shared page. */
  readonly slots: Uint8Array[] = [];
  readonly counts: Witness[] = [];
  /** Memory: offsets of the pages that differ from the start, and what they hold; entries beyond are spare. */
  readonly offsets: number[] = [];
  readonly pages: Int32Array[] = [];
  interrupts = 0;
  timer = 0;
  pciCf8 = 0;
  pageIsRam = false;
  is_shutting_down = false;
  is_shut_down = false;
  shutdown_code: number = SHUTDOWN_CODE_INVALID;
  pause_count = 0;
}
