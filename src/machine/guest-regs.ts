// SPDX-License-Identifier: GPL-2.0-only
// The registers the port sees, in front of the CPU host: an IN or OUT whose answer is on its way moves no register of
// the CPU; what the port writes meanwhile decides how the access ends.

import type { CpuBackend } from '../cpu/backend.ts';
import { RAX } from '../cpu/backend.ts';
import type { cpu_user_regs } from '../xen/common/sched.ts';
import { IOREQ_READ, type ioreq_dir } from '../xen/public/hvm_ioreq.ts';

/**
 * While an IN or OUT is pending, RIP reads as 0 and counts as moved once anything is added; EAX reads as the data of an
 * OUT. RIP is not restored from the translated code for it: that costs more than the access.
 */
export class GuestRegs implements cpu_user_regs {
  readonly #cpu: CpuBackend;
  /** An IN or OUT is pending at the CPU. */
  pending = false;
  /** RIP was moved past it. */
  advanced = false;
  /** EAX was written: the answer of an IN. */
  answered = false;
  answer = 0;
  #dir: ioreq_dir = IOREQ_READ;
  #size = 0;

  constructor(cpu: CpuBackend) {
    this.#cpu = cpu;
  }

  /** The CPU has left the guest at an IN or OUT of `size` bytes. */
  begin(dir: ioreq_dir, size: number): void {
    this.pending = true;
    this.advanced = false;
    this.answered = false;
    this.#dir = dir;
    this.#size = size;
  }

  get eax(): number {
    if (this.pending) return this.#dir === IOREQ_READ ? this.answer : this.#cpu.exitData;
    return this.#cpu.regs.gpr(RAX);
  }
  set eax(value: number) {
    if (this.pending) {
      this.answered = true;
      this.answer = value;
    } else this.#cpu.regs.setGpr(RAX, value, this.#cpu.regs.gprHigh(RAX));
  }
  get rax_hi(): number {
    return this.pending ? 0 : this.#cpu.regs.gprHigh(RAX);
  }
  set rax_hi(value: number) {
    // A 32-bit IN clears the upper half by itself.
    if (!this.pending) this.#cpu.regs.setGpr(RAX, this.#cpu.regs.gpr(RAX), value);
  }
  get eip(): number {
    return this.pending ? 0 : this.#cpu.regs.rip;
  }
  set eip(value: number) {
    if (this.pending) this.advanced = true;
    else this.#cpu.regs.rip = value;
  }

  /** As if the port had filled EAX in with an answer of as many bits. */
  takeAnswer(data: number, mask: number): void {
    this.answered = true;
    this.answer = ((this.answer & ~mask) | (data & mask)) >>> 0;
  }

  /** As if the port had not touched it: the instruction will run again. */
  forget(): void {
    this.advanced = false;
    this.answered = false;
  }

  /** Gives the CPU what the port decided; its next run goes on from there. */
  release(): void {
    if (!this.pending) return;
    this.pending = false;
    if (this.advanced) this.#cpu.answer(this.answer, 0);
    else this.#giveUp();
  }

  /** The same, but the CPU ends at an instruction boundary now. */
  settle(): void {
    if (!this.pending) return;
    this.pending = false;
    if (this.advanced) this.#cpu.finish(this.answer, 0);
    else this.#giveUp();
  }

  // RIP did not move: the instruction runs again. EAX may have been filled in all the same (Xen before the fix).
  #giveUp(): void {
    this.#cpu.rollback();
    if (!this.answered || this.#dir !== IOREQ_READ) return;
    const mask = this.#size === 4 ? 0xffffffff : this.#size === 2 ? 0xffff : 0xff;
    const old = this.#cpu.regs.gpr(RAX);
    const high = this.#size === 4 ? 0 : this.#cpu.regs.gprHigh(RAX);
    this.#cpu.regs.setGpr(RAX, ((old & ~mask) | (this.answer & mask)) >>> 0, high);
  }
}
