// SPDX-License-Identifier: GPL-2.0-only
// The real CPU in the part of Xen's x86_emulate(): one instruction, access by access.
import type {
  insn_access,
  insn_class,
  insn_cpu,
  insn_exception,
  insn_step,
  StringOp,
} from '../xen/hvm/x86_emulate.ts';
import { IOREQ_READ, IOREQ_WRITE } from '../xen/public/hvm_ioreq.ts';
import {
  EXIT_BOUNDARY,
  EXIT_EXCEPTION,
  EXIT_MMIO,
  EXIT_PIO,
  EXIT_PIO_STRING,
  type ExitReason,
  RAX,
  RCX,
  RDI,
  RDX,
  RSI,
  SEG_CS,
} from './backend.ts';
import {
  classifyInsn,
  INSN_MEM_ACCESS,
  INSN_PORTIO,
  isCompareExchange,
  raisesInvalidOpcode,
} from './classify.ts';
import type { MachineCpu } from './machine-cpu.ts';

const TRAP_FLAG = 0x100;
const PROTECTION_ENABLE = 1;
const INVALID_OPCODE = 6;
const PAGE_FAULT = 14;
/** Vectors that push an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC. */
const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);

/** Runs the instruction at RIP on a `MachineCpu`. While one is begun, the CPU is parked at one of its accesses. */
export class InsnCpu implements insn_cpu {
  readonly #cpu: MachineCpu;
  /** Accesses of the instruction that are answered; -1: none begun. */
  #at = -1;
  /** The access at which the CPU is parked, or 0. */
  #exit: ExitReason = 0;
  /** The exception that ended the last instruction, if the CPU left it to its owner. */
  #exception: insn_exception | null = null;
  /** CR2 of a page fault that a translation found, or -1. */
  #faultAddress = -1;
  /** RIP of a REP string instruction that has one repetition left, or -1. */
  #lastOfLoop = -1;

  constructor(cpu: MachineCpu) {
    this.#cpu = cpu;
  }

  /** Instructions, or repetitions and batches of them, that were carried to their end. */
  retired = 0;

  /** The CPU has just left the guest at the first access of an instruction. */
  begin(exit: ExitReason): void {
    this.#at = 0;
    this.#exit = exit;
  }
  /** Whether an instruction is begun and neither finished nor rolled back. */
  get begun(): boolean {
    return this.#at >= 0;
  }

  string_op(): StringOp | null {
    const op = this.#cpu.stringOp();
    this.#lastOfLoop = -1;
    if (op === null) return null;
    const { regs } = this.#cpu;
    // Single-stepped, every repetition ends in a trap of its own: one at a time.
    if ((regs.rflags & TRAP_FLAG) !== 0) return null;
    if (op.rep && op.count === 1) this.#lastOfLoop = regs.rip;
    return op;
  }

