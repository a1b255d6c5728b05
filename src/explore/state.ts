// SPDX-License-Identifier: GPL-2.0-only
// The state of an explored world as a hash: everything that decides what can still happen.
//
// What the hash of a decision covers, and why that is enough:
// - every word of the domain and the vCPU that the port keeps between two calls: flags, counts, the latched request,
//   completion, caches, the instruction in progress; slots, pending bits and rings;
// - where the toolstack stands; each device model's events, and, while it serves, everything it has seen since it began
//   (`locals`): its generator is a function of that;
// - the history: every ledger event, device access, answer given to the CPU. CPU, guest RAM, devices and the judges are
//   deterministic functions of the start and of these, so they are not hashed themselves;
// - the vCPU's place and its local variables, see place.ts: the state in which it last stood between two calls, and the
//   state it found after each point at which others have run.
// - who ran last and how many preemptions are left are part of the key, because they decide which orders are allowed.

import type { InlineServer } from '../dm/inline-server.ts';
import type { Machine } from '../machine/machine.ts';
import type { VcpuParts } from '../machine/vcpu-parts.ts';
import type { StateHash } from './hash.ts';
import type { IrqSource } from './irq-source.ts';
import type { Killer } from './killer.ts';
import type { ToolstackActor } from './toolstack.ts';

interface ServerPart {
  readonly server: InlineServer;
  /** The slots of all vCPUs, as words. */
  readonly slots: Int32Array;
}

export class WorldState {
  readonly #machine: Machine;
  readonly #toolstack: ToolstackActor;
  readonly #killer: Killer;
  readonly #irqs: IrqSource;
  readonly #servers: ServerPart[];
  /** By server: what it has seen since it began to serve; 0 while it does not. */
  readonly locals: number[];

