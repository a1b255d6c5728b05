// SPDX-License-Identifier: GPL-2.0-only
// The interrupt lines of a PC: its pair of 8259A decides, at the boundary at which the CPU takes an interrupt.
import { type CpuBackend, IRQ_NONE, IRQ_WINDOW } from '../../cpu/backend.ts';
import {
  type hvm_irq,
  hvm_isa_irq_assert,
  hvm_isa_irq_deassert,
  vpic_ack_pending_irq,
  vpic_pending,
} from '../../xen/hvm/vpic.ts';
import type { InterruptSource } from '../interrupts.ts';

export class PicInterrupts implements InterruptSource {
  readonly #irq: hvm_irq;

  constructor(irq: hvm_irq) {
    this.#irq = irq;
  }
  raise(line: number): void {
    hvm_isa_irq_assert(this.#irq, line);
  }
  lower(line: number): void {
    hvm_isa_irq_deassert(this.#irq, line);
  }
  pulse(line: number): void {
    this.lower(line);
    this.raise(line);
  }
  get pending(): boolean {
    return vpic_pending(this.#irq);
  }
  offer(cpu: CpuBackend): void {
    if (cpu.irq === IRQ_NONE && this.pending) cpu.irq = IRQ_WINDOW;
  }
  window(cpu: CpuBackend): void {
    cpu.irq = vpic_ack_pending_irq(this.#irq);
  }
  /** The controllers are part of the platform's state. */
  save(): number {
    return 0;
  }
  restore(): void {}
}
