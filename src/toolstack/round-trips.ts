// SPDX-License-Identifier: GPL-2.0-only
// Takes the time from each ioreq's send to its answer.
import type { RunMeter } from '../util/measure.ts';
import type { vcpu } from '../xen/common/sched.ts';
import { NullTracer } from '../xen/common/trace.ts';
import { X86EMUL_RETRY, type x86emul_rc } from '../xen/hvm/x86_emulate.ts';
import type { ioreq_t } from '../xen/public/hvm_ioreq.ts';

export class RoundTrips extends NullTracer {
  readonly #meter: RunMeter;
  #granted = false;

  constructor(meter: RunMeter) {
    super();
    this.#meter = meter;
  }
  override start_deferral(_v: vcpu, granted: boolean): void {
    this.#granted = granted;
  }
  override send(_v: vcpu, _id: number, _p: ioreq_t, rc: x86emul_rc): void {
    // A refused send has the same result.
    if (rc === X86EMUL_RETRY && this.#granted) this.#meter.sent();
  }
  override response(): void {
    this.#meter.answered();
  }
}
