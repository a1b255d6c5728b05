// SPDX-License-Identifier: GPL-2.0-only
// What a vCPU's guest gets from devices, value by value: into a register, or into memory by a string instruction.
import type { Machine } from '../machine/machine.ts';
import { p2m_ram_rw } from '../xen/hvm/p2m.ts';
import type { insn_access, StringOp } from '../xen/hvm/x86_emulate.ts';
import { IOREQ_READ } from '../xen/public/hvm_ioreq.ts';
import type { Seat } from './seat.ts';

/** Where nothing can be read: the page is absent. */
const NOWHERE = -1;

/** Hears what one vCPU is given. */
export class Answers {
  readonly #machine: Machine;
  readonly #seat: Seat;
  readonly #given: (value: number) => void;
  /** A batch of a string instruction: the device writes it into memory after the registers have moved. */
  #batch: { op: StringOp; reps: number } | null = null;

  /** @param given - each value, in the order of the program */
  constructor(machine: Machine, seat: Seat, given: (value: number) => void) {
    this.#machine = machine;
    this.#seat = seat;
    this.#given = given;
    const { insnCpu } = seat;
    insnCpu.onRetired = (list: readonly insn_access[], done: number) => {
      for (let i = 0; i < done; i++) {
        const access = list[i] as insn_access;
        if (access.dir !== IOREQ_READ) continue;
        given(low(access.data, access.size));
        if (access.size === 8) given(access.data_hi);
      }
    };
    insnCpu.onCommitted = (op, reps) => {
      if (op.op === 'ins' || op.op === 'movs') this.#batch = { op, reps };
    };
  }

  /** Whether all that the guest got was told. */
  get still(): boolean {
    return this.#batch === null;
  }

  forget(): void {
    this.#batch = null;
  }

  /** The vCPU is between two instructions: its batch is in memory. */
  settled(): void {
    if (this.#batch === null) return;
    const { op, reps } = this.#batch;
    this.#batch = null;
    const { cpu } = this.#seat.parts;
    const { ram, domain } = this.#machine;
    const source = cpu.translate(op.srcBase + op.srcIndex);
    if (op.op === 'movs' && domain.arch.hvm.p2m.type_at(source) === p2m_ram_rw) return;
    const step = op.df ? -op.size : op.size;
    for (let i = 0; i < reps; i++) {
      const gpa = cpu.translate(op.dstBase + op.dstIndex + i * step);
      this.#given(ram.contains(gpa, op.size) ? ram.read(gpa, op.size) : NOWHERE);
    }
  }
}

/** What an IN that the port is done with gives its register. The CPU is still parked on it. */
export function portAnswer({ parts }: Seat): number {
  return low(parts.regs.answer, parts.cpu.exitSize);
}

function low(value: number, size: number): number {
  return (size < 4 ? value & ((1 << (8 * size)) - 1) : value) >>> 0;
}
