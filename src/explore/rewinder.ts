// SPDX-License-Identifier: GPL-2.0-only
// Puts a machine back to saved places quickly: the CPUs, the words of RAM that differ, devices, and the port's state.
import { IRQ_NONE } from '../cpu/backend.ts';
import type { Witness } from '../ledger/events.ts';
import type { Machine } from '../machine/machine.ts';
import { clearList } from '../util/lists.ts';
import type { hvm_ioreq_server, hvm_ioreq_vcpu } from '../xen/hvm/state.ts';
import { MachineMark, toRest, VcpuMark } from './machine-mark.ts';

const PAGE = 4096;
const WORDS = PAGE / 4;

/** A server of the domain as it is when it is alive. */
interface LiveServer {
  readonly s: hvm_ioreq_server;
  readonly ioreq: hvm_ioreq_server['ioreq']['va'];
  readonly bufioreq: hvm_ioreq_server['bufioreq']['va'];
  readonly list: readonly hvm_ioreq_vcpu[];
}

/** Takes places of one machine and goes back to them. Made with nothing in flight: that place is `start`. */
export class Rewinder {
  readonly start: MachineMark = new MachineMark();
  readonly #machine: Machine;
  readonly #ram: Int32Array;
  /** Memory at the start. */
  readonly #base: Int32Array;
  /** Slots of each server's shared page. */
  readonly #slots: Uint8Array[] = [];
  readonly #counts: readonly Witness[];
  /** Pages that may differ from the start, as far as they were collected. */
  readonly #dirty = new Set<number>();
  readonly #live: LiveServer[] = [];
  /** By server: the number of the state it is in. No two states have the same, and a state may have several. */
  readonly #versions: number[];
  #lastVersion = 0;
  #killed = false;

  constructor(machine: Machine) {
    this.#machine = machine;
    const { bytes } = machine.ram;
    this.#ram = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    for (const { cpu } of machine.vcpus) cpu.takeDirty(() => {});
    this.#base = this.#ram.slice();
    for (const s of machine.domain.arch.hvm.ioreq_server) {
      if (s === null) continue;
      const slots = s.ioreq.va?.bytes.subarray(0, 32 * machine.domain.vcpu.length);
      if (slots !== undefined) this.#slots.push(slots);
      const list = s.ioreq_vcpu_list.slice();
      this.#live.push({ s, ioreq: s.ioreq.va, bufioreq: s.bufioreq.va, list });
    }
    this.#counts = machine.counts();
    this.#versions = machine.servers.map(() => 0);
    toRest(machine.domain);
    for (const { regs } of machine.vcpus) regs.answer = 0;
    this.take(this.start);
  }

  /** Servers are about to be destroyed. */
  keepServers(): void {
    this.#killed = true;
  }

