// SPDX-License-Identifier: GPL-2.0-only
// Puts a machine back to a snapshot quickly: the CPU, the words of RAM that differ, devices, and the port's state.
import type { Witness } from '../ledger/events.ts';
import type { Machine } from '../machine/machine.ts';
import type { VcpuParts } from '../machine/vcpu-parts.ts';
import { Snapshot } from '../toolstack/snapshot.ts';
import type { vcpu } from '../xen/common/sched.ts';
import { hvmemul_cancel } from '../xen/hvm/emulate_insn.ts';
import type { hvm_ioreq_server, hvm_ioreq_vcpu } from '../xen/hvm/state.ts';
import { copyIoreq, newIoreq } from '../xen/public/hvm_ioreq.ts';
import { SHUTDOWN_CODE_INVALID } from '../xen/public/sched.ts';

const PAGE = 4096;
const WORDS = PAGE / 8;
const EMPTY = newIoreq();

/** A server of the domain as it is when it is alive. */
interface LiveServer {
  readonly s: hvm_ioreq_server;
  readonly ioreq: hvm_ioreq_server['ioreq']['va'];
  readonly bufioreq: hvm_ioreq_server['bufioreq']['va'];
  readonly list: readonly hvm_ioreq_vcpu[];
}

/** What the CPU of a vCPU above 0 starts from. */
interface OtherCpu {
  readonly parts: VcpuParts;
  readonly state: Uint8Array;
}

/** The state every run starts from. Taken once, with nothing in flight and nobody paused. */
export class StartState {
  readonly #machine: Machine;
  readonly #snapshot: Snapshot;
  readonly #ram: BigUint64Array;
  readonly #saved: BigUint64Array;
  /** Shared pages of each server, as they were. */
  readonly #pages: { page: Uint8Array; saved: Uint8Array }[] = [];
  readonly #counts: { now: Witness; reads: number; writes: number }[];
  /** Pages written in this run, as far as they were collected. */
  readonly #dirty = new Set<number>();
  readonly #others: OtherCpu[];
  readonly #live: LiveServer[] = [];
  #killed = false;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#snapshot = new Snapshot(machine);
    this.#snapshot.capture(machine);
    const { bytes } = machine.ram;
    this.#ram = new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
    const { ram } = this.#snapshot;
    this.#saved = new BigUint64Array(ram.buffer, ram.byteOffset, ram.length / 8);
    for (const s of machine.domain.arch.hvm.ioreq_server) {
      const page = s?.ioreq.va?.bytes.subarray(0, 32 * machine.domain.vcpu.length);
      if (page !== undefined) this.#pages.push({ page, saved: page.slice() });
    }
    this.#others = machine.vcpus.slice(1).map((parts) => ({ parts, state: parts.cpu.save() }));
    for (const { parts } of this.#others) parts.cpu.takeDirty(() => {});
    for (const s of machine.domain.arch.hvm.ioreq_server) {
      if (s === null) continue;
      const list = s.ioreq_vcpu_list.slice();
      this.#live.push({ s, ioreq: s.ioreq.va, bufioreq: s.bufioreq.va, list });
    }
    this.#counts = machine.counts().map((now) => ({ now, reads: now.reads, writes: now.writes }));
  }

  /** Servers are about to be destroyed. */
  keepServers(): void {
    this.#killed = true;
  }

  /** Remembers which pages were written: somebody else is about to take the list. */
  collect(): void {
    for (const { cpu } of this.#machine.vcpus) {
      cpu.takeDirty((offset) => {
        this.#dirty.add(offset);
      });
    }
  }

  /** @param touched - by server: whether its devices may have changed */
  restore(touched: readonly boolean[]): void {
    const machine = this.#machine;
    const snapshot = this.#snapshot;
    const { cpu, domain: d } = machine;
    if (this.#killed) this.#raiseServers();
    for (const { regs, insnCpu } of machine.vcpus) {
      regs.pending = regs.advanced = regs.answered = false;
      regs.answer = 0;
      insnCpu.rollback();
    }
    cpu.restore(snapshot.cpu);
    cpu.charge(snapshot.charged);
    cpu.irq = snapshot.irq;
    cpu.injected = snapshot.injected;
    for (const { parts, state } of this.#others) {
      parts.cpu.restore(state);
      parts.cpu.injected = null;
    }
    this.#restoreRam();
    machine.servers.forEach((server, i) => {
      const state = snapshot.servers[i];
      if (state !== undefined && touched[i] === true) server.restore(state);
      server.forget();
      server.wake();
    });
    for (const { now, reads, writes } of this.#counts) {
      now.reads = reads;
      now.writes = writes;
    }
    machine.interrupts.restore(snapshot.interrupts);
    machine.timer.restore(snapshot.nextTick);
    machine.pageIsRam = snapshot.pageIsRam;
    machine.verdict = null;

    for (const { page, saved } of this.#pages) page.set(saved);
    for (const s of d.arch.hvm.ioreq_server) {
      const ring = s?.bufioreq.va;
      ring?.setReadPointer(ring.write_pointer());
      for (const sv of s?.ioreq_vcpu_list ?? []) sv.pending = false;
    }
    d.arch.hvm.pci_cf8 = snapshot.pciCf8;
    d.is_shutting_down = false;
    d.is_shut_down = false;
    d.shutdown_code = SHUTDOWN_CODE_INVALID;
    d.pause_count = 0;
    d.crashed = null;
    for (const { vcpu, books } of machine.vcpus) {
      books?.forget();
      resetVcpu(vcpu);
    }
  }

  /** Servers that were destroyed are what they were. */
  #raiseServers(): void {
    this.#killed = false;
    const servers = this.#machine.domain.arch.hvm.ioreq_server;
    for (const { s, ioreq, bufioreq, list } of this.#live) {
      servers[s.id] = s;
      s.ioreq.va = ioreq;
      s.bufioreq.va = bufioreq;
      s.enabled = true;
      s.ioreq_vcpu_list.splice(0, s.ioreq_vcpu_list.length, ...list);
      for (const sv of list) s.sv[sv.vcpu.vcpu_id] = sv;
    }
  }

  // Word by word: a page can hold code as well, and code that did not change keeps its translation.
  #restoreRam(): void {
    this.collect();
    const ram = this.#ram;
    const saved = this.#saved;
    for (const offset of this.#dirty) {
      const first = offset / 8;
      for (let i = first; i < first + WORDS; i++) {
        if (ram[i] === saved[i]) continue;
        ram[i] = saved[i] as bigint;
        for (const { cpu } of this.#machine.vcpus) cpu.hostWrote(i * 8, 8);
      }
    }
    this.#dirty.clear();
  }
}

function resetVcpu(v: vcpu): void {
  hvmemul_cancel(v);
  const vio = v.arch.hvm.hvm_io;
  copyIoreq(vio.io_req, EMPTY);
  vio.suspended = false;
  vio.mmio_gla = 0;
  vio.mmio_gpfn = 0;
  vio.broadcast_refused = 0;
  v.defer_shutdown = false;
  v.paused_for_shutdown = false;
  v.pause_count = 0;
  v.blocked_in_xen = false;
  v.sched_pending = false;
  v.in_guest = false;
  v.is_running = false;
  v.descheduled = false;
}
