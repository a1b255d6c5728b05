// SPDX-License-Identifier: GPL-2.0-only
// One machine: a guest in RAM, a domain with a vCPU or several, their CPUs, and a device model per device.
import {
  RAX,
  RBX,
  RDX,
  RSP,
  SEG_CS,
  SEG_DS,
  SEG_ES,
  SEG_FS,
  SEG_GS,
  SEG_SS,
} from '../cpu/backend.ts';
import { InsnCpu } from '../cpu/insn-cpu.ts';
import type { MachineCpu } from '../cpu/machine-cpu.ts';
import { UnicornCpu } from '../cpu/unicorn.ts';
import { refuseOverlap } from '../dm/bus.ts';
import type { DeviceContext, InputSource, Verdict } from '../dm/device.ts';
import { NO_INPUT } from '../dm/device.ts';
import { InlineServer } from '../dm/inline-server.ts';
import type { DeviceSpec } from '../dm/registry.ts';
import type { LedgerDevice, Witness } from '../ledger/events.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { BufferedPage } from '../mem/buffered-page.ts';
import { D_IRQ_HIGH, D_IRQ_LATCHED } from '../mem/domain-words.ts';
import { GuestRam } from '../mem/guest-ram.ts';
import { IoreqPage } from '../mem/ioreq-page.ts';
import { BugError } from '../util/errors.ts';
import { hex } from '../util/hex.ts';
import { xen_event_channel_signalled } from '../xen/common/event_channel.ts';
import { NO_POINTS, type Points } from '../xen/common/points.ts';
import type { cpu_user_regs, domain, vcpu } from '../xen/common/sched.ts';
import type { Tracer } from '../xen/common/trace.ts';
import { NullTracer } from '../xen/common/trace.ts';
import { createXenHost } from '../xen/host.ts';
import { domain_create, shared_vcpu_create, vcpu_create } from '../xen/hvm/hvm.ts';
import { hvm_all_ioreq_servers_add_vcpu } from '../xen/hvm/ioreq_server.ts';
import { p2m_mmio_dm, p2m_ram_rw } from '../xen/hvm/p2m.ts';
import type { RevisionName, XenRevision } from '../xen/hvm/revision.ts';
import { REVISIONS } from '../xen/hvm/revision.ts';
import { straight_possible } from '../xen/hvm/straight.ts';
import { IOREQ_READ, IOREQ_TYPE_PIO, IOREQ_WRITE, type ioreq_t } from '../xen/public/hvm_ioreq.ts';
import { Bookkeeper } from './bookkeeper.ts';
import { CountedDevice } from './counted-device.ts';
import { addFixtures, onPage, ramAfterWrite } from './fixtures.ts';
import { GuestRegs } from './guest-regs.ts';
import { InterruptLines, type InterruptSource } from './interrupts.ts';
import { guestForVcpu, type LoadedGuest } from './loaded-guest.ts';
import { ramSegments } from './memory-map.ts';
import { pcSegments } from './pc/memory.ts';
import { Pc } from './pc/platform.ts';
import { type PlacedDevice, PostedIo } from './posted-io.ts';
import {
  createServer,
  deviceLabel,
  enableServer,
  givePci,
  giveRange,
  serverOfDevice,
} from './servers.ts';
import { StraightIo } from './straight-io.ts';
import { TeeTracer } from './tee-tracer.ts';
import { type RemoteServers, threadHost } from './threads/remote-servers.ts';
import { StraightRemote } from './threads/straight-remote.ts';
import type { TimeSource } from './time-source.ts';
import { BooksOf, type VcpuParts } from './vcpu-parts.ts';
import { VirtualTimer } from './virtual-timer.ts';

const GUEST_DOMAIN = 1;

