// SPDX-License-Identifier: GPL-2.0-only
// Accesses that ended at nobody.
import { hex } from '../util/hex.ts';
import type { vcpu } from '../xen/common/sched.ts';
import { NullTracer } from '../xen/common/trace.ts';
import { IOREQ_READ, IOREQ_TYPE_PIO, type ioreq_t } from '../xen/public/hvm_ioreq.ts';

/** An access that nobody answers: its kind and place; memory by page. */
export function nobodyAt(p: ioreq_t): string {
  const isPort = p.type === IOREQ_TYPE_PIO;
  const what =
    p.dir === IOREQ_READ ? (isPort ? 'IN from' : 'read of') : isPort ? 'OUT to' : 'write to';
  if (isPort) return `${what} port ${hex(p.addr, 3)}`;
  return `${what} memory at ${hex(p.addr - (p.addr % 4096))}`;
}

/** Hears of each. */
export class UnclaimedTracer extends NullTracer {
  readonly #heard: (p: ioreq_t) => void;

  constructor(heard: (p: ioreq_t) => void) {
    super();
    this.#heard = heard;
  }
  override internal(_v: vcpu, p: ioreq_t, handled: boolean): void {
    if (!handled) this.#heard(p);
  }
}
