// SPDX-License-Identifier: GPL-2.0-only
// The real CPU: the addon's Vcpu behind the back-end contract.
import type { GuestRam } from '../mem/guest-ram.ts';
import { HvmError } from '../util/errors.ts';
import type { StringOp } from '../xen/hvm/x86_emulate.ts';
import type { ExitReason } from './backend.ts';
import { EXIT_UNSUPPORTED, SEG_CS } from './backend.ts';
import type { MachineCpu, RequestSender, StringRuns } from './machine-cpu.ts';
import type { NativeVcpu } from './native.ts';
import { kickCpu, loadAddon } from './native.ts';
import { PageRegisters } from './page-registers.ts';
import { PageSender } from './page-sender.ts';
import { type Entries, entriesIn, markAccess, mayWrite, type PagingState } from './page-walk.ts';
import * as P from './run-page.ts';
import { isPlainString, newStringWords, readString } from './string-words.ts';

/** Guest-physical memory backed by RAM from `offset` on. All in bytes, multiples of 4096. */
export interface RamSegment {
  gpa: number;
  bytes: number;
  offset: number;
  /** false: ROM; guest writes are dropped */
  writable: boolean;
}

const TWO_32 = 4294967296;
// For every exit. What is imported is looked up each time it is used; names of one's own module are constants to the
// compiler.
const {
  PAGE_ADDR,
  PAGE_DATA,
  PAGE_ACTION,
  PAGE_COUNTED,
  PAGE_ICOUNT,
  PAGE_DEADLINE,
  PAGE_WHAT,
  WHAT_READ,
  WHAT_REASON,
  WHAT_SIZE,
  WHAT_SIZE_SHIFT,
  ACTION_ANSWER,
  HOW_AS_PAGE,
  HOW_ANSWERED,
  HOW_AGAIN,
} = P;

/** The addon's; one function for all CPUs, so that calls of it stay cheap with many of them. */
let runById: (runId: number, how: number, data: number) => number = () => 0;

/** A CPU of the native addon. One thread owns it; any number may exist in any number of threads. */
export class UnicornCpu implements MachineCpu {
  readonly kind = 'unicorn';
  readonly regs: PageRegisters;
  /** One byte per RAM page: 1 once the guest or the host stored into it. Cleared by `takeDirty()`. */
  readonly dirty: Uint8Array;
  /** For `kickCpu()` from another thread. */
  readonly kickId: number;
  readonly #vcpu: NativeVcpu;
  readonly #run: () => void;
  /** For `runById`; -1: not to be used. */
  #runId = -1;
  readonly #count: () => void;
  readonly #words: Uint32Array;
  readonly #floats: Float64Array;
  readonly #ram: GuestRam;
  readonly #segments: readonly RamSegment[];
  readonly #tables: Entries;
  /** One byte per RAM page: not 0 where there are translations of it. */
  readonly #code: Uint8Array;
  #disposed = false;

  /**
   * @param ram - guest RAM; host writes made through it are seen by the guest's code, too
   * @param segments - which guest-physical memory it is; everything else exits as MMIO
   * @throws HvmError HVM_ADDON_MISSING, HVM_ADDON_SELFTEST, or HVM_CPU for impossible segments
   */
  constructor(ram: GuestRam, segments: readonly RamSegment[]) {
    const addon = loadAddon();
    this.#ram = ram;
    this.#segments = segments;
    this.#tables = entriesIn(ram, segments);
    const page = new SharedArrayBuffer(P.RUN_PAGE_BYTES);
    this.#words = new Uint32Array(page);
    this.#floats = new Float64Array(page);
    const pages = ram.sizeBytes / 4096;
    const marks = new SharedArrayBuffer(2 * pages);
    this.dirty = new Uint8Array(marks, 0, pages);
    this.#code = new Uint8Array(marks, pages);
    try {
      this.#vcpu = new addon.Vcpu(
        ram.bytes,
        new Uint8Array(page),
        new Uint8Array(marks),
        Float64Array.from(segments.flatMap((s) => [s.gpa, s.bytes, s.offset, s.writable ? 1 : 0])),
      );
    } catch (cause) {
      throw new HvmError('HVM_CPU', `no CPU: ${(cause as Error).message}`, { cause });
    }
    this.#run = this.#vcpu.run;
    this.#count = this.#vcpu.count;
    if (addon.run !== null) {
      runById = addon.run;
      this.#runId = this.#vcpu.runId;
    }
    this.sender = this.#runId >= 0 ? new PageSender(this.#vcpu, this.#words) : null;
    this.kickId = this.#vcpu.kickId;
    this.regs = new PageRegisters(this.#words, this.#vcpu);
    this.deadline = Number.MAX_SAFE_INTEGER;
    const listener = ram.onHostWrite;
    ram.onHostWrite = (gpa, length) => {
      listener?.(gpa, length);
      this.hostWrote(gpa, length);
    };
  }

