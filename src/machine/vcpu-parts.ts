// SPDX-License-Identifier: GPL-2.0-only
// What each vCPU of a machine has of its own. The machine itself holds those of vCPU 0.
import type { InsnCpu } from '../cpu/insn-cpu.ts';
import type { MachineCpu } from '../cpu/machine-cpu.ts';
import type { vcpu } from '../xen/common/sched.ts';
import { NullTracer } from '../xen/common/trace.ts';
import type { x86emul_rc } from '../xen/hvm/x86_emulate.ts';
import type { ioreq_t } from '../xen/public/hvm_ioreq.ts';
import type { Bookkeeper } from './bookkeeper.ts';
import type { GuestRegs } from './guest-regs.ts';
import type { InterruptSource } from './interrupts.ts';
import type { TimeSource } from './time-source.ts';

export interface VcpuParts {
  readonly cpu: MachineCpu;
  readonly insnCpu: InsnCpu;
  readonly regs: GuestRegs;
  readonly vcpu: vcpu;
  readonly books: Bookkeeper | null;
  readonly interrupts: InterruptSource;
  readonly timer: TimeSource;
}

/** The books of one vCPU among several: they hear of that one. */
export class BooksOf extends NullTracer {
  readonly #books: Bookkeeper;
  readonly #id: number;

  constructor(books: Bookkeeper, id: number) {
    super();
    this.#books = books;
    this.#id = id;
  }
  override start_deferral(v: vcpu, granted: boolean): void {
    if (v.vcpu_id === this.#id) this.#books.start_deferral(v, granted);
  }
  override send(v: vcpu, serverId: number, p: ioreq_t, rc: x86emul_rc): void {
    if (v.vcpu_id === this.#id) this.#books.send(v, serverId, p, rc);
  }
  override response(v: vcpu, serverId: number, io_req: ioreq_t): void {
    if (v.vcpu_id === this.#id) this.#books.response(v, serverId, io_req);
  }
}
