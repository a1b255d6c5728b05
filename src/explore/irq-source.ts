// SPDX-License-Identifier: GPL-2.0-only
// The interrupt source: edges on line 0 of vCPU 0, at any point; and the count of what must become of them.
import type { Machine } from '../machine/machine.ts';

const LINE = 0;
const LATCHED = 1 << LINE;

export class IrqSource {
  most: number;
  /** Edges so far, and those that met one still latched: a line has one latch. */
  raised = 0;
  merged = 0;
  readonly #machine: Machine;
  #takenBefore = 0;

  constructor(machine: Machine, most: number) {
    this.#machine = machine;
    this.most = most;
  }

  reset(): void {
    this.raised = this.merged = 0;
    this.#takenBefore = this.#machine.cpu.irqsTaken;
  }
  /** A run that goes on where so many edges had come, the CPU's own state being back already. */
  goBack(raised: number, merged: number, taken: number): void {
    this.raised = raised;
    this.merged = merged;
    this.#takenBefore = (this.#machine.cpu.irqsTaken - taken) >>> 0;
  }
  enabled(): boolean {
    return this.raised < this.most;
  }
  step(): void {
    const { interrupts } = this.#machine;
    this.raised++;
    if ((interrupts.save() & LATCHED) !== 0) this.merged++;
    interrupts.pulse(LINE);
  }

  get taken(): number {
    return (this.#machine.cpu.irqsTaken - this.#takenBefore) >>> 0;
  }
  /** Latched, or handed to the CPU and not yet taken. */
  get waiting(): number {
    const { cpu, interrupts } = this.#machine;
    return (cpu.irq >= 0 ? 1 : 0) + (interrupts.save() & LATCHED);
  }
}
