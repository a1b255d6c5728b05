// SPDX-License-Identifier: GPL-2.0-only
// Interrupt lines of a machine without an interrupt controller: line n is vector 8 + n, as a PC's BIOS sets it up.
import type { CpuBackend } from '../cpu/backend.ts';

/** What drives a machine's interrupts: lines of devices on one side, the CPU on the other. */
export interface InterruptSource {
  /** Drives a line high. Idempotent. */
  raise(line: number): void;
  /** Drives it low. Idempotent. */
  lower(line: number): void;
  /** An edge. */
  pulse(line: number): void;
  /** Whether the CPU is to be interrupted. */
  readonly pending: boolean;
  /** Hands a CPU that has nothing to deliver a vector, or asks it for EXIT_IRQ_WINDOW. */
  offer(cpu: CpuBackend): void;
  /** The window has come: the vector is decided now. */
  window(cpu: CpuBackend): void;
  save(): number;
  restore(state: number): void;
}

const FIRST_VECTOR = 8;
const LINES = 8;

/**
 * Eight edge-triggered lines, lowest number first, in two words: those that are high, and edges not yet taken. Nothing
 * masks them but the CPU's interrupt flag. Any thread may drive a line; the vCPU's takes them.
 */
export class InterruptLines implements InterruptSource {
  readonly #words: Int32Array;
  readonly #high: number;
  readonly #latched: number;
  /** That word alone: it is looked at before each entry into the guest. */
  readonly #edges: Int32Array;

  /** @param words - shared where devices are in other threads; @param high, latched - indices of the two words */
  constructor(words: Int32Array = new Int32Array(2), high = 0, latched = 1) {
    this.#words = words;
    this.#high = high;
    this.#latched = latched;
    this.#edges = words.subarray(latched, latched + 1);
  }
  /** Line `line` (0 to 7) goes high; an edge is latched until the CPU takes it. */
  raise(line: number): void {
    const bit = 1 << (line & (LINES - 1));
    if ((Atomics.or(this.#words, this.#high, bit) & bit) !== 0) return;
    Atomics.or(this.#words, this.#latched, bit);
  }
  /** The line goes low; an edge that was latched stays. */
  lower(line: number): void {
    Atomics.and(this.#words, this.#high, ~(1 << (line & (LINES - 1))));
  }
  /** A single edge. */
  pulse(line: number): void {
    this.raise(line);
    this.lower(line);
  }
  /** Asked for before each entry into the guest; what another thread raises meanwhile is seen at the next. */
  get pending(): boolean {
    return this.#edges[0] !== 0;
  }
  /** Hands the most urgent latched line to a CPU that has none to deliver. */
  offer(cpu: CpuBackend): void {
    const latched = Atomics.load(this.#words, this.#latched);
    if (latched === 0 || cpu.irq >= 0) return;
    const bit = latched & -latched;
    Atomics.and(this.#words, this.#latched, ~bit);
    cpu.irq = FIRST_VECTOR + 31 - Math.clz32(bit);
  }
  /** Vectors are handed over without asking for a window. */
  window(): void {}
  save(): number {
    const high = Atomics.load(this.#words, this.#high);
    return (high << LINES) | Atomics.load(this.#words, this.#latched);
  }
  restore(state: number): void {
    Atomics.store(this.#words, this.#high, (state >>> LINES) & 0xff);
    Atomics.store(this.#words, this.#latched, state & 0xff);
  }
}
