// SPDX-License-Identifier: GPL-2.0-only
// A CPU that knows nothing but a list of instructions with device accesses, one after the other: for searches, where the
// instructions between them are of no interest. Answers do not change which instruction comes next; string instructions
// keep their index and count registers, because the port moves those itself.
import type { GuestRam } from '../mem/guest-ram.ts';
import { HvmError } from '../util/errors.ts';
import type { StringOp } from '../xen/hvm/x86_emulate.ts';
import {
  EXIT_BOUNDARY,
  EXIT_BUDGET,
  EXIT_HLT,
  EXIT_MMIO,
  EXIT_NONE,
  EXIT_PIO,
  EXIT_PIO_STRING,
  type ExitReason,
  RAX,
  RCX,
  RDI,
  RSI,
} from './backend.ts';
import type { MachineCpu } from './machine-cpu.ts';
import { whatOf } from './run-page.ts';
import type { ScriptAccess, ScriptInsn, ScriptString } from './script.ts';
import { ScriptedRegisters } from './scripted-registers.ts';
import { carry, elementAccesses, type IsDevice } from './scripted-string.ts';

const PAGE = 4096;
const IF = 0x200;
/** Words of a saved state: see `save()`. */
const STATE_WORDS = 10;
const NO_ACCESS: ScriptAccess = {
  is_pio: true,
  dir: 0,
  size: 1,
  gpa: 0,
  gla: 0,
  data: 0,
  data_hi: 0,
};

export class ScriptedCpu implements MachineCpu {
  readonly kind = 'scripted';
  readonly regs: ScriptedRegisters = new ScriptedRegisters();
  readonly dirty: Uint8Array;
  readonly kickId = -1;
  deadline = Number.MAX_SAFE_INTEGER;
  readonly charged = 0;
  irq = -1;
  injected: MachineCpu['injected'] = null;
  countsAtPorts = false;
  readonly exitSole = false;
  readonly strings = null;
  readonly sender = null;
  goOn(): number {
    const exit = this.run();
    if (exit !== EXIT_PIO && exit !== EXIT_PIO_STRING && exit !== EXIT_MMIO) return exit;
    return whatOf(exit, this.exitDir, this.exitSize, this.exitAddr);
  }
  goOnWith(data: number): number {
    this.answer(data);
    return this.goOn();
  }
  goOnAgain(data: number): number {
    return this.goOnWith(data);
  }
  get exitPort(): number {
    return this.exitAddr;
  }
  catchExceptions = false;
  readonly exception = { vector: 0, errorCode: 0 };
  exceptionsTaken = 0;
  irqsTaken = 0;
  a20 = true;
  readonly #script: readonly ScriptInsn[];
  readonly #ram: GuestRam;
  readonly #isDevice: IsDevice;
  /** The instruction at which it stands, and how often that was begun anew: see `ScriptStage`. */
  #at = 0;
  #begun = false;
  #stage = 0;
  /** Completed since the stage began: repetitions, and the look at the count that ends a loop. */
  #extra = 0;
  /** Accesses of the instruction, or of one repetition. */
  #accesses: readonly ScriptAccess[] = [];
  #answers: number[] = [];
  /** Accesses that are answered. */
  #done = 0;
  /** Stopped at an access; nobody has answered it. */
  #parked = false;
  #answered = false;
  #access: ScriptAccess = NO_ACCESS;

  /** @param isDevice - which guest-physical addresses are no RAM */
  constructor(script: readonly ScriptInsn[], ram: GuestRam, isDevice: IsDevice = () => false) {
    this.#script = script;
    this.#ram = ram;
    this.#isDevice = isDevice;
    this.dirty = new Uint8Array(ram.sizeBytes / PAGE);
    const listener = ram.onHostWrite;
    ram.onHostWrite = (gpa, length) => {
      listener?.(gpa, length);
      this.hostWrote(gpa, length);
    };
  }