  constructor(machine: Machine, toolstack: ToolstackActor, killer: Killer, irqs: IrqSource) {
    this.#machine = machine;
    this.#toolstack = toolstack;
    this.#killer = killer;
    this.#irqs = irqs;
    this.#servers = machine.servers.map((server) => {
      const { bytes } = server.connection.ioreqPage;
      const words = 8 * machine.vcpus.length;
      return { server, slots: new Int32Array(bytes.buffer, bytes.byteOffset, words) };
    });
    this.locals = machine.servers.map(() => 0);
  }

  reset(): void {
    this.locals.fill(0);
  }

  /** Server `i` is about to make a step: what it can see now becomes part of what it knows. */
  serverSteps(i: number, history: StateHash, scratch: StateHash): void {
    const part = this.#servers[i] as ServerPart;
    scratch.reset(this.locals[i] ?? 0, i);
    scratch.add(history.a);
    scratch.add(history.b);
    for (let w = 0; w < part.slots.length; w++) scratch.add(part.slots[w] as number);
    scratch.add(part.server.busy ? 1 : 2);
    this.locals[i] = scratch.a;
  }
  serverStepped(i: number): void {
    if (!(this.#servers[i] as ServerPart).server.busy) this.locals[i] = 0;
  }

  /** Adds the state of everything but the history. */
  addTo(h: StateHash): void {
    const { domain: d, vcpus } = this.#machine;
    h.add(d.pause_count + 256 * (d.shutdown_code & 0xff));
    h.add(this.#toolstack.at + 256 * this.#toolstack.n);
    for (const parts of vcpus) this.#addVcpu(h, parts);
    this.#addServers(h);
    if (this.#killer.most > 0) for (const stage of this.#killer.stage) h.add(stage);
    if (this.#irqs.most > 0) {
      h.add(this.#irqs.raised + 16 * this.#irqs.waiting + 256 * this.#irqs.merged);
      h.add(this.#irqs.taken);
    }
  }

  #addVcpu(h: StateHash, { vcpu: v, regs, insnCpu }: VcpuParts): void {
    const { domain: d } = this.#machine;
    const hvm = v.arch.hvm;
    const { hvm_io: vio, insn } = hvm;
    h.add(
      (d.is_shutting_down ? 1 : 0) |
        (d.is_shut_down ? 2 : 0) |
        (d.crashed !== null ? 4 : 0) |
        (v.defer_shutdown ? 8 : 0) |
        (v.paused_for_shutdown ? 16 : 0) |
        (v.blocked_in_xen ? 32 : 0) |
        (v.sched_pending ? 64 : 0) |
        (v.in_guest ? 128 : 0) |
        (v.is_running ? 256 : 0) |
        (v.descheduled ? 512 : 0) |
        (vio.suspended ? 1024 : 0) |
        (vio.mmio_retry ? 2048 : 0) |
        (vio.cache_enabled ? 4096 : 0) |
        (vio.mmio_access.gla_valid ? 8192 : 0) |
        (vio.mmio_access.read_access ? 16384 : 0) |
        (vio.mmio_access.write_access ? 32768 : 0) |
        (regs.pending ? 65536 : 0) |
        (insnCpu.begun ? 131072 : 0),
    );
    h.add(vio.io_completion + 16 * v.pause_count);
    const { io_req } = vio;
    h.add(io_req.state);
    h.add(io_req.data);
    h.add(io_req.data_hi);
    h.addWide(io_req.addr);
    h.add(io_req.size + 16 * io_req.count);
    h.add(io_req.type * 8 + io_req.dir * 4 + (io_req.df ? 2 : 0) + (io_req.data_is_ptr ? 1 : 0));
    if (regs.pending) {
      h.add((regs.advanced ? 1 : 0) | (regs.answered ? 2 : 0));
      h.add(regs.answer);
    }
    h.add(vio.broadcast_refused);
    h.add(vio.mmio_gla);
    h.add(vio.mmio_gpfn);
    h.add(
      vio.mmio_cache_count + 16 * vio.cache_count + 4096 * vio.mmio_insn_bytes + 65536 * insn.count,
    );
    for (let i = 0; i < vio.mmio_cache_count; i++) {
      const entry = vio.mmio_cache[i];
      if (entry === undefined) continue;
      h.addWide(entry.gla);
      h.add(entry.size + 256 * entry.dir);
      for (let k = 0; k < entry.size; k++) h.add(entry.buffer[k] as number);
    }
    for (let i = 0; i < vio.cache_count; i++) {
      const entry = vio.cache[i];
      if (entry === undefined) continue;
      h.addWide(entry.gpa);
      h.add(entry.size);
      for (let k = 0; k < 8; k++) h.add(entry.data[k] as number);
    }
    if (insn.count > 0) {
      h.add(insn.answered);
      for (let i = 0; i < insn.count; i++) {
        const access = insn.list[i];
        if (access === undefined) continue;
        h.addWide(access.gla);
        h.addWide(access.gpa);
        h.add(access.size + 16 * access.dir + (access.is_pio ? 256 : 0));
        h.add(access.data);
        h.add(access.data_hi);
      }
    }
  }

  #addServers(h: StateHash): void {
    const { domain: d } = this.#machine;
    for (let i = 0; i < this.#servers.length; i++) {
      const { server, slots } = this.#servers[i] as ServerPart;
      h.add((server.busy ? 1 : 0) | (server.asleep ? 2 : 0) | (server.backlog.length << 2));
      for (const event of server.backlog) h.add(event);
      h.add(this.locals[i] as number);
      for (let w = 0; w < slots.length; w++) h.add(slots[w] as number);
    }
    for (const s of d.arch.hvm.ioreq_server) {
      if (s === null || s === undefined) continue;
      for (const v of d.vcpu) h.add(s.sv[v.vcpu_id]?.pending ? 1 : 0);
      const ring = s.bufioreq.va;
      if (ring !== null) h.add((ring.write_pointer() - ring.read_pointer()) | 0);
    }
  }
}
