// SPDX-License-Identifier: GPL-2.0-only
// A domain in the fixed environment of the recordings, and every operation that they use.
// vectors/README.md sections 3 to 6.
import { GuestRam } from '../../src/mem/guest-ram.ts';
import { newSharedPage } from '../../src/mem/shared-page.ts';
import {
  domain_crash,
  domain_resume,
  domain_shutdown,
  domain_shutdown_code,
  vcpu_end_shutdown_deferral,
} from '../../src/xen/common/domain.ts';
import { xen_event_channel_signalled } from '../../src/xen/common/event_channel.ts';
import type { PointName } from '../../src/xen/common/points.ts';
import {
  type domain,
  schedule_vcpu,
  type vcpu,
  vcpu_check_softirqs,
  vcpu_kick,
  vcpu_pause_nosync,
  vcpu_unpause,
} from '../../src/xen/common/sched.ts';
import { type AllocKind, createXenHost, type XenHost } from '../../src/xen/host.ts';
import {
  hvmemul_do_io,
  hvmemul_do_io_addr,
  hvmemul_do_io_buffer,
} from '../../src/xen/hvm/emulate.ts';
import { hvmemul_cancel } from '../../src/xen/hvm/emulate_insn.ts';
import { hvmemul_linear_mmio_access } from '../../src/xen/hvm/emulate_mmio.ts';
import { domain_create, vcpu_create } from '../../src/xen/hvm/hvm.ts';
import { bytesToValue, gpaToValue, valueToBytes } from '../../src/xen/hvm/intercept.ts';
import { hvm_mmio_internal, relocate_portio_handler } from '../../src/xen/hvm/io_handler.ts';
import {
  get_ioreq,
  hvm_broadcast_ioreq,
  hvm_io_pending,
  hvm_select_ioreq_server,
  hvm_send_ioreq,
  send_invalidate_req,
  send_timeoffset_req,
} from '../../src/xen/hvm/ioreq.ts';
import {
  get_ioreq_server,
  hvm_all_ioreq_servers_add_vcpu,
  hvm_all_ioreq_servers_remove_vcpu,
  hvm_create_ioreq_server,
  hvm_destroy_all_ioreq_servers,
  hvm_destroy_ioreq_server,
  hvm_get_ioreq_server_frame,
  hvm_get_ioreq_server_info,
  hvm_map_io_range_to_ioreq_server,
  hvm_map_mem_type_to_ioreq_server,
  hvm_set_ioreq_server_state,
  hvm_unmap_io_range_from_ioreq_server,
  is_ioreq_server_page,
} from '../../src/xen/hvm/ioreq_server.ts';
import type { XenRevision } from '../../src/xen/hvm/revision.ts';
import {
  vmexit_emulate,
  vmexit_mmio,
  vmexit_pio,
  vmexit_pio_string,
  vmexit_realmode,
} from '../../src/xen/hvm/vmexit.ts';
import {
  type insn_cpu,
  X86EMUL_NAMES,
  X86EMUL_UNHANDLEABLE,
} from '../../src/xen/hvm/x86_emulate.ts';
import { ENOSPC } from '../../src/xen/public/errno.ts';
import { HVM_PARAM_BUFIOREQ_PFN, HVM_PARAM_IOREQ_PFN } from '../../src/xen/public/hvm_dm_op.ts';
import {
  IOREQ_READ,
  IOREQ_WRITE,
  type ioreq_dir,
  type ioreq_t,
  newIoreq,
  STATE_IOREQ_INPROCESS,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../../src/xen/public/hvm_ioreq.ts';
import { dumpState } from './dump.ts';
import { Recorder, requestEvent } from './recorder.ts';
import { PlainRegs, REGISTER_NAMES, type RegisterName, type ReplayRegs } from './registers.ts';
import {
  big,
  bytesOf,
  hex,
  hexOf,
  type Injection,
  injectionsOf,
  type JsonObject,
  num,
  type Operation,
  ScenarioError,
} from './scenario.ts';
import { TestHandlers } from './test-handlers.ts';

const RAM_BYTES = 2 ** 20;
const PAGE = 4096;
/** Xen's HVM limit: as many slots as one page holds. */
const MAX_VCPUS = 128;
const IOREQ_GFN_BASE = 0xfeff0;
const EMULATOR = 0;
const GUEST = 1;
const OTHER = 2;

/** A CPU that can run the recorded instructions, and its registers. */
export interface ReplayCpu extends Partial<Disposable> {
  readonly insn: insn_cpu;
  readonly regs: ReplayRegs;
}

/** Makes the CPU of one vCPU; it shares `ram` and asks `d` what is RAM. */
export type ReplayCpuFactory = (ram: GuestRam, d: domain, vcpu_id: number) => ReplayCpu;

type Result = JsonObject;
const OK: Result = { ret: 0 };

/** Operations that need their vCPU in the guest. */
const GUEST_OPS = new Set([
  'sched_shutdown',
  'step',
  'pio',
  'insn',
  'send_buffered',
  'timeoffset',
  'invalidate',
  'broadcast',
  'fn_do_io',
  'fn_do_io_buffer',
  'fn_do_io_addr',
  'fn_linear_mmio',
]);

export class ReplayMachine implements Disposable {
  readonly d: domain;
  readonly ram = new GuestRam(RAM_BYTES);
  readonly recorder = new Recorder();
  readonly #regs: ReplayRegs[] = [];
  readonly #cpus: ReplayCpu[] = [];
  readonly #handlers: TestHandlers;
  readonly #cpuFactory: ReplayCpuFactory | null;
  readonly #withSuspended: boolean;
  readonly #served: number[] = new Array<number>(8).fill(0);
  readonly #programs: Operation[] = [];
  readonly #rings = new Map<number, Uint8Array>();
  readonly #orphan = newSharedPage();
  #nextPort = 5;
  #vpciPending = false;
  // What the operation under way makes fail, counted down.
  #failEvtchn = 0;
  #failAlloc = -1;
  #failRing = 0;
  #failPhysmap = false;
  #failFrame = '';
  // Injections of the operation under way.
  #injections: { injection: Injection; fired: boolean }[] = [];
  readonly #hits = new Map<string, number>();
  #injecting = false;

  /** @param revision - 'before-b7e0d8978810' for recordings of variant pre, 'fixed' for post */
  constructor(config: Operation, revision: XenRevision, cpuFactory: ReplayCpuFactory | null) {
    this.#withSuspended = revision.io_suspended_flag;
    this.#cpuFactory = cpuFactory;
    this.d = domain_create(GUEST, this.ram, this.#host(revision, config));
    const { hvm } = this.d.arch;
    hvm.ioreq_gfn.base = IOREQ_GFN_BASE;
    hvm.ioreq_gfn.mask.fill(1, 0, num(config.ioreq_pages, 8));
    if (num(config.legacy_pages) === 1) {
      hvm.params[HVM_PARAM_IOREQ_PFN] = 0xfefe0;
      hvm.params[HVM_PARAM_BUFIOREQ_PFN] = 0xfefe1;
      hvm.ioreq_gfn.legacy_mask = (1 << HVM_PARAM_IOREQ_PFN) | (1 << HVM_PARAM_BUFIOREQ_PFN);
    }
    this.d.suspend_evtchn = num(config.suspend_evtchn);
    hvm.has_vpci = num(config.vpci) === 1;
    const fms = num(config.fms);
    const family = (fms >>> 8) & 15;
    hvm.cpuid.amd = num(config.amd) === 1;
    hvm.cpuid.family = family === 15 ? family + ((fms >>> 20) & 0xff) : family;
    this.#handlers = new TestHandlers(this.d, this.recorder);
    const vcpus = num(config.vcpus, 1);
    if (!Number.isInteger(vcpus) || vcpus < 0 || vcpus > MAX_VCPUS) {
      throw new ScenarioError(`${vcpus} vCPUs: expected 0 to ${MAX_VCPUS}`);
    }
    for (let i = 0; i < vcpus; i++) this.#addVcpu();
  }

  /** The complete state now. */
  dump(): JsonObject {
    return dumpState(this.d, this.#regs, this.#served, this.#withSuspended);
  }

  /** Gives the CPUs back, the newest first. */
  [Symbol.dispose](): void {
    for (const cpu of this.#cpus.splice(0).reverse()) cpu[Symbol.dispose]?.();
  }

  /** Executes one operation with its injections; results as the recordings have them. */
  execute(op: Operation): Result {
    this.recorder.events = [];
    this.#injections = injectionsOf(op).map((injection) => ({ injection, fired: false }));
    this.#hits.clear();
    const result = this.#operation(op);
    const unfired = this.#injections.some(({ fired }) => !fired);
    this.#injections = [];
    return unfired ? { ...result, unfired: true } : result;
  }

  #host(revision: XenRevision, config: Operation): XenHost {
    return createXenHost({
      revision,
      trace: this.recorder,
      points: { hit: (point, curr) => this.#hit(point, curr) },
      evtchn_alloc: () => {
        if (this.#failEvtchn > 0 && --this.#failEvtchn === 0) return -ENOSPC;
        return this.#nextPort++;
      },
      alloc: (what) => this.#alloc(what),
      map_ring_page: (_d, gfn) => this.#mapRing(gfn),
      guest_physmap_remove_page: () => {
        const failed = this.#failPhysmap;
        this.#failPhysmap = false;
        return failed ? -1 : 0;
      },
      vpci_process_pending: () => this.#vpciPending,
      nb_cfg_cf8_ext: () =>
        num(config.nb_cfg_rc) === 0 && ((big(config.nb_cfg) >> 46n) & 1n) === 1n,
    });
  }

  #alloc(what: AllocKind): boolean {
    if (what === 'heap') return this.#failAlloc < 0 || this.#failAlloc-- !== 0;
    if (this.#failFrame !== what) return true;
    this.#failFrame = '';
    return false;
  }

  #mapRing(gfn: number): Uint8Array | number {
    if (this.#failRing !== 0) {
      const errno = this.#failRing;
      this.#failRing = 0;
      return -errno;
    }
    if (gfn * PAGE < RAM_BYTES) return this.ram.bytes.subarray(gfn * PAGE, (gfn + 1) * PAGE);
    const page = this.#rings.get(gfn) ?? newSharedPage();
    this.#rings.set(gfn, page);
    return page;
  }

  #addVcpu(): vcpu {
    const id = this.d.vcpu.length;
    const cpu = this.#cpuFactory?.(this.ram, this.d, id);
    if (cpu !== undefined) this.#cpus.push(cpu);
    const regs = cpu?.regs ?? new PlainRegs();
    regs.set('rip', 0x1000n);
    regs.set('rsp', 0x8000n);
    regs.set('rflags', 2n);
    this.#regs[id] = regs;
    const v = vcpu_create(this.d, regs);
    v.arch.hvm.cpu = cpu?.insn ?? null;
    return v;
  }

  #hit(point: PointName, _curr: vcpu): void {
    if (this.#injecting || this.#injections.length === 0) return;
    const count = (this.#hits.get(point) ?? 0) + 1;
    this.#hits.set(point, count);
    for (const entry of this.#injections) {
      const { injection } = entry;
      if (entry.fired || injection.at !== point || injection.nth !== count) continue;
      entry.fired = true;
      this.#injecting = true;
      for (const op of injection.do) {
        this.recorder.add('point', { at: point, do: op.op });
        this.#operation(op);
      }
      this.#injecting = false;
    }
  }

  #vcpu(op: Operation): vcpu {
    const v = this.d.vcpu[num(op.vcpu)];
    if (v === undefined)
      throw new ScenarioError(`scenario names vCPU ${String(op.vcpu)}, which does not exist`);
    return v;
  }

  #operation(op: Operation): Result {
    if (!GUEST_OPS.has(op.op)) return this.#outside(op);
    const v = this.#vcpu(op);
    const insn = op.op === 'step' ? this.#programAt(v) : op;
    if (insn === undefined) return { ret: 'no_insn' };
    const at: Result = op.op === 'step' ? { rip: hex(v.regs.eip) } : {};
    if (!v.in_guest && num(op.same_exit) !== 1) return { ret: 'skipped', ...at };
    const result = op.op === 'step' ? { ...at, ...this.#exit(insn, v) } : this.#inside(op, v);
    vcpu_check_softirqs(v);
    return result;
  }

  #caller(op: Operation): number {
    return op.as === 'other' ? OTHER : EMULATOR;
  }

  /** Operations of other domains, and of the environment. */
  #outside(op: Operation): Result {
    const { d } = this;
    const id = num(op.id);
    const caller = this.#caller(op);
    switch (op.op) {
      case 'server_create': {
        this.#failEvtchn = num(op.fail_evtchn);
        this.#failAlloc = num(op.fail_alloc, -1);
        const rc = hvm_create_ioreq_server(d, caller, num(op.bufioreq));
        this.#failAlloc = -1;
        this.#failEvtchn = 0;
        return rc < 0 ? { ret: rc } : { ret: 0, id: rc };
      }
      case 'server_destroy':
        return { ret: hvm_destroy_ioreq_server(d, caller, id) };
      case 'server_info': {
        this.#failRing = num(op.fail_ring);
        const info: JsonObject = {};
        const rc = hvm_get_ioreq_server_info(d, caller, id, num(op.gfns) === 1, info);
        this.#failRing = 0;
        return rc === 0 ? { ret: rc, ...info } : { ret: rc };
      }
      case 'server_frame': {
        this.#failFrame = String(op.fail ?? '');
        const page = hvm_get_ioreq_server_frame(d, caller, id, num(op.idx));
        this.#failFrame = '';
        return { ret: typeof page === 'number' ? page : 0 };
      }
      case 'server_map':
      case 'server_unmap': {
        const change =
          op.op === 'server_map'
            ? hvm_map_io_range_to_ioreq_server
            : hvm_unmap_io_range_from_ioreq_server;
        return { ret: change(d, caller, id, num(op.type), num(op.start), num(op.end)) };
      }
      case 'server_state':
        this.#failPhysmap = num(op.fail_physmap) === 1;
        return { ret: hvm_set_ioreq_server_state(d, caller, id, num(op.enabled) !== 0) };
      case 'server_map_mem':
        if (op.entry_count !== undefined) d.arch.hvm.p2m.ioreq_entry_count = num(op.entry_count);
        return {
          ret: hvm_map_mem_type_to_ioreq_server(d, caller, id, num(op.memtype), num(op.flags)),
        };
      case 'vcpu_add': {
        const v = this.#addVcpu();
        this.#failEvtchn = num(op.fail_evtchn);
        const rc = hvm_all_ioreq_servers_add_vcpu(d, v);
        this.#failEvtchn = 0;
        return { ret: rc };
      }
      case 'vcpu_remove_servers':
        hvm_all_ioreq_servers_remove_vcpu(d, this.#vcpu(op));
        return OK;
      case 'destroy_all_servers':
        d.is_dying = true;
        hvm_destroy_all_ioreq_servers(d);
        return OK;
      case 'set_dying':
        d.is_dying = num(op.v) !== 0;
        return OK;
      case 'is_server_page':
        return { ret: is_ioreq_server_page(d, this.#pageOf(id, num(op.buf) !== 0)) ? 1 : 0 };
      case 'select': {
        const p = this.#request(op);
        const s = hvm_select_ioreq_server(d, p);
        return { ret: s === null ? -1 : s.id, type: p.type, addr: hex(p.addr) };
      }
      default:
        return this.#environment(op);
    }
  }

  /** The recordings override what a frame is found to be; the count of entries is its own operand. */
  #setP2m(gfn: number, n: number, type: number): void {
    const { p2m } = this.d.arch.hvm;
    const count = p2m.ioreq_entry_count;
    p2m.set_type(gfn, n, type);
    p2m.ioreq_entry_count = count;
  }

  #pageOf(id: number, buffered: boolean): Uint8Array | null {
    const s = get_ioreq_server(this.d, id);
    if (s === null) return this.#orphan;
    return (buffered ? s.bufioreq.va?.bytes : s.ioreq.va?.bytes) ?? null;
  }

  #request(op: Operation): ioreq_t {
    const p = newIoreq();
    p.type = num(op.type);
    p.addr = num(op.addr);
    p.size = num(op.size);
    p.count = num(op.count, 1);
    p.dir = num(op.rd) !== 0 ? IOREQ_READ : IOREQ_WRITE;
    p.df = num(op.df) !== 0;
    const data = big(op.data);
    p.data = Number(data & 0xffffffffn);
    p.data_hi = Number(data >> 32n);
    p.data_is_ptr = num(op.data_is_ptr) !== 0;
    p.state = num(op.state);
    return p;
  }

  #environment(op: Operation): Result {
    const { d } = this;
    switch (op.op) {
      case 'portio_register':
        this.#handlers.registerPort(
          num(op.port),
          num(op.size),
          num(op.kind),
          num(op.n),
          big(op.val),
        );
        return OK;
      case 'portio_relocate':
        return { ret: relocate_portio_handler(d, num(op.old), num(op.new), num(op.size)) ? 1 : 0 };
      case 'mmio_register':
        if (num(op.kind) === 4) this.#handlers.registerBuffering(num(op.start), num(op.size));
        else {
          this.#handlers.registerMmio(
            num(op.start),
            num(op.size),
            num(op.kind),
            num(op.n),
            big(op.val),
          );
        }
        return OK;
      case 'mmio_internal':
        return { ret: hvm_mmio_internal(this.#vcpu(op), num(op.gpa)) ? 1 : 0 };
      case 'set_p2m':
        this.#setP2m(num(op.gfn), num(op.n, 1), num(op.type));
        return OK;
      case 'write_mem':
        this.ram.writeBytes(num(op.gpa), bytesOf(String(op.hex)));
        return OK;
      case 'set_regs':
        this.#loadRegs(op, num(op.vcpu));
        return OK;
      case 'prog':
        this.#storeInsn(op, num(op.rip));
        this.#programs.push(op);
        return OK;
      case 'set_vpci_pending':
        this.#vpciPending = num(op.v) !== 0;
        return OK;
      case 'shutdown':
        return { ret: domain_shutdown(d, num(op.reason)) };
      case 'shutdown_code':
        domain_shutdown_code(d, num(op.reason));
        return OK;
      case 'crash':
        domain_crash(d, 'asked for by the scenario');
        return OK;
      case 'resume':
        domain_resume(d);
        return OK;
      default:
        return this.#ofVcpu(op);
    }
  }

  /** Operations on a vCPU from outside, and device-model operations. */
  #ofVcpu(op: Operation): Result {
    switch (op.op) {
      case 'pause_vcpu':
        vcpu_pause_nosync(this.#vcpu(op));
        return OK;
      case 'unpause_vcpu':
        vcpu_unpause(this.#vcpu(op));
        return OK;
      case 'kick':
        vcpu_kick(this.#vcpu(op));
        return OK;
      case 'cancel':
        hvmemul_cancel(this.#vcpu(op));
        return OK;
      case 'vcpu_end_deferral':
        vcpu_end_shutdown_deferral(this.#vcpu(op));
        return OK;
      case 'io_pending':
        return { ret: hvm_io_pending(this.#vcpu(op)) ? 1 : 0 };
      case 'run': {
        const count = { resumes: 0 };
        const outcome = schedule_vcpu(this.#vcpu(op), count);
        return outcome === 'loop' ? { ret: outcome } : { ret: outcome, resumes: count.resumes };
      }
      case 'dm':
        return this.#dm(op);
      case 'dm_answer':
        return this.#dmAnswer(op);
      case 'dm_buf':
        return this.#dmBuf(op);
      default:
        throw new ScenarioError(`unknown operation '${op.op}'`);
    }
  }

  #dm(op: Operation): Result {
    const s = get_ioreq_server(this.d, num(op.server));
    const v = this.#vcpu(op);
    const slot = s === null ? null : get_ioreq(s, v);
    if (slot === null) return { ret: -1 };
    if (op.data !== undefined) {
      const data = big(op.data);
      slot.setData(Number(data & 0xffffffffn), Number(data >> 32n));
    }
    if (op.addr !== undefined) slot.setAddr(num(op.addr));
    if (op.count !== undefined) slot.setCount(num(op.count));
    if (op.eport !== undefined) slot.setVpEport(num(op.eport));
    if (op.state !== undefined) slot.setState(num(op.state));
    if (num(op.notify) !== 0) xen_event_channel_signalled(v);
    return OK;
  }

  #dmAnswer(op: Operation): Result {
    const id = num(op.server);
    const s = get_ioreq_server(this.d, id);
    const v = this.#vcpu(op);
    const slot = s === null ? null : get_ioreq(s, v);
    if (slot === null) return { ret: -1 };
    const state = slot.state();
    if (state !== STATE_IOREQ_READY && state !== STATE_IOREQ_INPROCESS) return OK;
    slot.setState(STATE_IOREQ_INPROCESS);
    const p = newIoreq();
    slot.read(p);
    const n = this.#served[id] ?? 0;
    const value = BigInt.asUintN(64, big(op.base) + BigInt(n));
    if (p.dir === IOREQ_READ && !p.data_is_ptr) {
      const cut = BigInt.asUintN(8 * p.size, value);
      p.data = Number(cut & 0xffffffffn);
      p.data_hi = Number(cut >> 32n);
      slot.setData(p.data, p.data_hi);
    } else if (p.dir === IOREQ_READ) {
      this.#storeElements(p, value);
    }
    this.#served[id] = n + 1;
    this.recorder.add('dm_served', { server: id, vcpu: v.vcpu_id, n, ...requestEvent(p) });
    slot.setState(STATE_IORESP_READY);
    if (num(op.notify, 1) !== 0) xen_event_channel_signalled(v);
    return { ret: 1 };
  }

  #storeElements(p: ioreq_t, first: bigint): void {
    const step = p.df ? -p.size : p.size;
    const base = p.data_hi * 2 ** 32 + p.data;
    for (let i = 0; i < p.count; i++) {
      const value = first + BigInt(i);
      for (let byte = 0; byte < p.size; byte++) {
        const gpa = base + step * i + byte;
        if (this.ram.contains(gpa, 1)) {
          this.ram.write(gpa, 1, Number((value >> BigInt(8 * byte)) & 0xffn));
        }
      }
    }
  }

  #dmBuf(op: Operation): Result {
    const ring = get_ioreq_server(this.d, num(op.server))?.bufioreq.va ?? null;
    if (ring === null) return { ret: -1 };
    if (op.read_pointer !== undefined) ring.setReadPointer(num(op.read_pointer));
    if (op.write_pointer !== undefined) ring.setWritePointer(num(op.write_pointer));
    if (num(op.consume_all) !== 0) ring.setReadPointer(ring.write_pointer());
    return OK;
  }

  #loadRegs(op: Operation, vcpu: number): void {
    const regs = this.#regs[vcpu] as ReplayRegs;
    for (const name of REGISTER_NAMES) {
      if (op[name] !== undefined) regs.set(name as RegisterName, big(op[name]));
    }
  }

  #storeInsn(op: Operation, rip: number): void {
    if (op.bytes !== undefined) this.ram.writeBytes(rip, bytesOf(String(op.bytes)));
  }

  /** Guest operations: `v` is the current vCPU. */
  #inside(op: Operation, v: vcpu): Result {
    const p = this.#request(op);
    switch (op.op) {
      case 'sched_shutdown':
        return { ret: domain_shutdown(this.d, num(op.reason)) };
      case 'pio':
        return this.#exit({ ...op, exit: 'pio' }, v);
      case 'insn':
        this.#storeInsn(op, v.regs.eip);
        return this.#exit(op, v);
      case 'timeoffset': {
        const value = big(op.value);
        send_timeoffset_req(
          v,
          Number(value & 0xffffffffn),
          Number(BigInt.asUintN(64, value) >> 32n),
        );
        return OK;
      }
      case 'invalidate':
        send_invalidate_req(v);
        return OK;
      case 'broadcast':
        p.size = num(op.size, 4);
        return { ret: hvm_broadcast_ioreq(v, p, num(op.buffered) !== 0) };
      case 'send_buffered': {
        const s = get_ioreq_server(this.d, num(op.server));
        if (s === null) return { ret: -1 };
        return { ret: X86EMUL_NAMES[hvm_send_ioreq(v, s, p, true)] };
      }
      default:
        return this.#direct(op, v);
    }
  }

  /** The instruction defined at the vCPU's RIP. */
  #programAt(v: vcpu): Operation | undefined {
    const { eip } = v.regs;
    return this.#programs.findLast(
      (entry) => num(entry.vcpu) === v.vcpu_id && num(entry.rip) === eip,
    );
  }

  /** Executes one guest instruction by its kind of exit. */
  #exit(insn: Operation, v: vcpu): Result {
    const { eip } = v.regs;
    const dir: ioreq_dir = insn.dir === 'in' ? IOREQ_READ : IOREQ_WRITE;
    let ret: JsonObject['ret'];
    switch (insn.exit) {
      case 'none':
        this.#loadRegs(insn, v.vcpu_id);
        v.regs.eip = eip + num(insn.len);
        return { ret: 'ok' };
      case 'pio': {
        const advanced = vmexit_pio(v, num(insn.port), num(insn.size), dir, num(insn.len));
        return { ret: advanced, rip_advanced: advanced };
      }
      case 'pio_string':
        ret = vmexit_pio_string(v);
        break;
      case 'mmio': {
        const gpa = num(insn.gpa);
        ret = vmexit_mmio(v, gpa, gpa, num(insn.write) !== 0, num(insn.gla_valid) !== 0);
        break;
      }
      case 'realmode':
        vmexit_realmode(v);
        ret = 'done';
        break;
      default:
        ret = X86EMUL_NAMES[vmexit_emulate(v)];
    }
    return { ret: ret as string | boolean, rip_advanced: v.regs.eip !== eip };
  }

  /** Direct calls of the do_io layer. */
  #direct(op: Operation, v: vcpu): Result {
    const size = num(op.size);
    const addr = num(op.addr);
    const dir: ioreq_dir = op.dir === 'r' ? IOREQ_READ : IOREQ_WRITE;
    const buffer = new Uint8Array(Math.max(size, 64));
    if (op.hex !== undefined) buffer.set(bytesOf(String(op.hex)).subarray(0, buffer.length));
    if (op.op === 'fn_linear_mmio') {
      const rc = hvmemul_linear_mmio_access(v, addr, size, dir, buffer, false);
      return { ret: X86EMUL_NAMES[rc], reps: 1, buf: hexOf(buffer.subarray(0, size)) };
    }
    const mmio = num(op.mmio) !== 0;
    const df = num(op.df) !== 0;
    const reps = { reps: num(op.reps, 1) };
    if (op.op === 'fn_do_io_addr') {
      const rc = hvmemul_do_io_addr(v, mmio, addr, reps, size, dir, df, num(op.gpa));
      return { ret: X86EMUL_NAMES[rc], reps: reps.reps };
    }
    const data = { data: 0, data_hi: 0 };
    if (num(op.is_addr) !== 0) {
      gpaToValue(num(op.gpa), data);
      const rc = hvmemul_do_io(v, mmio, addr, reps, size, dir, df, true, data);
      return { ret: X86EMUL_NAMES[rc], reps: reps.reps };
    }
    bytesToValue(buffer, data, 8);
    const call = op.op === 'fn_do_io' ? hvmemul_do_io : null;
    const rc =
      call === null
        ? hvmemul_do_io_buffer(v, mmio, addr, reps, size, dir, df, data)
        : call(v, mmio, addr, reps, size, dir, df, false, data);
    valueToBytes(data, buffer, 8);
    // A value holds eight bytes; a refused read of more fills the rest of Xen's buffer as well.
    if (size > 8 && call === null && rc === X86EMUL_UNHANDLEABLE && dir === IOREQ_READ) {
      buffer.fill(0xff, 8, size);
    }
    return { ret: X86EMUL_NAMES[rc], reps: reps.reps, buf: hexOf(buffer.subarray(0, size)) };
  }
}