  /** Devices of server `i` may change. */
  touch(i: number): void {
    this.#versions[i] = ++this.#lastVersion;
  }
  touchAll(): void {
    for (let i = 0; i < this.#versions.length; i++) this.touch(i);
  }

  /** Remembers which pages were written: somebody else is about to take the list. */
  collect(): void {
    for (const { cpu } of this.#machine.vcpus) {
      cpu.takeDirty((offset) => {
        this.#dirty.add(offset);
      });
    }
  }

  /** Saves where the machine is: every CPU between two instructions, every vCPU and device model with nothing in hand. */
  take(mark: MachineMark): void {
    const machine = this.#machine;
    const { domain: d, vcpus, servers } = machine;
    for (let i = 0; i < vcpus.length; i++) {
      const { cpu, regs, vcpu } = vcpus[i] as (typeof vcpus)[number];
      mark.cpus[i] = {
        state: cpu.save(),
        answer: regs.answer,
        charged: cpu.charged,
        // Asking for a window is done anew at each entry.
        irq: Math.max(cpu.irq, IRQ_NONE),
        injected: cpu.injected,
      };
      mark.vcpus[i] ??= new VcpuMark();
      mark.vcpus[i]?.save(vcpu);
    }
    this.#takeRam(mark);
    for (let i = 0; i < servers.length; i++) {
      const server = servers[i] as (typeof servers)[number];
      const version = this.#versions[i] as number;
      const same = mark.servers[i]?.version === version;
      if (!same) mark.servers[i] = { version, state: server.save() };
      mark.asleep[i] = server.asleep;
    }
    for (let i = 0; i < this.#slots.length; i++) {
      const slots = this.#slots[i] as Uint8Array;
      mark.slots[i] ??= slots.slice();
      mark.slots[i]?.set(slots);
    }
    for (let i = 0; i < this.#counts.length; i++) {
      const { reads, writes } = this.#counts[i] as Witness;
      mark.counts[i] = { reads, writes };
    }
    mark.interrupts = machine.interrupts.save();
    mark.timer = machine.timer.save();
    mark.pciCf8 = d.arch.hvm.pci_cf8;
    mark.pageIsRam = machine.pageIsRam;
    mark.is_shutting_down = d.is_shutting_down;
    mark.is_shut_down = d.is_shut_down;
    mark.shutdown_code = d.shutdown_code;
    mark.pause_count = d.pause_count;
  }

  restore(mark: MachineMark): void {
    const machine = this.#machine;
    const { domain: d, vcpus } = machine;
    if (this.#killed) this.#raiseServers();
    for (let i = 0; i < vcpus.length; i++) {
      const { cpu, regs, insnCpu } = vcpus[i] as (typeof vcpus)[number];
      regs.pending = regs.advanced = regs.answered = false;
      insnCpu.rollback();
      const saved = mark.cpus[i] as (typeof mark.cpus)[number];
      regs.answer = saved.answer;
      cpu.restore(saved.state);
      cpu.charge(saved.charged);
      cpu.irq = saved.irq;
      cpu.injected = saved.injected;
    }
    this.#restoreRam(mark);
    this.#restoreServers(mark);
    machine.interrupts.restore(mark.interrupts);
    machine.timer.restore(mark.timer);
    machine.pageIsRam = mark.pageIsRam;
    machine.verdict = null;
    d.arch.hvm.pci_cf8 = mark.pciCf8;
    d.is_shutting_down = mark.is_shutting_down;
    d.is_shut_down = mark.is_shut_down;
    d.shutdown_code = mark.shutdown_code;
    d.pause_count = mark.pause_count;
    d.crashed = null;
    for (let i = 0; i < vcpus.length; i++) {
      const { vcpu, books } = vcpus[i] as (typeof vcpus)[number];
      books?.forget();
      mark.vcpus[i]?.restore(vcpu);
    }
  }

  #restoreServers(mark: MachineMark): void {
    const { servers, domain: d } = this.#machine;
    for (let i = 0; i < servers.length; i++) {
      const server = servers[i] as (typeof servers)[number];
      const { version, state } = mark.servers[i] as (typeof mark.servers)[number];
      if (this.#versions[i] !== version) server.restore(state);
      this.#versions[i] = version;
      server.forget();
      if (mark.asleep[i] === true) server.sleep();
      else server.wake();
    }
    for (let i = 0; i < this.#counts.length; i++) {
      const { reads, writes } = mark.counts[i] as Witness;
      const now = this.#counts[i] as Witness;
      now.reads = reads;
      now.writes = writes;
    }
    for (let i = 0; i < this.#slots.length; i++) {
      this.#slots[i]?.set(mark.slots[i] as Uint8Array);
    }
    for (const s of d.arch.hvm.ioreq_server) {
      const ring = s?.bufioreq.va;
      ring?.setReadPointer(ring.write_pointer());
      for (const sv of s?.ioreq_vcpu_list ?? []) sv.pending = false;
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

  #takeRam({ offsets, pages }: MachineMark): void {
    this.collect();
    clearList(offsets);
    for (const offset of this.#dirty) {
      const at = offsets.push(offset) - 1;
      pages[at] ??= new Int32Array(WORDS);
      const words = this.#ram.subarray(offset / 4, offset / 4 + WORDS);
      pages[at]?.set(words);
    }
  }

  // Word by word: a page can hold code as well, and code that did not change keeps its translation.
  #restoreRam({ offsets, pages }: MachineMark): void {
    this.collect();
    const dirty = this.#dirty;
    if (dirty.size === 0) return;
    for (const offset of dirty) {
      const at = offsets.indexOf(offset);
      if (at < 0) this.#restorePage(offset / 4, this.#base, offset / 4);
      else this.#restorePage(offset / 4, pages[at] as Int32Array, 0);
    }
    dirty.clear();
    for (const offset of offsets) dirty.add(offset);
  }

  #restorePage(first: number, from: Int32Array, fromFirst: number): void {
    const ram = this.#ram;
    for (let i = 0; i < WORDS; i++) {
      const word = from[fromFirst + i] as number;
      if (ram[first + i] === word) continue;
      ram[first + i] = word;
      for (const { cpu } of this.#machine.vcpus) cpu.hostWrote((first + i) * 4, 4);
    }
  }
}