/** What a machine is made of. */
export interface MachineOptions {
  guest: LoadedGuest;
  /** In order; ranges must not overlap. */
  devices: readonly DeviceSpec[];
  /** By name, or with single switches turned. */
  revision?: RevisionName | XenRevision;
  /** One byte the guest writes to a console. */
  output?: (byte: number) => void;
  input?: InputSource;
  /** Where COM1 of a PC goes, if not where the console does. */
  line?: Partial<DeviceContext>;
  /** Books of every device access; none: not kept. */
  ledger?: Ledger | null;
  /** What lands at the preemption points; nothing unless given. */
  points?: Points;
  /** Hears the port's events besides the ledger. */
  trace?: Tracer | null;
  /** False: every access takes the ordinary way, step by step. For comparing the two; there is no other difference. */
  straight?: boolean;
  /** False: every access leaves the guest, whatever its device declares. For comparing the two. */
  posted?: boolean;
  /** Virtual time for devices, in ns; one per instruction unless given. */
  nowNs?: () => number;
  /** In place of the addon's. @param vcpu - whose */
  cpu?: (ram: GuestRam, vcpu: number) => MachineCpu;
  /** On this thread, 1 unless given. Those above 0 run copies of the guest (`guestForVcpu`) and have no interrupts. */
  vcpus?: number;
  /** The domain's device models, and its other vCPUs, are in other threads: this machine is one of its vCPUs. */
  remote?: RemoteServers | null;
}

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
  readonly #counted = new Map<string, CountedDevice>();
  readonly #placed: PlacedDevice[] = [];
  #posted: PostedIo | null = null;
  readonly #ranges: LedgerDevice[] = [];

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
      const servers: InlineServer[] = [];
      this.servers = servers;
      const internal = new UnclaimedCounter(this);
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
      this.#addServers(all, context, servers);
      if (this.straight instanceof StraightIo && options.posted !== false) {
        this.#posted = PostedIo.of(vcpu, cpu, books, this.#placed);
        this.straight.posted = this.#posted;
      }
      this.vcpus.forEach((parts, id) => {
        load(this.ram, guestForVcpu(guest, id), parts);
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

  #addServers(
    devices: readonly DeviceSpec[],
    context: DeviceContext,
    servers: InlineServer[],
  ): void {
    const { domain: d, remote } = this;
    let last = -1;
    devices.forEach(({ factory, range }, index) => {
      const label = deviceLabel(factory.name, range);
      const id = serverOfDevice(index);
      if (id !== last) this.#connect(factory.name, servers);
      last = id;
      giveRange(d, id, label, range);
      if (factory.pciConfiguration === true) givePci(d, id, label);
      this.#ranges.push({ name: label, space: range.space, first: range.start, last: range.end });
      if (remote !== null) return;
      const own = factory.create(context);
      const page = this.guest.manifest.monitor?.ramAfterWrite;
      const turns = range.space === 'mmio' && page === range.start;
      const device = new CountedDevice(turns ? ramAfterWrite(own, d, page) : own);
      const model = servers[id] as InlineServer;
      model.bus.attach(device, range);
      // A write after which the page is RAM cannot wait.
      if (!turns) this.#placed.push({ device, range, model });
      this.#counted.set(label, device);
    });
    for (let id = 0; id <= last; id++) enableServer(d, id);
    for (const server of servers) server.onAccess = this.books?.onAccess ?? null;
    if (remote === null) return;
    remote.onAccess = this.books?.onAccess ?? null;
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

  #connect(name: string, servers: InlineServer[]): void {
    const { id, ioreqPage, bufferedPage, vcpuPorts, ringPort } = createServer(
      this.domain,
      this.remote === null,
    );
    if (this.remote !== null) {
      this.remote.connect(id, name, vcpuPorts, ringPort, this.ram);
      return;
    }
    const server = new InlineServer(name, id);
    server.connect({
      ioreqPage: new IoreqPage(ioreqPage),
      bufferedPage: new BufferedPage(bufferedPage),
      vcpuPorts,
      bufferedPort: ringPort,
      notify: (port) =>
        xen_event_channel_signalled(this.domain.vcpu[vcpuPorts.indexOf(port)] ?? this.vcpu),
      ram: this.ram,
    });
    servers.push(server);
  }

  /** Device ranges as the ledger's start names them. */
  get ledgerDevices(): readonly LedgerDevice[] {
    return this.#ranges;
  }
  /** What each device counted by itself, `name@range`. */
  witnesses(): Record<string, Witness> {
    const all: Record<string, Witness> = {};
    for (const [label, { counts }] of this.#counted) all[label] = { ...(counts[0] as Witness) };
    return all;
  }
  /** The devices' own counts, in the order of the devices; the objects live as long as the machine. */
  counts(): Witness[] {
    return [...this.#counted.values()].flatMap((device) => device.counts);
  }
  /** The devices go on counting from here: after a restore. */
  setWitnesses(all: Readonly<Record<string, Witness>>): void {
    for (const [label, { counts }] of this.#counted) {
      const [mine] = counts;
      const saved = all[label];
      if (mine !== undefined && saved !== undefined) Object.assign(mine, saved);
    }
  }
  /** What each device testifies, `name@range`. */
  testimonies(): Record<string, Record<string, unknown>> {
    return Object.assign({}, ...this.servers.map((s) => s.witnesses()));
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
    for (const device of this.#counted.values()) device.inputArrived();
  }
  /** Idempotent. */
  [Symbol.dispose](): void {
    this.pc?.[Symbol.dispose]();
    this.cpu[Symbol.dispose]();
    for (const { cpu } of this.vcpus.slice(1)) cpu[Symbol.dispose]();
  }
}

/** Puts the guest's pieces into memory and the vCPU in front of its first instruction. */
function load(ram: GuestRam, { pieces, entry, pc }: LoadedGuest, { cpu, vcpu }: VcpuParts): void {
  for (const { gpa, bytes } of pieces) ram.writeBytes(gpa, bytes);
  // A PC starts at its reset vector, as it stands after power-on.
  if (pc !== null) return;
  const { regs } = cpu;
  const segment = (index: number, selector: number, code: boolean): void =>
    regs.setSegment(index, {
      selector,
      base: selector << 4,
      limit: 0xffff,
      attributes: code ? 0x9b00 : 0x9300,
    });
  segment(SEG_CS, entry.cs, true);
  segment(SEG_DS, entry.ds, false);
  segment(SEG_ES, entry.es, false);
  segment(SEG_SS, entry.ss, false);
  segment(SEG_FS, 0, false);
  segment(SEG_GS, 0, false);
  regs.setGpr(RAX, entry.ax);
  regs.setGpr(RDX, entry.dx);
  regs.setGpr(RBX, vcpu.vcpu_id);
  regs.setGpr(RSP, entry.sp);
  regs.rip = entry.ip;
  regs.rflags = entry.flags | 2;
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

/** An access that nobody answers: its kind and place; memory by page. */
function nobodyAt(p: ioreq_t): string {
  const isPort = p.type === IOREQ_TYPE_PIO;
  const what =
    p.dir === IOREQ_READ ? (isPort ? 'IN from' : 'read of') : isPort ? 'OUT to' : 'write to';
  if (isPort) return `${what} port ${hex(p.addr, 3)}`;
  return `${what} memory at ${hex(p.addr - (p.addr % 4096))}`;
}

/** Counts accesses that ended at nobody. */
class UnclaimedCounter extends NullTracer {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    super();
    this.#machine = machine;
  }
  override internal(_v: vcpu, p: ioreq_t, handled: boolean): void {
    if (handled) return;
    this.#machine.unclaimed++;
    this.#machine.pc?.lacks(nobodyAt(p));
  }
}
