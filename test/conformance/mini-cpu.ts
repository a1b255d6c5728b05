// SPDX-License-Identifier: GPL-2.0-only
// A CPU for the instructions of the recordings and no others: 32-bit flat protected mode, paging off.
// It runs an instruction anew on every advance, from recorded answers; nothing is kept between.
import type { GuestRam } from '../../src/mem/guest-ram.ts';
import type { domain } from '../../src/xen/common/sched.ts';
import { hvm_mmio_internal } from '../../src/xen/hvm/io_handler.ts';
import { p2m_ioreq_server, p2m_ram_shared } from '../../src/xen/hvm/p2m.ts';
import {
  INSN_MEM_ACCESS,
  INSN_PORTIO,
  type insn_access,
  type insn_class,
  type insn_cpu,
  type insn_exception,
  type insn_step,
  type StringOp,
} from '../../src/xen/hvm/x86_emulate.ts';
import { IOREQ_READ, IOREQ_WRITE, type ioreq_dir } from '../../src/xen/public/hvm_ioreq.ts';
import type { ReplayCpu } from './machine.ts';
import { PlainRegs, type RegisterName } from './registers.ts';

const PAGE = 4096;
const GENERAL = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'] as const;
const FLAG = { cf: 1, pf: 4, af: 16, zf: 64, sf: 128, of: 2048 } as const;
const DF = 1024;

/** Thrown when the instruction needs an access that has no answer yet. */
class NeedAccess {}
/** Thrown for a fault of the instruction. */
class Fault {
  readonly exception: insn_exception;
  constructor(vector: number, ec: number) {
    this.exception = { vector, ec };
  }
}

interface Decoded {
  /** Opcode; two-byte ones as 0x0fxx. */
  op: number;
  rep: boolean;
  lock: boolean;
  /** Operand size in bytes: 2 or 4, or 1 for byte forms. */
  size: 1 | 2 | 4;
  /** The disp32 or moffs operand. */
  address: number;
  /** ModRM.reg. */
  reg: number;
  length: number;
}

/** How many pieces an access over a page end has: none is ever larger than what is left of the page. */
function pieceAt(gpa: number, left: number): number {
  return Math.min(left, PAGE - (gpa % PAGE));
}

export class MiniCpu implements insn_cpu {
  readonly regs: PlainRegs;
  readonly #ram: GuestRam;
  readonly #d: domain;
  readonly #vcpu: number;
  #list: readonly insn_access[] = [];
  #done = 0;
  #next = 0;
  #stores: { gpa: number; size: number; value: number }[] = [];
  #exception: insn_exception | null = null;

  constructor(ram: GuestRam, d: domain, vcpu: number) {
    this.#ram = ram;
    this.#d = d;
    this.#vcpu = vcpu;
    this.regs = new PlainRegs();
  }

