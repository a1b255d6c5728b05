// SPDX-License-Identifier: GPL-2.0-only
// One machine: a guest in RAM, a domain with a vCPU or several, their CPUs, and a device model per device.

import { InsnCpu } from '../cpu/insn-cpu.ts';
import type { MachineCpu } from '../cpu/machine-cpu.ts';
import { UnicornCpu } from '../cpu/unicorn.ts';
import { refuseOverlap } from '../dm/bus.ts';
import type { DeviceContext, Verdict } from '../dm/device.ts';
import { NO_INPUT } from '../dm/device.ts';
import type { InlineServer } from '../dm/inline-server.ts';
import type { DeviceSpec } from '../dm/registry.ts';
import type { LedgerDevice, Witness } from '../ledger/events.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { D_IRQ_HIGH, D_IRQ_LATCHED } from '../mem/domain-words.ts';
import { GuestRam } from '../mem/guest-ram.ts';
import { BugError } from '../util/errors.ts';
import { NO_POINTS } from '../xen/common/points.ts';
import type { cpu_user_regs, domain, vcpu } from '../xen/common/sched.ts';
import type { Tracer } from '../xen/common/trace.ts';
import { createXenHost } from '../xen/host.ts';
import { domain_create, shared_vcpu_create, vcpu_create } from '../xen/hvm/hvm.ts';
import { hvm_all_ioreq_servers_add_vcpu } from '../xen/hvm/ioreq_server.ts';
import { p2m_mmio_dm, p2m_ram_rw } from '../xen/hvm/p2m.ts';
import { REVISIONS } from '../xen/hvm/revision.ts';
import { straight_possible } from '../xen/hvm/straight.ts';
import { IOREQ_WRITE } from '../xen/public/hvm_ioreq.ts';
import { Bookkeeper } from './bookkeeper.ts';
import { DeviceModels } from './device-models.ts';
import { addFixtures, onPage } from './fixtures.ts';
import { GuestRegs } from './guest-regs.ts';
import { InterruptLines, type InterruptSource } from './interrupts.ts';
import { guestForVcpu, type LoadedGuest } from './loaded-guest.ts';
import type { MachineOptions } from './machine-options.ts';
import { ramSegments } from './memory-map.ts';
import { pcSegments } from './pc/memory.ts';
import { Pc } from './pc/platform.ts';
import { placeGuest } from './place-guest.ts';
import { PostedIo } from './posted-io.ts';
import { StraightIo } from './straight-io.ts';
import { TeeTracer } from './tee-tracer.ts';
import { type RemoteServers, threadHost } from './threads/remote-servers.ts';
import { StraightRemote } from './threads/straight-remote.ts';
import type { TimeSource } from './time-source.ts';
import { nobodyAt, UnclaimedTracer } from './unclaimed.ts';
import { BooksOf, type VcpuParts } from './vcpu-parts.ts';
import { VirtualTimer } from './virtual-timer.ts';

const GUEST_DOMAIN = 1;

/** Builds the parts and joins them; `run-loop.ts` runs them. */
export class Machine implements Disposable {
  readonly guest: LoadedGuest;
  /** As given, in order. */
  readonly devices: readonly DeviceSpec[];
  readonly ram: GuestRam;
  readonly cpu: MachineCpu;
  readonly insnCpu: InsnCpu;
  readonly regs: GuestRegs;
  readonly domain: domain;
  readonly vcpu: vcpu;
  /** Device models on this thread. */
  readonly servers: readonly InlineServer[];
  /** Device models elsewhere, or null. */
  readonly remote: RemoteServers | null;
  readonly interrupts: InterruptSource;
  /** What happens by itself: line 0's tick as the guest's manifest asks for it, or the clocks of a PC. */
  readonly timer: TimeSource;
  /** The board around the CPU, or null for a bare machine. */
  readonly pc: Pc | null;
  readonly books: Bookkeeper | null;
  /** The short way of an IN or OUT, where nobody can tell it from the ordinary one; null: none. */
  readonly straight: StraightIo | StraightRemote | null;
  /** Every vCPU of this thread; the first is the machine itself. */
  readonly vcpus: readonly VcpuParts[] = [];
  /** What the guest reported last, or null. */
  get verdict(): Verdict | null {
    return this.#verdict;
  }
  set verdict(verdict: Verdict | null) {
    this.#verdict = verdict;
    this.domain.arch.hvm.stirs++;
  }
  #verdict: Verdict | null = null;
  /** Accesses that no server claimed, by space. */
  unclaimed = 0;
  readonly #models = new DeviceModels();
  #posted: PostedIo | null = null;

