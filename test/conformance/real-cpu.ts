// SPDX-License-Identifier: GPL-2.0-only
// The real CPU host for the instructions of the recordings: 32-bit flat protected mode, paging off.
// Its RAM is fixed when it is made, so it is made anew when the domain's memory map has changed.
import { RAX, RBX, RCX, RDI, RDX, RSI, RSP, SEG_CS } from '../../src/cpu/backend.ts';
import { InsnCpu } from '../../src/cpu/insn-cpu.ts';
import { type RamSegment, UnicornCpu } from '../../src/cpu/unicorn.ts';
import type { GuestRam, HostWriteListener } from '../../src/mem/guest-ram.ts';
import type { domain } from '../../src/xen/common/sched.ts';
import { hvm_find_io_handler } from '../../src/xen/hvm/io_handler.ts';
import { p2m_ioreq_server, p2m_ram_ro, p2m_ram_shared } from '../../src/xen/hvm/p2m.ts';
import type {
  insn_access,
  insn_class,
  insn_cpu,
  insn_exception,
  insn_step,
  StringOp,
} from '../../src/xen/hvm/x86_emulate.ts';
import { IOREQ_READ, IOREQ_TYPE_COPY, newIoreq } from '../../src/xen/public/hvm_ioreq.ts';
import type { ReplayCpu } from './machine.ts';
import type { RegisterName, ReplayRegs } from './registers.ts';

const PAGE = 4096;
const LOW = 0xffffffffn;
const PROTECTED_MODE = 0x60000011;

/** What a frame is to the CPU: everything but plain memory becomes an access that the port decides. */
type FrameKind = 0 | 1 | 2;
const DEVICE = 0;
const WRITABLE = 1;
const READ_ONLY = 2;

const GPR: Partial<Record<RegisterName, number>> = {
  rax: RAX,
  rbx: RBX,
  rcx: RCX,
  rdx: RDX,
  rsi: RSI,
  rdi: RDI,
  rsp: RSP,
};

/** The RAM segments of a map with one kind per frame. */
function segmentsOf(map: Uint8Array): RamSegment[] {
  const segments: RamSegment[] = [];
  for (let first = 0; first < map.length; ) {
    let next = first + 1;
    while (map[next] === map[first]) next++;
    if (map[first] !== DEVICE) {
      const gpa = first * PAGE;
      const bytes = (next - first) * PAGE;
      segments.push({ gpa, bytes, offset: gpa, writable: map[first] === WRITABLE });
    }
    first = next;
  }
  return segments;
}

/** The registers of a `RealCpu`. Writing one takes an instruction in progress back to its start. */
class RealRegs implements ReplayRegs {
  readonly #cpu: RealCpu;

  constructor(cpu: RealCpu) {
    this.#cpu = cpu;
  }

  get(name: RegisterName): bigint {
    const { regs } = this.#cpu.host;
    const index = GPR[name];
    if (index !== undefined) return (BigInt(regs.gprHigh(index)) << 32n) | BigInt(regs.gpr(index));
    return BigInt(name === 'rip' ? regs.rip : regs.rflags);
  }

  set(name: RegisterName, value: bigint): void {
    this.#cpu.restart();
    const { regs } = this.#cpu.host;
    const index = GPR[name];
    const low = Number(value & LOW);
    if (index !== undefined) regs.setGpr(index, low, Number((value >> 32n) & LOW));
    else if (name === 'rip') regs.rip = low;
    else regs.rflags = low;
  }

  get eax(): number {
    return this.#cpu.host.regs.gpr(RAX);
  }

  set eax(value: number) {
    this.set('rax', (this.get('rax') & ~LOW) | BigInt(value >>> 0));
  }

  get rax_hi(): number {
    return this.#cpu.host.regs.gprHigh(RAX);
  }

  set rax_hi(value: number) {
    this.set('rax', (this.get('rax') & LOW) | (BigInt(value >>> 0) << 32n));
  }

  get eip(): number {
    return this.#cpu.host.regs.rip;
  }

  set eip(value: number) {
    this.set('rip', BigInt(value >>> 0));
  }
}