  /** Host changed RAM behind `GuestRam`'s back: forgets translations of it and marks the pages. Offsets into RAM, bytes. */
  hostWrote(offset: number, length: number): void {
    let code = 0;
    for (let page = offset >>> 12; page <= (offset + length - 1) >>> 12; page++) {
      this.dirty[page] = 1;
      code |= this.#code[page] ?? 0;
    }
    if (code !== 0 && !this.#disposed) this.#vcpu.invalidate(offset, length);
  }

  /** Host put back what was there: translations of it are forgotten, the pages are not marked. Offsets, bytes. */
  forgetCode(offset: number, length: number): void {
    this.#vcpu.invalidate(offset, length);
  }

  get deadline(): number {
    return this.#floats[PAGE_DEADLINE / 2] ?? 0;
  }
  set deadline(count: number) {
    this.#floats[PAGE_DEADLINE / 2] = count;
  }
  get icount(): number {
    if (this.#words[PAGE_COUNTED] === 0) {
      const count = this.#count;
      count();
    }
    return this.#floats[PAGE_ICOUNT / 2] ?? 0;
  }

  /** True: IN and OUT leave `icount` with their exit, for an owner that asks at each; otherwise it is a call. */
  get countsAtPorts(): boolean {
    return this.#words[P.PAGE_COUNTS] !== 0;
  }
  set countsAtPorts(on: boolean) {
    this.#words[P.PAGE_COUNTS] = on ? 1 : 0;
  }

  #enter(): ExitReason {
    return (this.#enterPlainly() & WHAT_REASON) as ExitReason;
  }
  #enterPlainly(): number {
    if (this.#runId >= 0) return runById(this.#runId, HOW_AS_PAGE, 0);
    this.#run();
    return (this.#words[PAGE_WHAT] ?? 0) | 0;
  }
  goOn(): number {
    this.regs.flush();
    return this.#enterPlainly();
  }
  goOnWith(data: number): number {
    // Compared, it is one look at what is known to be a boolean.
    if (this.#runId >= 0 && this.regs.changed === false)
      return runById(this.#runId, HOW_ANSWERED, data | 0);
    this.answer(data, 0);
    return this.goOn();
  }
  goOnAgain(data: number): number {
    if (this.#runId >= 0 && this.regs.changed === false)
      return runById(this.#runId, HOW_AGAIN, data | 0);
    return this.goOnWith(data);
  }
  run(): ExitReason {
    this.regs.flush();
    return this.#enter();
  }
  answer(data: number, dataHigh: number): void {
    this.#words[PAGE_DATA] = data;
    this.#words[PAGE_DATA + 1] = dataHigh;
    this.#words[PAGE_ACTION] = ACTION_ANSWER;
  }
  finish(data: number, dataHigh: number): ExitReason {
    this.answer(data, dataHigh);
    this.#words[PAGE_ACTION] = P.ACTION_FINISH;
    return this.#enter();
  }
  step(): ExitReason {
    this.regs.flush();
    this.#words[PAGE_ACTION] = P.ACTION_FINISH;
    return this.#enter();
  }
  rollback(): void {
    this.#vcpu.rollback();
  }

  get exitDir(): 0 | 1 {
    return ((this.#words[PAGE_WHAT] ?? 0) & WHAT_READ) === 0 ? 0 : 1;
  }
  get exitSize(): number {
    return ((this.#words[PAGE_WHAT] ?? 0) >>> WHAT_SIZE_SHIFT) & WHAT_SIZE;
  }
  get exitAddr(): number {
    return (this.#words[PAGE_ADDR] ?? 0) + (this.#words[PAGE_ADDR + 1] ?? 0) * TWO_32;
  }
  get exitPort(): number {
    return this.#words[PAGE_ADDR] ?? 0;
  }
  get exitSole(): boolean {
    return ((this.#words[PAGE_WHAT] ?? 0) & P.WHAT_SOLE) !== 0;
  }
  get exitLinear(): number {
    return (this.#words[P.PAGE_LINEAR] ?? 0) + (this.#words[P.PAGE_LINEAR + 1] ?? 0) * TWO_32;
  }
  get exitData(): number {
    return this.#words[PAGE_DATA] ?? 0;
  }
  get exitDataHigh(): number {
    return this.#words[PAGE_DATA + 1] ?? 0;
  }
  get exitIndex(): number {
    return this.#words[P.PAGE_ACCESS_INDEX] ?? 0;
  }
  unsupported(): string {
    if (((this.#words[PAGE_WHAT] ?? 0) & WHAT_REASON) !== EXIT_UNSUPPORTED) return 'nothing';
    const what = unsupportedWhy(this.#words[P.PAGE_UNSUPPORTED] ?? 0);
    return `${what}, at 0x${this.exitAddr.toString(16)}`;
  }

  readonly sender: RequestSender | null;
  readonly strings: StringRuns = {
    read: (into) => isPlainString(this.#words) && readString(this.#words, into),
    done: () => {
      this.#words[PAGE_ACTION] = P.ACTION_DONE;
      this.#enter();
    },
  };
  stringOp(): StringOp | null {
    this.regs.flush();
    this.#vcpu.describe();
    const op = newStringWords();
    return readString(this.#words, op) ? op : null;
  }
  charge(instructions: number): void {
    this.#words[P.PAGE_CHARGE] = instructions;
  }
  /** Instructions charged and not yet counted: the next `run()` adds them. No part of `save()`. */
  get charged(): number {
    return this.#words[P.PAGE_CHARGE] ?? 0;
  }

  get irq(): number {
    return (this.#words[P.PAGE_IRQ_VECTOR] ?? 0) | 0;
  }
  set irq(vector: number) {
    this.#words[P.PAGE_IRQ_VECTOR] = vector;
  }
  /** Delivers an exception before the next instruction; a pending access is dropped. @param errorCode - -1: none */
  injectException(vector: number, errorCode: number): void {
    this.rollback();
    this.injected = { vector, errorCode: Math.max(errorCode, 0) };
  }
  /** An exception asked for and not yet delivered, or null. No part of `save()`. */
  get injected(): { readonly vector: number; readonly errorCode: number } | null {
    const word = this.#words[P.PAGE_INJECT] ?? 0;
    if (word === 0) return null;
    return { vector: word - 1, errorCode: this.#words[P.PAGE_INJECT_CODE] ?? 0 };
  }
  set injected(exception: { readonly vector: number; readonly errorCode: number } | null) {
    this.#words[P.PAGE_INJECT] = exception === null ? 0 : 1 + exception.vector;
    this.#words[P.PAGE_INJECT_CODE] = exception?.errorCode ?? 0;
  }
  /** While true, exceptions are not delivered: they exit as EXIT_EXCEPTION, and nothing of them has happened. */
  get catchExceptions(): boolean {
    return this.#words[P.PAGE_CATCH] !== 0;
  }
  set catchExceptions(on: boolean) {
    this.#words[P.PAGE_CATCH] = on ? 1 : 0;
  }
  /** After EXIT_EXCEPTION: vector, and error code where the vector has one. */
  get exception(): { vector: number; errorCode: number } {
    return {
      vector: this.#words[P.PAGE_VECTOR] ?? 0,
      errorCode: this.#words[P.PAGE_ERROR_CODE] ?? 0,
    };
  }
  /** External interrupts delivered so far. */
  get irqsTaken(): number {
    return this.#words[P.PAGE_IRQS_TAKEN] ?? 0;
  }
  /** Exceptions and software interrupts delivered so far. */
  get exceptionsTaken(): number {
    return this.#words[P.PAGE_EXCEPTIONS] ?? 0;
  }
  kick(): void {
    kickCpu(this.kickId);
  }

  /** Address line 20: off, addresses wrap at 1 MiB. On after reset. */
  get a20(): boolean {
    return this.#words[P.PAGE_A20] !== 0;
  }
  set a20(on: boolean) {
    this.regs.flush();
    this.#vcpu.setA20(on);
  }
  /**
   * Makes pages of RAM below 1 MiB device memory from the next instruction on, or RAM again. Their bytes stay.
   * No part of `save()`.
   * @throws HvmError HVM_CPU for anything else than whole pages of RAM
   */
  setDevice(gpa: number, bytes: number, device: boolean): void {
    try {
      this.#vcpu.setDevice(gpa, bytes, device);
    } catch (cause) {
      throw new HvmError('HVM_CPU', (cause as Error).message, { cause });
    }
  }
  usePosted(page: Uint8Array, rings: readonly Uint8Array[]): void {
    this.#vcpu.usePosted(page, rings);
  }
  /** Guest-physical address of a linear one under the guest's page tables, or -1. */
  translate(linear: number): number {
    this.regs.flush();
    return this.#vcpu.translate(linear);
  }
  /** Whether the guest's page tables let it write at a linear address that is mapped. */
  mayWrite(linear: number): boolean {
    return mayWrite(this.#paging(), linear >>> 0, this.#tables.read);
  }
  /** Notes an access that the CPU does not make itself in the guest's page tables. The address is mapped. */
  markAccess(linear: number, write: boolean): void {
    markAccess(this.#paging(), linear >>> 0, write, this.#tables);
  }
  #paging(): PagingState {
    const { regs } = this;
    const [cr0, cr3, cr4] = [regs.control(0), regs.control(3), regs.control(4)];
    return { cr0, cr3, cr4, user: (regs.segment(SEG_CS).selector & 3) === 3 };
  }
  /** The byte an instruction fetch at this linear address would get, or -1 where there is no RAM. */
  codeByte(linear: number): number {
    const gpa = this.translate(linear >>> 0);
    for (const s of this.#segments) {
      if (gpa >= s.gpa && gpa < s.gpa + s.bytes)
        return this.#ram.bytes[s.offset + gpa - s.gpa] ?? -1;
    }
    return -1;
  }
  /** Calls `page(offset)` for every RAM page written since the last call, in order, and starts over. */
  takeDirty(page: (offset: number) => void): void {
    let any = false;
    for (let i = this.dirty.indexOf(1); i >= 0; i = this.dirty.indexOf(1, i + 1)) {
      this.dirty[i] = 0;
      any = true;
      page(i * 4096);
    }
    if (any) this.#vcpu.rearmDirty();
  }

  save(): Uint8Array {
    this.regs.flush();
    return this.#vcpu.save();
  }
  restore(state: Uint8Array): void {
    this.regs.forget();
    try {
      this.#vcpu.restore(state);
    } catch (cause) {
      if (this.#disposed) throw cause;
      throw new HvmError('HVM_CPU', (cause as Error).message, { cause });
    }
  }
  /** FXSAVE image (512 bytes), then ten 64-bit words: see native/named_state.cc. Drops a pending access. */
  extended(): Uint8Array {
    this.regs.flush();
    return this.#vcpu.extended();
  }
  reset(): void {
    this.regs.forget();
    this.#vcpu.reset();
  }
  /** Idempotent; also while an exit is pending. Everything else throws HVM_DISPOSED afterwards. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#runId = -1;
    this.#words[PAGE_COUNTED] = 0;
    this.#vcpu.dispose();
  }
}

function unsupportedWhy(index: number): string {
  return P.UNSUPPORTED[index] ?? `reason ${index}`;
}