  #get(name: RegisterName): number {
    return Number(this.regs.get(name) & 0xffffffffn);
  }

  #set(name: RegisterName, value: number): void {
    this.regs.set(name, BigInt(value >>> 0));
  }

  /** A register write of 1, 2 or 4 bytes; only the last clears what is above. */
  #setSized(name: RegisterName, size: number, value: number): void {
    if (size === 4) this.#set(name, value);
    else {
      const mask = size === 1 ? 0xffn : 0xffffn;
      this.regs.set(name, (this.regs.get(name) & ~mask) | (BigInt(value >>> 0) & mask));
    }
  }

  #decode(): Decoded {
    const rip = this.#get('rip');
    const byte = (offset: number): number => this.#ram.read(rip + offset, 1);
    let at = 0;
    let rep = false;
    let lock = false;
    let wide: 2 | 4 = 4;
    for (; ; at++) {
      const prefix = byte(at);
      if (prefix === 0xf3) rep = true;
      else if (prefix === 0xf0) lock = true;
      else if (prefix === 0x66) wide = 2;
      else break;
    }
    let op = byte(at++);
    if (op === 0x0f) op = 0x0f00 | byte(at++);
    const low = op & 0xff;
    const byteForm = op < 0x100 && low >= 0x6c && (low & 1) === 0 && low !== 0x8f;
    const size = byteForm || op === 0x08 ? 1 : wide;
    let address = 0;
    let reg = 0;
    if ([0x01, 0x08, 0x87, 0x8f, 0xf7, 0xff, 0x0fb1, 0x0fff].includes(op)) {
      reg = (byte(at++) >> 3) & 7;
      address = this.#ram.read(rip + at, 4);
      at += 4;
    } else if (op >= 0xa0 && op <= 0xa3) {
      address = this.#ram.read(rip + at, 4);
      at += 4;
    }
    return { op, rep, lock, size, address, reg, length: at };
  }

  string_op(): StringOp | null {
    const { op, rep, size, length } = this.#decode();
    const kinds: Record<number, StringOp['op']> = {
      108: 'ins',
      109: 'ins',
      110: 'outs',
      111: 'outs',
      164: 'movs',
      165: 'movs',
      170: 'stos',
      171: 'stos',
    };
    const kind = kinds[op];
    if (kind === undefined) return null;
    return {
      op: kind,
      size,
      rep,
      count: rep ? this.#get('rcx') : 1,
      df: (this.#get('rflags') & DF) !== 0,
      port: this.#get('rdx') & 0xffff,
      addrSize: 4,
      srcBase: 0,
      srcIndex: this.#get('rsi'),
      dstBase: 0,
      dstIndex: this.#get('rdi'),
      length,
    };
  }

  classify(): insn_class {
    const { op } = this.#decode();
    if (op >= 0x6c && op <= 0x6f) return INSN_PORTIO | INSN_MEM_ACCESS;
    if (op >= 0xec && op <= 0xef) return INSN_PORTIO;
    return op === 0x90 || op === 0x0f04 || op === 0x0fff ? 0 : INSN_MEM_ACCESS;
  }

  advance(list: readonly insn_access[], done: number): insn_step {
    this.#list = list;
    this.#done = done;
    this.#next = 0;
    this.#stores = [];
    const before = new Map(GENERAL.map((name) => [name, this.#peek(name)]));
    const rflags = this.regs.get('rflags');
    const rip = this.regs.get('rip');
    try {
      const step = this.#run(this.#decode());
      for (const { gpa, size, value } of this.#stores) this.#ram.write(gpa, size, value);
      return step;
    } catch (stop) {
      for (const [name, value] of before) if (name !== 'rbp') this.regs.set(name, value);
      this.regs.set('rflags', rflags);
      this.regs.set('rip', rip);
      if (stop instanceof NeedAccess) return 'access';
      if (!(stop instanceof Fault)) throw stop;
      this.#exception = stop.exception;
      return 'exception';
    }
  }

  #peek(name: (typeof GENERAL)[number]): bigint {
    return name === 'rbp' ? 0n : this.regs.get(name);
  }

  rollback(): void {
    // Nothing is kept between two advances.
  }

  take_exception(): insn_exception | null {
    return this.#exception;
  }

  protected_mode(): boolean {
    return true;
  }

  linear_to_phys(gla: number): number {
    return gla;
  }

  commit_string(op: StringOp, reps_done: number): void {
    this.#moveIndices(op, reps_done);
    if (op.rep) this.#set('rcx', op.count - reps_done);
    if (op.count === reps_done) this.regs.eip = this.regs.eip + op.length;
  }

  #moveIndices(op: StringOp, reps: number): void {
    const moved = reps * op.size * (op.df ? -1 : 1);
    if (op.op === 'outs' || op.op === 'movs') this.#set('rsi', op.srcIndex + moved);
    if (op.op !== 'outs') this.#set('rdi', op.dstIndex + moved);
  }

  /** One access: from the answers, or the next one to be asked for. */
  #access(is_pio: boolean, dir: ioreq_dir, gpa: number, size: number, data: number): number {
    const index = this.#next++;
    const access = this.#list[index] as insn_access;
    if (index < this.#done) return access.data;
    access.is_pio = is_pio;
    access.dir = dir;
    access.gla = gpa;
    access.gpa = gpa;
    access.size = size;
    access.data = data;
    access.data_hi = 0;
    throw new NeedAccess();
  }

  /** Whether the frame can be accessed without a device. */
  #isRam(gpa: number, write: boolean): boolean {
    const { p2m } = this.#d.arch.hvm;
    const v = this.#d.vcpu[this.#vcpu];
    if (v === undefined || !p2m.has_page(gpa)) return false;
    const type = p2m.type_at(gpa);
    if (type === p2m_ram_shared || (write && type === p2m_ioreq_server)) return false;
    return !hvm_mmio_internal(v, gpa - (gpa % PAGE));
  }

  #load(gpa: number, size: number): number {
    let value = 0;
    for (let done = 0; done < size; ) {
      const at = gpa + done;
      const piece = pieceAt(at, size - done);
      const part = this.#isRam(at, false)
        ? this.#loadRam(at, piece)
        : this.#access(false, IOREQ_READ, at, piece, 0);
      value |= part << (8 * done);
      done += piece;
    }
    return value >>> 0;
  }

  #loadRam(gpa: number, size: number): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.#ram.read(gpa + i, 1) << (8 * i);
    return value;
  }

  #store(gpa: number, size: number, value: number): void {
    for (let done = 0; done < size; ) {
      const at = gpa + done;
      const piece = pieceAt(at, size - done);
      const part = piece === 4 ? value >>> 0 : (value >>> (8 * done)) & ((1 << (8 * piece)) - 1);
      if (this.#isRam(at, true)) {
        for (let i = 0; i < piece; i++) {
          this.#stores.push({ gpa: at + i, size: 1, value: (part >>> (8 * i)) & 0xff });
        }
      } else this.#access(false, IOREQ_WRITE, at, piece, part);
      done += piece;
    }
  }

  #register(index: number, size: number): number {
    const value = this.#get(GENERAL[index] as RegisterName);
    return size === 4 ? value : value & ((1 << (8 * size)) - 1);
  }

  #setFlags(set: number): void {
    const all = FLAG.cf | FLAG.pf | FLAG.af | FLAG.zf | FLAG.sf | FLAG.of;
    this.#set('rflags', (this.#get('rflags') & ~all) | set);
  }

  #resultFlags(result: number, size: number): number {
    const bits = 8 * size;
    const cut = size === 4 ? result >>> 0 : result & ((1 << bits) - 1);
    let ones = 0;
    for (let i = 0; i < 8; i++) ones += (cut >> i) & 1;
    return (
      (ones % 2 === 0 ? FLAG.pf : 0) |
      (cut === 0 ? FLAG.zf : 0) |
      ((cut >>> (bits - 1)) & 1 ? FLAG.sf : 0)
    );
  }

  #add(a: number, b: number, size: number): number {
    const bits = 8 * size;
    const full = a + b;
    const result = size === 4 ? full >>> 0 : full & ((1 << bits) - 1);
    let flags = this.#resultFlags(result, size);
    if (full >= 2 ** bits) flags |= FLAG.cf;
    if (((a ^ b ^ result) & 16) !== 0) flags |= FLAG.af;
    if ((((a ^ result) & (b ^ result)) >>> (bits - 1)) & 1) flags |= FLAG.of;
    this.#setFlags(flags);
    return result;
  }

  #compare(a: number, b: number, size: number): void {
    const bits = 8 * size;
    const result = size === 4 ? (a - b) >>> 0 : (a - b) & ((1 << bits) - 1);
    let flags = this.#resultFlags(result, size);
    if (a < b) flags |= FLAG.cf;
    if (((a ^ b ^ result) & 16) !== 0) flags |= FLAG.af;
    if ((((a ^ b) & (a ^ result)) >>> (bits - 1)) & 1) flags |= FLAG.of;
    this.#setFlags(flags);
  }

  #run(insn: Decoded): insn_step {
    const { op, size, address, reg, length, lock, rep } = insn;
    const string = this.string_op();
    const port = this.#get('rdx') & 0xffff;
    if (string !== null) {
      if (string.count > 0) this.#element(string);
      if (string.count > 0 && rep) this.#set('rcx', string.count - 1);
      if (string.count <= 1) this.regs.eip = this.regs.eip + length;
      return 'retired';
    }
    switch (op) {
      case 0x90:
        break;
      case 0x0f04:
        return 'unrecognized';
      case 0x0fff:
        throw new Fault(6, -1);
      case 0xec:
      case 0xed:
        this.#setSized('rax', size, this.#access(true, IOREQ_READ, port, size, 0));
        break;
      case 0xee:
      case 0xef:
        this.#access(true, IOREQ_WRITE, port, size, this.#register(0, size));
        break;
      case 0xa0:
      case 0xa1:
        this.#setSized('rax', size, this.#load(address, size));
        break;
      case 0xa2:
      case 0xa3:
        if (lock) throw new Fault(6, -1);
        this.#store(address, size, this.#register(0, size));
        break;
      default:
        this.#modify(op, size, address, reg);
    }
    this.regs.eip = this.regs.eip + length;
    return 'retired';
  }

  /** Instructions that read and write a memory operand. */
  #modify(op: number, size: number, address: number, reg: number): void {
    const source = this.#register(reg, size);
    const rsp = this.#get('rsp');
    switch (op) {
      case 0x01:
        this.#store(address, size, this.#add(this.#load(address, size), source, size));
        return;
      case 0x08: {
        const result = this.#load(address, size) | source;
        this.#setFlags(this.#resultFlags(result, size));
        this.#store(address, size, result >>> 0);
        return;
      }
      case 0x87: {
        const old = this.#load(address, size);
        this.#store(address, size, source);
        this.#setSized(GENERAL[reg] as RegisterName, size, old);
        return;
      }
      case 0x8f:
        this.#store(address, size, this.#load(rsp, size));
        this.#set('rsp', rsp + size);
        return;
      case 0xf7:
        this.#store(address, size, ~this.#load(address, size) >>> 0);
        return;
      case 0xff:
        this.#store(rsp - size, size, this.#load(address, size));
        this.#set('rsp', rsp - size);
        return;
      case 0x0fb1: {
        const old = this.#load(address, size);
        const accumulator = this.#register(0, size);
        this.#compare(accumulator, old, size);
        if (old === accumulator) this.#store(address, size, source);
        else this.#setSized('rax', size, old);
        return;
      }
      default:
        throw new Error(`no instruction of the recordings: opcode 0x${op.toString(16)}`);
    }
  }

  /** One element of a string instruction. */
  #element(op: StringOp): void {
    let value: number;
    switch (op.op) {
      case 'ins':
        value = this.#access(true, IOREQ_READ, op.port, op.size, 0);
        this.#store(op.dstIndex, op.size, value);
        break;
      case 'outs':
        value = this.#load(op.srcIndex, op.size);
        this.#access(true, IOREQ_WRITE, op.port, op.size, value);
        break;
      case 'movs':
        this.#store(op.dstIndex, op.size, this.#load(op.srcIndex, op.size));
        break;
      default:
        this.#store(op.dstIndex, op.size, this.#register(0, op.size));
    }
    this.#moveIndices(op, 1);
  }
}

/** CPUs for replaying group B. */
export function miniCpu(ram: GuestRam, d: domain, vcpu: number): ReplayCpu {
  const cpu = new MiniCpu(ram, d, vcpu);
  return { insn: cpu, regs: cpu.regs };
}