  /**
   * @throws HvmError HVM_MEMORY, HVM_RANGE_OVERLAP, HVM_USAGE for a machine that cannot be, HVM_ADDON_MISSING,
   *   HVM_ADDON_SELFTEST without a usable CPU
   */
  constructor(options: MachineOptions) {
    const { guest, devices, ledger = null, points = NO_POINTS, remote = null } = options;
    const { revision = 'exact', vcpus = 1 } = options;
    this.guest = guest;
    this.devices = devices;
    this.remote = remote;
    this.ram = new GuestRam(guest.memoryBytes, remote?.memory.ram ?? null);
    const { pc: config, memoryBytes } = guest;
    this.pc = config === null ? null : new Pc(config, this.ram, () => this.#count(), options.line);
    const all = [...(this.pc?.devices ?? []), ...devices];
    const taken: { name: string; range: DeviceSpec['range'] }[] = [];
    for (const { factory, range } of all) {
      for (const other of taken) refuseOverlap(factory.name, range, other.name, other.range);
      taken.push({ name: factory.name, range });
    }
    const pages = all
      .filter((d) => d.range.space === 'mmio')
      .map((d) => ({ name: d.factory.name, start: d.range.start, end: d.range.end }));
    const newCpu = (id: number): MachineCpu =>
      options.cpu?.(this.ram, id) ??
      new UnicornCpu(
        this.ram,
        config === null
          ? ramSegments(memoryBytes, pages, guest.pieces)
          : pcSegments(memoryBytes, config),
      );
    this.cpu = newCpu(0);
    try {
      this.insnCpu = new InsnCpu(this.cpu);
      this.regs = new GuestRegs(this.cpu);
      this.books =
        ledger === null ? null : new Bookkeeper(ledger, this.cpu, this.insnCpu, this.regs);
      this.cpu.countsAtPorts = this.books !== null;
      const { servers } = this.#models;
      this.servers = servers;
      const internal = new UnclaimedTracer((p) => {
        this.unclaimed++;
        this.pc?.lacks(nobodyAt(p));
      });
      const tracers: Tracer[] = remote === null ? [internal] : [remote.tracer, internal];
      const others = Array.from({ length: vcpus - 1 }, (_, i) => otherVcpu(newCpu(i + 1), ledger));
      if (this.books !== null) tracers.push(vcpus === 1 ? this.books : new BooksOf(this.books, 0));
      others.forEach(({ books }, i) => {
        if (books !== null) tracers.push(new BooksOf(books, i + 1));
      });
      if (options.trace) tracers.push(options.trace);
      const trace = tracers.length === 1 ? internal : new TeeTracer(tracers);
      let nextPort = 1;
      const nowNs = options.nowNs ?? (() => this.pc?.clock.nowNs() ?? this.#count());
      const host = createXenHost({
        revision: typeof revision === 'string' ? REVISIONS[revision] : revision,
        points,
        trace,
        evtchn_alloc: () => nextPort++,
        evtchn_send:
          remote === null
            ? (_d, port) => {
                for (const server of servers) server.event(port);
              }
            : (_d, port) => remote.send(port),
        ...(remote === null ? {} : threadHost(remote.memory, remote.vcpuId)),
        hvm_get_guest_time: nowNs,
        inject_hw_exception: (v, vector, ec) =>
          (this.vcpus[v.vcpu_id] ?? this).cpu.injectException(vector, ec),
      });
      this.domain = domain_create(GUEST_DOMAIN, this.ram, host, remote?.words ?? null);
      const { hvm } = this.domain.arch;
      if (this.pc !== null) {
        this.pc.board.onChange = () => {
          hvm.stirs++;
        };
      }
      for (const { start, end } of pages) {
        const first = Math.floor(start / 4096);
        this.domain.arch.hvm.p2m.set_type(first, Math.floor(end / 4096) - first + 1, p2m_mmio_dm);
      }
      addFixtures(this.domain, guest.manifest.monitor ?? {});
      this.vcpu = this.#createVcpus();
      this.vcpu.arch.hvm.cpu = this.insnCpu;
      this.interrupts =
        this.pc?.init(this.domain, this.cpu) ??
        (remote === null
          ? new InterruptLines()
          : new InterruptLines(remote.words, D_IRQ_HIGH, D_IRQ_LATCHED));
      const every = guest.manifest.timer?.everyInstructions ?? 0;
      this.timer = this.pc?.clock ?? new VirtualTimer(every, this.interrupts);
      const alone =
        vcpus === 1 && points === NO_POINTS && !options.trace && options.straight !== false;
      const { vcpu, cpu, regs, insnCpu, ram, books, interrupts, timer } = this;
      if (!alone || !straight_possible(vcpu)) this.straight = null;
      else if (remote === null) {
        this.straight = new StraightIo({
          vcpu,
          cpu,
          regs,
          insnCpu,
          ram,
          servers,
          books,
          interrupts,
          timer,
        });
      } else this.straight = new StraightRemote({ vcpu, cpu, regs, interrupts, timer, remote });
      this.vcpus = [this, ...others.map((parts) => this.#addVcpu(parts))];
      const context: DeviceContext = {
        output: options.output ?? (() => {}),
        input: options.input ?? { take: () => NO_INPUT },
        raiseIrq: (line) => this.interrupts.raise(line),
        lowerIrq: (line) => this.interrupts.lower(line),
        endGuest: (verdict) => {
          this.verdict = verdict;
        },
        nowNs,
      };
      this.#models.add(all, context, this, guest.manifest.monitor?.ramAfterWrite);
      this.#listen();
      if (this.straight instanceof StraightIo && options.posted !== false) {
        this.#posted = PostedIo.of(vcpu, cpu, books, this.#models.placed);
        this.straight.posted = this.#posted;
      }
      this.vcpus.forEach((parts, id) => {
        placeGuest(this.ram, guestForVcpu(guest, id), parts);
      });
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Instructions completed, as whoever works for the guest has to see it: before the access that is dealt with. */
  #count(): number {
    const at = this.#posted?.at ?? -1;
    return at >= 0 ? at : this.cpu.icount;
  }

  #createVcpus(): vcpu {
    const { domain: d, regs, remote } = this;
    let mine: vcpu | null = null;
    for (let id = 0; id < (remote?.memory.vcpus ?? 1); id++) {
      const own = remote === null || id === remote.vcpuId;
      const v =
        remote === null
          ? vcpu_create(d, regs)
          : shared_vcpu_create(d, own ? regs : NOBODYS, remote.words, own);
      if (hvm_all_ioreq_servers_add_vcpu(d, v) !== 0) throw new BugError('no vCPU');
      if (own) mine = v;
    }
    if (mine === null) throw new BugError(`vCPU ${remote?.vcpuId} is none of its domain`);
    return mine;
  }

  #addVcpu(parts: Omit<VcpuParts, 'vcpu'>): VcpuParts {
    const { domain: d } = this;
    const vcpu = vcpu_create(d, parts.regs);
    if (hvm_all_ioreq_servers_add_vcpu(d, vcpu) !== 0) throw new BugError('no vCPU');
    vcpu.arch.hvm.cpu = parts.insnCpu;
    return { ...parts, vcpu };
  }

  /** Who hears what device models do. */
  #listen(): void {
    const { remote, servers } = this;
    const onAccess = this.books?.onAccess ?? null;
    for (const server of servers) server.onAccess = onAccess;
    if (remote === null) return;
    remote.onAccess = onAccess;
    const turning = this.guest.manifest.monitor?.ramAfterWrite;
    if (turning !== undefined) {
      remote.onTold = ({ space, addr, dir }) => {
        if (space === 'mmio' && dir === IOREQ_WRITE && onPage(addr, turning)) this.pageIsRam = true;
      };
    }
    remote.onVerdict = (verdict) => {
      this.verdict = verdict;
    };
  }

  /** Device ranges as the ledger's start names them. */
  get ledgerDevices(): readonly LedgerDevice[] {
    return this.#models.ranges;
  }
  /** What each device counted by itself, `name@range`. */
  witnesses(): Record<string, Witness> {
    return this.#models.witnesses();
  }
  /** The devices' own counts, in the order of the devices; the objects live as long as the machine. */
  counts(): Witness[] {
    return this.#models.counts();
  }
  /** The devices go on counting from here: after a restore. */
  setWitnesses(all: Readonly<Record<string, Witness>>): void {
    this.#models.setWitnesses(all);
  }
  /** What each device testifies, `name@range`. */
  testimonies(): Record<string, Record<string, unknown>> {
    return this.#models.testimonies();
  }
  /** Whether the page that the guest's manifest lets become RAM is RAM now. */
  get pageIsRam(): boolean {
    const gpa = this.guest.manifest.monitor?.ramAfterWrite;
    return gpa !== undefined && this.domain.arch.hvm.p2m.type_at(gpa) === p2m_ram_rw;
  }
  set pageIsRam(is: boolean) {
    const gpa = this.guest.manifest.monitor?.ramAfterWrite;
    if (gpa === undefined) return;
    this.domain.arch.hvm.p2m.set_type(Math.floor(gpa / 4096), 1, is ? p2m_ram_rw : p2m_mmio_dm);
  }
  /** Tells devices that input may have arrived. */
  inputArrived(): void {
    this.#models.inputArrived();
  }
  /** Idempotent. */
  [Symbol.dispose](): void {
    this.pc?.[Symbol.dispose]();
    this.cpu[Symbol.dispose]();
    for (const { cpu } of this.vcpus.slice(1)) cpu[Symbol.dispose]();
  }
}

/** What a vCPU above 0 has of its own, but for the vCPU. */
function otherVcpu(cpu: MachineCpu, ledger: Ledger | null): Omit<VcpuParts, 'vcpu'> {
  const insnCpu = new InsnCpu(cpu);
  const regs = new GuestRegs(cpu);
  const books = ledger === null ? null : new Bookkeeper(ledger, cpu, insnCpu, regs);
  const interrupts = new InterruptLines();
  return { cpu, insnCpu, regs, books, interrupts, timer: new VirtualTimer(0, interrupts) };
}

/** Registers of a vCPU that another thread runs. */
const NOBODYS: cpu_user_regs = { eax: 0, rax_hi: 0, eip: 0 };
