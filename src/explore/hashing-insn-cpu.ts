// SPDX-License-Identifier: GPL-2.0-only
// In front of the CPU that runs instructions access by access: what it is given becomes part of the guest's history.
import type { InsnCpu } from '../cpu/insn-cpu.ts';
import type {
  insn_access,
  insn_class,
  insn_cpu,
  insn_exception,
  insn_step,
  StringOp,
} from '../xen/hvm/x86_emulate.ts';
import type { StateHash } from './hash.ts';

export class HashingInsnCpu implements insn_cpu {
  /** Hears each access that an instruction asks for, and its place among them. */
  onAccess: ((access: insn_access, index: number) => void) | null = null;
  /** Hears that an instruction, or one repetition, is complete, with its accesses; the first `done` of the list. */
  onRetired: ((list: readonly insn_access[], done: number) => void) | null = null;
  /** Hears of a batch of a string instruction, as it was before. */
  onCommitted: ((op: StringOp, reps: number) => void) | null = null;
  readonly #cpu: InsnCpu;
  readonly #history: StateHash;

  constructor(cpu: InsnCpu, history: StateHash) {
    this.#cpu = cpu;
    this.#history = history;
  }
  string_op(): StringOp | null {
    return this.#cpu.string_op();
  }
  classify(): insn_class {
    return this.#cpu.classify();
  }
  advance(list: readonly insn_access[], done: number): insn_step {
    const h = this.#history;
    h.add(0x50 + done);
    for (let i = 0; i < done; i++) {
      const access = list[i];
      h.add(access?.data ?? 0);
      h.add(access?.data_hi ?? 0);
    }
    const step = this.#cpu.advance(list, done);
    if (step === 'access') this.onAccess?.(list[done] as insn_access, done);
    else if (step === 'retired') this.onRetired?.(list, done);
    return step;
  }
  rollback(): void {
    this.#history.add(0x60);
    this.#cpu.rollback();
  }
  commit_string(op: StringOp, reps_done: number): void {
    this.#history.add(0x61);
    this.#history.add(reps_done);
    this.onCommitted?.(op, reps_done);
    this.#cpu.commit_string(op, reps_done);
  }
  linear_to_phys(gla: number, write: boolean): number {
    return this.#cpu.linear_to_phys(gla, write);
  }
  take_exception(): insn_exception | null {
    return this.#cpu.take_exception();
  }
  protected_mode(): boolean {
    return this.#cpu.protected_mode();
  }
}
