// SPDX-License-Identifier: GPL-2.0-only
// Interrupt lines of a machine without an interrupt controller: line n is vector 8 + n, as a PC's BIOS sets it up.
import type { CpuBackend } from '../cpu/backend.ts';

const FIRST_VECTOR = 8;
const LINES = 8;

/** Eight edge-triggered lines, lowest number first. Nothing masks them but the CPU's interrupt flag. */
export class InterruptLines {
  #high = 0;
  #latched = 0;

  /** Line `line` (0 to 7) goes high; an edge is latched until the CPU takes it. */
  raise(line: number): void {
    const bit = 1 << (line & (LINES - 1));
    if ((this.#high & bit) === 0) this.#latched |= bit;
    this.#high |= bit;
  }
  /** The line goes low; an edge that was latched stays. */
  lower(line: number): void {
    this.#high &= ~(1 << (line & (LINES - 1)));
  }
  /** A single edge. */
  pulse(line: number): void {
    this.raise(line);
    this.lower(line);
  }
  get pending(): boolean {
    return this.#latched !== 0;
  }
  /** Hands the most urgent latched line to a CPU that has none to deliver. */
  offer(cpu: CpuBackend): void {
    if (this.#latched === 0 || cpu.irq >= 0) return;
    const line = 31 - Math.clz32(this.#latched & -this.#latched);
    this.#latched &= ~(1 << line);
    cpu.irq = FIRST_VECTOR + line;
  }
  save(): number {
    return (this.#high << LINES) | this.#latched;
  }
  restore(state: number): void {
    this.#high = (state >>> LINES) & 0xff;
    this.#latched = state & 0xff;
  }
}
