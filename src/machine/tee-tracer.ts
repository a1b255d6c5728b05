// SPDX-License-Identifier: GPL-2.0-only
// Several observers of the port as one. Passes on the events that observers outside the port use.
import type { domain, vcpu } from '../xen/common/sched.ts';
import { NullTracer, type Tracer } from '../xen/common/trace.ts';
import type { x86emul_rc } from '../xen/hvm/x86_emulate.ts';
import type { ioreq_t } from '../xen/public/hvm_ioreq.ts';

export class TeeTracer extends NullTracer {
  readonly #all: readonly Tracer[];

  constructor(all: readonly Tracer[]) {
    super();
    this.#all = all;
  }
  override start_deferral(v: vcpu, granted: boolean): void {
    for (const t of this.#all) t.start_deferral(v, granted);
  }
  override end_deferral(v: vcpu): void {
    for (const t of this.#all) t.end_deferral(v);
  }
  override send(v: vcpu, serverId: number, p: ioreq_t, rc: x86emul_rc): void {
    for (const t of this.#all) t.send(v, serverId, p, rc);
  }
  override do_pio(v: vcpu, rc: x86emul_rc): void {
    for (const t of this.#all) t.do_pio(v, rc);
  }
  override response(v: vcpu, serverId: number, io_req: ioreq_t): void {
    for (const t of this.#all) t.response(v, serverId, io_req);
  }
  override internal(v: vcpu, p: ioreq_t, handled: boolean, rc: x86emul_rc): void {
    for (const t of this.#all) t.internal(v, p, handled, rc);
  }
  override refused(v: vcpu, p: ioreq_t): void {
    for (const t of this.#all) t.refused(v, p);
  }
  override pause_nosync(v: vcpu): void {
    for (const t of this.#all) t.pause_nosync(v);
  }
  override finalised(d: domain, port: number): void {
    for (const t of this.#all) t.finalised(d, port);
  }
  override crash(d: domain, reason: string): void {
    for (const t of this.#all) t.crash(d, reason);
  }
}
