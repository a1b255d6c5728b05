// SPDX-License-Identifier: GPL-2.0-only
// A CPU that knows nothing but a list of instructions with device accesses, one after the other: for searches, where the
// instructions between them are of no interest. Answers change nothing: the list goes on as it was recorded.
import type { GuestRam } from '../mem/guest-ram.ts';
import { HvmError } from '../util/errors.ts';
import type { StringOp } from '../xen/hvm/x86_emulate.ts';
import {
  EXIT_BOUNDARY,
  EXIT_BUDGET,
  EXIT_MMIO,
  EXIT_NONE,
  EXIT_PIO,
  type ExitReason,
  type SegmentState,
} from './backend.ts';
import type { MachineCpu } from './machine-cpu.ts';

/** One access of a recorded instruction. */
export interface ScriptAccess {
  is_pio: boolean;
  /** 1 reads, 0 writes. */
  dir: 0 | 1;
  size: number;
  gpa: number;
  gla: number;
  /** Of a write. */
  data: number;
  data_hi: number;
}

/** One instruction with device accesses. */
export interface ScriptInsn {
  /** Instructions completed before it. */
  icount: number;
  /** Linear address of its code. */
  code: number;
  accesses: readonly ScriptAccess[];
}

const NO_ACCESS: ScriptAccess = {
  is_pio: true,
  dir: 0,
  size: 1,
  gpa: 0,
  gla: 0,
  data: 0,
  data_hi: 0,
};
const NO_SEGMENT: SegmentState = { selector: 0, base: 0, limit: 0xffff, attributes: 0 };

/** Registers that hold what is put into them; RIP is the linear address of the instruction's code. */
class ScriptedRegisters {
  rip = 0;
  rflags = 2;
  halted = false;
  readonly interruptShadow = false;
  readonly #low = new Uint32Array(8);
  readonly #high = new Uint32Array(8);
  readonly #control = new Uint32Array(5);

  gpr(index: number): number {
    return this.#low[index] ?? 0;
  }
  gprHigh(index: number): number {
    return this.#high[index] ?? 0;
  }
  setGpr(index: number, low: number, high = 0): void {
    this.#low[index] = low;
    this.#high[index] = high;
  }
  segment(_index: number): SegmentState {
    return NO_SEGMENT;
  }
  setSegment(): void {}
  control(index: 0 | 2 | 3 | 4): number {
    return this.#control[index] ?? 0;
  }
  setControl(index: 0 | 2 | 3 | 4, value: number): void {
    this.#control[index] = value;
  }
  table(): readonly [number, number] {
    return [0, 0];
  }
  setTable(): void {}
  clearShadow(): void {}
}

export class ScriptedCpu implements MachineCpu {
  readonly kind = 'scripted';
  readonly regs: ScriptedRegisters = new ScriptedRegisters();
  readonly dirty: Uint8Array = new Uint8Array(0);
  readonly kickId = -1;
  deadline = Number.MAX_SAFE_INTEGER;
  charged = 0;
  irq = -1;
  injected: MachineCpu['injected'] = null;
  countsAtPorts = false;
  readonly exitSole = false;
  get exitPort(): number {
    return this.exitAddr;
  }
  catchExceptions = false;
  readonly exception = { vector: 0, errorCode: 0 };
  readonly exceptionsTaken = 0;
  readonly irqsTaken = 0;
  a20 = true;
  readonly #script: readonly ScriptInsn[];
  readonly #ram: GuestRam;
  /** The instruction at which it stands. */
  #at = 0;
  /** Accesses of it that are answered. */
  #done = 0;
  /** Stopped at an access; nobody has answered it. */
  #parked = false;
  #answered = false;
  #access: ScriptAccess = NO_ACCESS;

  constructor(script: readonly ScriptInsn[], ram: GuestRam) {
    this.#script = script;
    this.#ram = ram;
  }

  get icount(): number {
    const insn = this.#script[this.#at];
    if (insn !== undefined) return insn.icount;
    return (this.#script.at(-1)?.icount ?? 0) + 1;
  }

  #stop(access: ScriptAccess): ExitReason {
    this.#access = access;
    this.#parked = true;
    this.#answered = false;
    return access.is_pio ? EXIT_PIO : EXIT_MMIO;
  }

  /** Goes on from an access, if it was answered; else its instruction starts over. */
  #settle(): ExitReason {
    if (!this.#parked) return EXIT_NONE;
    this.#parked = false;
    if (!this.#answered) {
      this.#done = 0;
      return EXIT_NONE;
    }
    const insn = this.#script[this.#at];
    const access = insn?.accesses[++this.#done];
    if (access !== undefined) return this.#stop(access);
    this.#at++;
    this.#done = 0;
    return EXIT_BOUNDARY;
  }

  #enter(): ExitReason {
    const insn = this.#script[this.#at];
    if (insn === undefined || insn.icount >= this.deadline) return EXIT_BUDGET;
    this.regs.rip = insn.code;
    return this.#stop(insn.accesses[0] ?? NO_ACCESS);
  }

  run(): ExitReason {
    const exit = this.#settle();
    return exit === EXIT_PIO || exit === EXIT_MMIO ? exit : this.#enter();
  }
  answer(): void {
    this.#answered = true;
  }
  finish(): ExitReason {
    this.#answered = true;
    return this.#settle();
  }
  step(): ExitReason {
    return this.#enter();
  }
  rollback(): void {
    this.#parked = false;
    this.#done = 0;
  }

  get exitDir(): 0 | 1 {
    return this.#access.dir;
  }
  get exitSize(): number {
    return this.#access.size;
  }
  get exitAddr(): number {
    return this.#access.gpa;
  }
  get exitLinear(): number {
    return this.#access.gla;
  }
  get exitData(): number {
    return this.#access.data;
  }
  get exitDataHigh(): number {
    return this.#access.data_hi;
  }
  get exitIndex(): number {
    return this.#done;
  }
  unsupported(): string {
    return 'nothing';
  }
  stringOp(): StringOp | null {
    return null;
  }
  charge(): void {}
  injectException(vector: number, errorCode: number): void {
    this.rollback();
    this.injected = { vector, errorCode };
  }
  kick(): void {}
  translate(linear: number): number {
    return linear;
  }
  mayWrite(): boolean {
    return true;
  }
  markAccess(): void {}
  codeByte(linear: number): number {
    return this.#ram.bytes[linear] ?? -1;
  }
  hostWrote(): void {}
  setDevice(): void {}
  forgetCode(): void {}
  takeDirty(): void {}

  /** Where it stands; nothing else of it changes. */
  save(): Uint8Array {
    this.rollback();
    return new Uint8Array(Uint32Array.of(this.#at).buffer);
  }
  restore(state: Uint8Array): void {
    if (state.length !== 4) throw new HvmError('HVM_CPU', 'no state of a scripted CPU');
    this.#at = (state[0] ?? 0) | ((state[1] ?? 0) << 8) | ((state[2] ?? 0) << 16);
    this.rollback();
  }
  reset(): void {
    this.#at = 0;
    this.rollback();
  }
  [Symbol.dispose](): void {}
}