  get icount(): number {
    const insn = this.#script[this.#at];
    if (insn === undefined) return (this.#script.at(-1)?.icount ?? 0) + 1;
    if (insn.string === null) return insn.icount;
    return (insn.string.stages[this.#stage]?.icount ?? insn.icount) + this.#extra;
  }

  get #string(): ScriptString | null {
    return this.#script[this.#at]?.string ?? null;
  }

  /** The next instruction of the list. */
  #advance(): void {
    this.#at++;
    this.#arrive();
  }

  #arrive(): void {
    const insn = this.#script[this.#at];
    this.#stage = this.#extra = this.#done = 0;
    if (insn === undefined) return;
    this.regs.rip = insn.code;
    this.regs.rflags = insn.rflags;
    if (insn.string === null) return;
    this.#setRegs(insn.string.regs);
    const { source } = insn.string;
    if (source !== null) this.#ram.writeBytes(source.gpa, source.bytes);
  }

  #setRegs([eax, ecx, esi, edi]: ScriptString['regs']): void {
    this.regs.setGpr(RAX, eax);
    this.regs.setGpr(RCX, ecx);
    this.regs.setGpr(RSI, esi);
    this.regs.setGpr(RDI, edi);
  }

  #stop(access: ScriptAccess): ExitReason {
    this.#access = access;
    this.#parked = true;
    this.#answered = false;
    if (!access.is_pio) return EXIT_MMIO;
    return this.#string === null ? EXIT_PIO : EXIT_PIO_STRING;
  }

  /** Goes on from an access, if it was answered; else its instruction starts over. */
  #settle(): ExitReason {
    if (!this.#parked) return EXIT_NONE;
    this.#parked = false;
    if (!this.#answered) {
      this.#done = 0;
      return EXIT_NONE;
    }
    const access = this.#accesses[++this.#done];
    if (access !== undefined) {
      if (this.#string !== null) carry(this.#accesses, this.#answers);
      return this.#stop(access);
    }
    if (this.#string === null) this.#advance();
    else this.#endElement();
    return EXIT_BOUNDARY;
  }

  /** One repetition is over: memory and registers follow. */
  #endElement(): void {
    const op = this.stringOp();
    if (op === null) return;
    const { size } = op;
    const value = carry(this.#accesses, this.#answers);
    const read = this.#accesses.some(({ dir }) => dir === 1);
    const target = op.dstBase + op.dstIndex;
    if (op.op !== 'outs' && !this.#isDevice(target)) {
      if (op.op === 'stos') this.#ram.write(target, size, this.regs.gpr(RAX));
      else
        this.#ram.write(
          target,
          size,
          read ? value : this.#ram.read(op.srcBase + op.srcIndex, size),
        );
    }
    const moved = op.df ? -size : size;
    if (op.op === 'outs' || op.op === 'movs')
      this.regs.setIndex(RSI, op.srcIndex + moved, op.addrSize);
    if (op.op !== 'outs') this.regs.setIndex(RDI, op.dstIndex + moved, op.addrSize);
    if (op.rep) this.regs.setIndex(RCX, op.count - 1, op.addrSize);
    this.#extra++;
    this.#done = 0;
    if (op.rep && op.count > 1) return;
    // As a batch does; with REP the look at the count that ends the loop counts as well.
    if (op.rep) this.#extra++;
    this.#advance();
  }

  #enter(): ExitReason {
    // Whoever loads a guest sets registers: a script brings its own.
    if (!this.#begun) this.#arrive();
    this.#begun = true;
    for (;;) {
      const insn = this.#script[this.#at];
      if (insn === undefined || this.icount >= this.deadline) return EXIT_BUDGET;
      if (this.irq >= 0 && (insn.rflags & IF) !== 0) {
        this.irq = -1;
        this.irqsTaken++;
        if (insn.kind === 'halt') this.#advance();
        continue;
      }
      if (insn.kind === 'halt') return EXIT_HLT;
      if (this.injected !== null) {
        this.injected = null;
        this.exceptionsTaken++;
        if (insn.string !== null) this.#again(insn.string);
      }
      if (insn.string === null) {
        this.#accesses = insn.accesses;
        return this.#stop(insn.accesses[0] ?? NO_ACCESS);
      }
      // The port has moved RIP behind it.
      if (this.regs.rip !== insn.code) {
        this.#advance();
        continue;
      }
      if (this.#extra > 0) this.#again(insn.string);
      const op = this.stringOp();
      this.#answers = [];
      this.#accesses =
        op === null ? [] : elementAccesses(op, this.regs.gpr(RAX), this.#ram, this.#isDevice);
      const [first] = this.#accesses;
      if (first !== undefined) return this.#stop(first);
      this.#endElement();
    }
  }

  /** A string instruction is begun anew, after a batch or a fault. */
  #again({ stages }: ScriptString): void {
    if (this.#stage + 1 >= stages.length) return;
    this.#stage++;
    this.#extra = 0;
  }

  run(): ExitReason {
    const exit = this.#settle();
    return exit === EXIT_NONE || exit === EXIT_BOUNDARY ? this.#enter() : exit;
  }
  answer(data: number): void {
    this.#answered = true;
    this.#answers[this.#done] = data;
  }
  finish(data: number): ExitReason {
    this.answer(data);
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
    const { regs } = this;
    const insn = this.#script[this.#at];
    if (insn === undefined || insn.string === null || regs.rip !== insn.code) return null;
    const { op } = insn.string;
    return {
      ...op,
      count: op.rep ? regs.index(RCX, op.addrSize) : 1,
      srcIndex: regs.index(RSI, op.addrSize),
      dstIndex: regs.index(RDI, op.addrSize),
    };
  }
  /** Only batches of a string instruction are charged: their repetitions count where they stand. */
  charge(instructions: number): void {
    this.#extra += instructions;
  }
  injectException(vector: number, errorCode: number): void {
    this.rollback();
    this.injected = { vector, errorCode };
  }
  kick(): void {}
  translate(linear: number): number {
    const missing = this.#string?.stages[this.#stage]?.missing;
    return missing?.includes(linear - (linear % PAGE)) === true ? -1 : linear;
  }
  mayWrite(): boolean {
    return true;
  }
  markAccess(): void {}
  codeByte(linear: number): number {
    return this.#ram.bytes[linear] ?? -1;
  }
  hostWrote(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / PAGE);
    for (let page = Math.floor(offset / PAGE); page <= last; page++) this.dirty[page] = 1;
  }
  setDevice(): void {}
  forgetCode(): void {}
  takeDirty(page: (offset: number) => void): void {
    for (let i = this.dirty.indexOf(1); i >= 0; i = this.dirty.indexOf(1, i + 1)) {
      this.dirty[i] = 0;
      page(i * PAGE);
    }
  }

  /** Where it stands, and the registers that string instructions move. */
  save(): Uint8Array {
    this.rollback();
    const { regs } = this;
    return new Uint8Array(
      Uint32Array.of(
        this.#at,
        this.#stage,
        this.#extra,
        regs.rip,
        regs.gpr(RAX),
        regs.gpr(RCX),
        regs.gpr(RSI),
        regs.gpr(RDI),
        this.irqsTaken,
        this.exceptionsTaken,
      ).buffer,
    );
  }
  restore(state: Uint8Array): void {
    if (state.length !== 4 * STATE_WORDS || state.byteOffset % 4 !== 0) {
      throw new HvmError('HVM_CPU', 'no state of a scripted CPU');
    }
    const words = new Uint32Array(state.buffer, state.byteOffset, STATE_WORDS);
    const word = (i: number): number => words[i] as number;
    this.#begun = true;
    this.#at = word(0);
    this.#stage = word(1);
    this.#extra = word(2);
    this.#setRegs([word(4), word(5), word(6), word(7)]);
    this.regs.rip = word(3);
    this.regs.rflags = this.#script[this.#at]?.rflags ?? 2;
    this.irqsTaken = word(8);
    this.exceptionsTaken = word(9);
    this.rollback();
  }
  reset(): void {
    this.#at = 0;
    this.#begun = false;
    this.rollback();
  }
  [Symbol.dispose](): void {}
}