class RealCpu implements insn_cpu, Disposable {
  readonly regs = new RealRegs(this);
  /** The CPU as made for the memory map of the last instruction. */
  host: UnicornCpu;
  readonly #ram: GuestRam;
  readonly #d: domain;
  readonly #vcpu: number;
  /** Who listened to host writes before this CPU did. */
  readonly #listener: HostWriteListener | null;
  readonly #probe = newIoreq();
  #insn: InsnCpu;
  #map: Uint8Array;

  constructor(ram: GuestRam, d: domain, vcpu: number) {
    this.#ram = ram;
    this.#d = d;
    this.#vcpu = vcpu;
    this.#listener = ram.onHostWrite;
    this.#probe.type = IOREQ_TYPE_COPY;
    this.#probe.count = 1;
    this.#probe.size = 1;
    this.#probe.dir = IOREQ_READ;
    this.#map = this.#mapNow();
    this.host = this.#make();
    const { regs } = this.host;
    regs.setControl(0, PROTECTED_MODE);
    for (let index = 0; index < 6; index++) {
      const [selector, attributes] = index === SEG_CS ? [0x08, 0xc09b00] : [0x10, 0xc09300];
      regs.setSegment(index, { selector, base: 0, limit: 0xffffffff, attributes });
    }
    for (let index = 0; index < 8; index++) regs.setGpr(index, 0);
    this.#insn = new InsnCpu(this.host);
  }

  #make(): UnicornCpu {
    const host = new UnicornCpu(this.#ram, segmentsOf(this.#map));
    host.catchExceptions = true;
    return host;
  }

  #kindOf(gpa: number): FrameKind {
    const { p2m } = this.#d.arch.hvm;
    const type = p2m.type_at(gpa);
    if (!p2m.has_page(gpa) || type === p2m_ioreq_server || type === p2m_ram_shared) return DEVICE;
    const v = this.#d.vcpu[this.#vcpu];
    this.#probe.addr = gpa;
    // As hvm_mmio_internal, but without the handler hearing of it: this is no access.
    if (v !== undefined && hvm_find_io_handler(v, this.#probe) !== null) return DEVICE;
    return type === p2m_ram_ro ? READ_ONLY : WRITABLE;
  }

  #mapNow(): Uint8Array {
    return Uint8Array.from({ length: this.#ram.sizeBytes / PAGE }, (_, gfn) =>
      this.#kindOf(gfn * PAGE),
    );
  }

  /** Makes the CPU anew if the memory map is another than when it was made; registers are kept. */
  #followMap(): void {
    const map = this.#mapNow();
    if (map.every((kind, gfn) => kind === this.#map[gfn])) return;
    this.#map = map;
    const state = this.host.save();
    this.host[Symbol.dispose]();
    this.host = this.#make();
    this.host.restore(state);
    this.#insn = new InsnCpu(this.host);
  }

  /** An instruction in progress is back at its start; the next `advance` repeats it from the list. */
  restart(): void {
    if (this.#insn.begun) this.#insn.rollback();
  }

  string_op(): StringOp | null {
    this.#followMapBetween();
    return this.#insn.string_op();
  }

  classify(): insn_class {
    this.#followMapBetween();
    return this.#insn.classify();
  }

  /** Before an instruction is looked at: what the CPU remembers of it must outlive its decoding. */
  #followMapBetween(): void {
    if (!this.#insn.begun) this.#followMap();
  }

  advance(list: readonly insn_access[], done: number): insn_step {
    this.#followMap();
    return this.#insn.advance(list, done);
  }

  rollback(): void {
    this.#insn.rollback();
  }

  take_exception(): insn_exception | null {
    return this.#insn.take_exception();
  }

  protected_mode(): boolean {
    return this.#insn.protected_mode();
  }

  commit_string(op: StringOp, reps_done: number): void {
    this.#insn.commit_string(op, reps_done);
  }

  linear_to_phys(gla: number, write: boolean): number {
    return this.#insn.linear_to_phys(gla, write);
  }

  [Symbol.dispose](): void {
    this.host[Symbol.dispose]();
    this.#ram.onHostWrite = this.#listener;
  }
}

/** CPUs of the native addon, for replaying group B. */
export function realCpu(ram: GuestRam, d: domain, vcpu: number): ReplayCpu {
  const cpu = new RealCpu(ram, d, vcpu);
  return { insn: cpu, regs: cpu.regs, [Symbol.dispose]: () => cpu[Symbol.dispose]() };
}