  classify(): insn_class {
    if (this.#exit === EXIT_MMIO) return INSN_MEM_ACCESS;
    if (this.#exit === EXIT_PIO_STRING) return INSN_PORTIO | INSN_MEM_ACCESS;
    if (this.#exit === EXIT_PIO) return INSN_PORTIO;
    return classifyInsn(this.#codeBytes());
  }

  /** The bytes of the instruction at RIP, by offset. */
  #codeBytes(): (offset: number) => number {
    const at = this.#cpu.regs.segment(SEG_CS).base + this.#cpu.regs.rip;
    return (offset) => this.#cpu.codeByte(at + offset);
  }

  advance(list: readonly insn_access[], done: number): insn_step {
    const cpu = this.#cpu;
    const exceptions = cpu.exceptionsTaken;
    this.#exception = null;
    this.#faultAddress = -1;
    if (this.#at < 0) {
      this.#at = 0;
      this.#exit = cpu.step();
    }
    while (isAccess(this.#exit)) {
      if (this.#at > 0 && this.#isFailedCompare(list)) {
        this.#exit = cpu.finish(0, 0);
        continue;
      }
      const access = list[this.#at] as insn_access;
      if (this.#at === done) {
        access.is_pio = this.#exit !== EXIT_MMIO;
        access.dir = cpu.exitDir;
        access.gpa = cpu.exitAddr;
        access.gla = access.is_pio ? access.gpa : cpu.exitLinear;
        access.size = cpu.exitSize;
        access.data = cpu.exitData;
        access.data_hi = cpu.exitDataHigh;
        return 'access';
      }
      this.#exit = cpu.finish(access.data, access.data_hi);
      this.#at++;
    }
    const ended = this.#exit;
    this.#at = -1;
    this.#exit = 0;
    if (ended === EXIT_EXCEPTION) return this.#caught();
    if (ended !== EXIT_BOUNDARY) return 'unhandleable';
    this.retired++;
    if (cpu.exceptionsTaken !== exceptions) return 'exception';
    this.#endLoop();
    return 'retired';
  }

  /**
   * The CPU leaves a REP loop by looking at the count once more, in a step of its own; Xen's
   * emulator moves RIP with the last repetition.
   */
  #endLoop(): void {
    const { regs } = this.#cpu;
    const waiting = this.#lastOfLoop >= 0 && regs.rip === this.#lastOfLoop;
    this.#lastOfLoop = -1;
    if (waiting && this.#cpu.stringOp()?.count === 0) this.#cpu.step();
  }

  /**
   * Whether the pending access is the write-back of a CMPXCHG or CMPXCHG8B that found another
   * value, or one part of it. The processor makes it, with the value found; Xen's emulator does not.
   * @param list - the accesses before it are the read, by parts if the operand lies over a page end
   */
  #isFailedCompare(list: readonly insn_access[]): boolean {
    const cpu = this.#cpu;
    if (this.#exit !== EXIT_MMIO || cpu.exitDir !== IOREQ_WRITE) return false;
    let isWriteBack = false;
    for (let i = 0; i < this.#at; i++) {
      const part = list[i] as insn_access;
      if (part.dir !== IOREQ_READ) return false;
      if (cpu.exitAddr !== part.gpa || cpu.exitSize !== part.size) continue;
      const low = part.size < 4 ? ((1 << (8 * part.size)) - 1) >>> 0 : 0xffffffff;
      isWriteBack = cpu.exitData === (part.data & low) >>> 0;
    }
    if (!isWriteBack || !isCompareExchange(this.#codeBytes())) return false;
    let found = 0n;
    let bits = 0;
    for (let i = 0; i < this.#at; i++) {
      const { data, data_hi, size } = list[i] as insn_access;
      found |= BigInt.asUintN(8 * size, (BigInt(data_hi) << 32n) | BigInt(data)) << BigInt(bits);
      bits += 8 * size;
    }
    const { regs } = cpu;
    const expected = (BigInt(regs.gpr(RDX)) << 32n) | BigInt(regs.gpr(RAX));
    return BigInt.asUintN(bits, expected) !== found;
  }

  /** An exception the CPU did not deliver: RIP is on the instruction, and nothing of it has happened. */
  #caught(): insn_step {
    const { vector, errorCode } = this.#cpu.exception;
    // The processor has one vector for both; Xen's decoder tells them apart.
    if (vector === INVALID_OPCODE && !raisesInvalidOpcode(this.#codeBytes())) return 'unrecognized';
    this.#exception = { vector, ec: WITH_ERROR_CODE.has(vector) ? errorCode : -1 };
    return 'exception';
  }

  /** Null where the CPU has delivered the exception: all but those of translations, unless `catchExceptions` is on. */
  take_exception(): insn_exception | null {
    const taken = this.#exception;
    this.#exception = null;
    if (this.#faultAddress >= 0 && taken !== null) this.#cpu.regs.setControl(2, this.#faultAddress);
    this.#faultAddress = -1;
    return taken;
  }

  protected_mode(): boolean {
    return (this.#cpu.regs.control(0) & PROTECTION_ENABLE) !== 0;
  }

  rollback(): void {
    this.#at = -1;
    this.#exit = 0;
    this.#cpu.rollback();
  }

  commit_string(op: StringOp, reps_done: number): void {
    this.rollback();
    this.retired++;
    const { regs } = this.#cpu;
    const moved = reps_done * op.size * (op.df ? -1 : 1);
    const set = (index: number, value: number): void => {
      const low =
        op.addrSize === 2 ? ((regs.gpr(index) & ~0xffff) | (value & 0xffff)) >>> 0 : value >>> 0;
      // As any 32-bit result, a 32-bit index or count clears what is above it.
      regs.setGpr(index, low, op.addrSize === 2 ? regs.gprHigh(index) : 0);
    };
    if (op.op === 'outs' || op.op === 'movs') set(RSI, op.srcIndex + moved);
    if (op.op !== 'outs') set(RDI, op.dstIndex + moved);
    const left = op.count - reps_done;
    if (op.rep) set(RCX, left);
    const over = left === 0 || !op.rep;
    if (over) {
      regs.rip = regs.rip + op.length;
      regs.clearShadow();
    }
    // The CPU counts every repetition, and the look at the count that ends the loop.
    this.#cpu.charge(reps_done + (over && op.rep ? 1 : 0));
  }

  linear_to_phys(gla: number, write: boolean): number {
    const gpa = this.#cpu.translate(gla);
    if (gpa >= 0 && (!write || this.#cpu.mayWrite(gla))) {
      this.#cpu.markAccess(gla, write);
      return gpa;
    }
    // A batch asks before the CPU has touched the page: the fault is for the port to hand over, if it comes to that.
    const user = (this.#cpu.regs.segment(SEG_CS).selector & 3) === 3;
    const ec = (gpa >= 0 ? 1 : 0) | (write ? 2 : 0) | (user ? 4 : 0);
    this.#exception = { vector: PAGE_FAULT, ec };
    this.#faultAddress = gla;
    return -1;
  }
}

function isAccess(exit: ExitReason): boolean {
  return exit === EXIT_PIO || exit === EXIT_PIO_STRING || exit === EXIT_MMIO;
}
