// SPDX-License-Identifier: GPL-2.0-only
// A toolstack that saves on the signal: what it would have got, compared with the domain once that is paused.
import { RAX } from '../../cpu/backend.ts';
import type { Machine } from '../../machine/machine.ts';
import { hex } from '../../util/hex.ts';
import { NullTracer } from '../../xen/common/trace.ts';
import { HVMIO_no_completion, HVMIO_pio_completion } from '../../xen/hvm/state.ts';

/** Looks at the registers the moment the domain is called shut down. */
export class HastySave extends NullTracer {
  readonly #machine: () => Machine;
  #early: { eax: number; pio: boolean } | null = null;

  constructor(machine: () => Machine) {
    super();
    this.#machine = machine;
  }

  override finalised(): void {
    const { cpu, vcpu } = this.#machine();
    const completion = vcpu.arch.hvm.hvm_io.io_completion;
    // Nothing to come: what is there now is what will be there.
    this.#early =
      completion === HVMIO_no_completion
        ? null
        : { eax: cpu.regs.gpr(RAX), pio: completion === HVMIO_pio_completion };
  }

  /** @returns what was wrong with the state at the last signal, or null; the domain has been paused since */
  compare(machine: Machine): string | null {
    const early = this.#early;
    this.#early = null;
    if (early === null) return null;
    if (!early.pio) return 'saved on the signal, an instruction is half executed';
    const eax = machine.cpu.regs.gpr(RAX);
    if (eax === early.eax) return null;
    return `saved on the signal, RIP is behind an IN and EAX is ${hex(early.eax)}; once paused it is ${hex(eax)}`;
  }
}
