// SPDX-License-Identifier: GPL-2.0-only
// Hears everything of a run: feeds the monitors of the invariants, and mixes what they hear into the history.
import type { AccessEvent } from '../dm/request.ts';
import type { LedgerReport } from '../ledger/live-checker.ts';
import type { Violation } from '../ledger/violations.ts';
import type { vcpu } from '../xen/common/sched.ts';
import { NullTracer } from '../xen/common/trace.ts';
import { X86EMUL_RETRY, type x86emul_rc } from '../xen/hvm/x86_emulate.ts';
import type { ioreq_t } from '../xen/public/hvm_ioreq.ts';
import type { StateHash } from './hash.ts';
import type { Invariant, Monitor, RunEnd } from './invariants.ts';

/** One invariant that a run has broken. */
export interface Finding {
  invariant: string;
  message: string;
}

export class Observer extends NullTracer {
  /** What is broken, in the order in which it was noticed; each invariant once. */
  readonly findings: Finding[] = [];
  /** Called when a finding is added. */
  onFinding: (() => void) | null = null;
  readonly #monitors: Monitor[];
  readonly #history: StateHash;
  #granted = false;

  constructor(invariants: readonly Invariant[], history: StateHash) {
    super();
    this.#history = history;
    this.#monitors = invariants.map(({ name, create }) =>
      create((message) => this.#complain(name, message)),
    );
  }

  reset(): void {
    this.findings.length = 0;
    this.#granted = false;
    for (const m of this.#monitors) m.reset?.();
  }

  #complain(invariant: string, message: string): void {
    if (this.findings.some((f) => f.invariant === invariant)) return;
    this.findings.push({ invariant, message });
    this.onFinding?.();
  }

  begun(insn: number): void {
    this.#history.add(0x10);
    for (const m of this.#monitors) m.begun?.(insn);
  }
  settled(retired: boolean): void {
    this.#history.add(retired ? 0x11 : 0x12);
    for (const m of this.#monitors) m.settled?.(retired);
  }
  access(event: AccessEvent): void {
    const h = this.#history;
    h.add(0x20 + event.dir);
    h.addWide(event.addr);
    h.add(event.size);
    h.add(event.element);
    h.add(event.data);
    h.add(event.dataHi);
    for (const m of this.#monitors) m.access?.(event);
  }
  judged(violation: Violation): void {
    for (const m of this.#monitors) m.judged?.(violation);
  }
  captured(n: number, problems: readonly string[]): void {
    for (const m of this.#monitors) m.captured?.(n, problems);
  }
  ended(end: RunEnd, report: LedgerReport): void {
    for (const m of this.#monitors) m.ended?.(end, report);
  }

  override start_deferral(_v: vcpu, granted: boolean): void {
    this.#granted = granted;
  }
  override send(v: vcpu, id: number, p: ioreq_t, rc: x86emul_rc): void {
    if (rc !== X86EMUL_RETRY || !this.#granted) return;
    this.#mix(0x30 + id, p);
    for (const m of this.#monitors) m.sent?.(v, p);
  }
  override refused(v: vcpu, p: ioreq_t): void {
    this.#mix(0x80, p);
    for (const m of this.#monitors) m.refused?.(v, p);
  }
  override response(v: vcpu, _id: number, io_req: ioreq_t): void {
    this.#mix(0x81, io_req);
    for (const m of this.#monitors) m.response?.(v, io_req);
  }
  override inject(_v: vcpu, vector: number, _type: number, ec: number): void {
    this.#history.add(0x82);
    this.#history.add(vector);
    this.#history.add(ec);
  }

  #mix(what: number, p: ioreq_t): void {
    const h = this.#history;
    h.add(what);
    h.addWide(p.addr);
    h.add(p.data);
    h.add(p.data_hi);
    h.add(p.count);
    h.add(p.size + 16 * p.state + 256 * p.type + 65536 * p.dir);
  }
}
