// SPDX-License-Identifier: GPL-2.0-only
// Registers of the native CPU through its run page: fetched when first looked at, written back before it runs.
import type { CpuRegisters, SegmentState } from './backend.ts';
import type { NativeVcpu } from './native.ts';
import * as P from './run-page.ts';

const TWO_32 = 4294967296;

/** Index into the page for CR0, CR2, CR3, CR4. */
const CONTROL = { 0: 0, 2: 1, 3: 2, 4: 3 } as const;

/** `CpuRegisters` over a run page. Restoring RIP and flags inside a block costs 40 to 250 ns, so it is done on demand. */
export class PageRegisters implements CpuRegisters {
  readonly #words: Uint32Array;
  readonly #vcpu: NativeVcpu;
  #changed = false;

  constructor(words: Uint32Array, vcpu: NativeVcpu) {
    this.#words = words;
    this.#vcpu = vcpu;
  }

  gpr(index: number): number {
    return this.#get(P.PAGE_GPR + 2 * index);
  }
  gprHigh(index: number): number {
    return this.#get(P.PAGE_GPR + 2 * index + 1);
  }
  setGpr(index: number, low: number, high = 0): void {
    this.#set(P.PAGE_GPR + 2 * index, low);
    this.#set(P.PAGE_GPR + 2 * index + 1, high);
  }
  get rip(): number {
    return this.#get(P.PAGE_RIP);
  }
  set rip(value: number) {
    this.#set(P.PAGE_RIP, value);
    this.#set(P.PAGE_RIP + 1, 0);
  }
  get rflags(): number {
    return this.#get(P.PAGE_RFLAGS);
  }
  set rflags(value: number) {
    this.#set(P.PAGE_RFLAGS, value);
  }
  get interruptShadow(): boolean {
    return this.#get(P.PAGE_SHADOW) !== 0;
  }
  /** The instruction that stood in an interrupt shadow is over. */
  clearShadow(): void {
    this.#set(P.PAGE_SHADOW, 0);
  }
  get halted(): boolean {
    return this.#get(P.PAGE_HALTED) !== 0;
  }
  set halted(value: boolean) {
    this.#set(P.PAGE_HALTED, value ? 1 : 0);
  }
  segment(index: number): SegmentState {
    const at = P.PAGE_SEGMENT + 8 * index;
    return {
      selector: this.#get(at),
      base: this.#get(at + 1) + this.#get(at + 2) * TWO_32,
      limit: this.#get(at + 3),
      attributes: this.#get(at + 4),
    };
  }
  setSegment(index: number, state: SegmentState): void {
    const at = P.PAGE_SEGMENT + 8 * index;
    this.#set(at, state.selector);
    this.#set(at + 1, state.base);
    this.#set(at + 2, Math.floor(state.base / TWO_32));
    this.#set(at + 3, state.limit);
    this.#set(at + 4, state.attributes);
  }
  control(index: 0 | 2 | 3 | 4): number {
    return this.#get(P.PAGE_CR0 + CONTROL[index]);
  }
  setControl(index: 0 | 2 | 3 | 4, value: number): void {
    this.#set(P.PAGE_CR0 + CONTROL[index], value);
  }
  table(which: 'gdt' | 'idt'): readonly [number, number] {
    const at = which === 'gdt' ? P.PAGE_GDT : P.PAGE_IDT;
    return [this.#get(at) + this.#get(at + 1) * TWO_32, this.#get(at + 2)];
  }
  setTable(which: 'gdt' | 'idt', base: number, limit: number): void {
    const at = which === 'gdt' ? P.PAGE_GDT : P.PAGE_IDT;
    this.#set(at, base);
    this.#set(at + 1, Math.floor(base / TWO_32));
    this.#set(at + 2, limit);
  }

  /** Every register word, in page order, as one comparable array: for tests and traces. */
  snapshot(): Uint32Array {
    this.#vcpu.sync();
    return this.#words.slice(P.PAGE_GPR, P.PAGE_DR + 8);
  }

  /** Whether `flush()` has anything to do. */
  get changed(): boolean {
    return this.#changed;
  }
  /** Gives changed registers to the CPU. */
  flush(): void {
    if (!this.#changed) return;
    this.#changed = false;
    this.#vcpu.load();
    this.#words[P.PAGE_SYNCED] = 0;
  }
  /** Drops changes that were not given to the CPU. */
  forget(): void {
    this.#changed = false;
    this.#words[P.PAGE_SYNCED] = 0;
  }

  #get(word: number): number {
    if (this.#words[P.PAGE_SYNCED] === 0) this.#vcpu.sync();
    return this.#words[word] ?? 0;
  }
  #set(word: number, value: number): void {
    if (this.#words[P.PAGE_SYNCED] === 0) this.#vcpu.sync();
    this.#changed = true;
    this.#words[word] = value;
  }
}
