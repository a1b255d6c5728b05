// SPDX-License-Identifier: GPL-2.0-only
// Hears everything of a run: feeds the monitors of the invariants, and mixes what they hear into the history.
import type { AccessEvent } from '../dm/request.ts';
import type { LedgerReport } from '../ledger/live-checker.ts';
import type { Violation } from '../ledger/violations.ts';
import { clearList, copyList } from '../util/lists.ts';
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

/** The monitors that hear of something, by what it is. */
type Hearers = { readonly [K in keyof Monitor]-?: Monitor[] };

/** A saved place of an `Observer`. */
export interface ObserverMark {
  readonly granted: boolean[];
  readonly given: number[];
  readonly back: (() => void)[];
}

function hearersOf(monitors: readonly Monitor[]): Hearers {
  const of = (name: keyof Monitor): Monitor[] => monitors.filter((m) => m[name] !== undefined);
  return {
    reset: of('reset'),
    mark: of('mark'),
    begun: of('begun'),
    settled: of('settled'),
    given: of('given'),
    restored: of('restored'),
    access: of('access'),
    sent: of('sent'),
    refused: of('refused'),
    response: of('response'),
    judged: of('judged'),
    captured: of('captured'),
    ended: of('ended'),
  };
}

export class Observer extends NullTracer {
  /** What is broken, in the order in which it was noticed; each invariant once. */
  readonly findings: Finding[] = [];
  /** Called when a finding is added. */
  onFinding: (() => void) | null = null;
  readonly #hear: Hearers;
  readonly #history: StateHash;
  /** By vCPU: whether the deferral it asked for last was granted. */
  readonly #granted: boolean[] = [];
  /** What each vCPU's guest gets undisturbed, and how much of it has come. */
  readonly #expected: readonly (readonly number[])[];
  readonly #given: number[] = [];
  readonly #run = { killed: false };

  /** @param expected - by vCPU: the values its guest gets when nobody interferes; as far as known */
  constructor(
    invariants: readonly Invariant[],
    history: StateHash,
    expected: readonly (readonly number[])[] = [],
  ) {
    super();
    this.#history = history;
    this.#expected = expected;
    this.#hear = hearersOf(
      invariants.map(({ name, create }) =>
        create((message) => this.#complain(name, message), this.#run),
      ),
    );
  }

  reset(): void {
    clearList(this.findings);
    this.#granted.fill(false);
    this.#given.fill(0);
    this.#run.killed = false;
    for (const m of this.#hear.reset) m.reset?.();
  }

  /** Whether each monitor can be brought back to a saved place. */
  get goesBack(): boolean {
    return this.#hear.reset.every((m) => m.mark !== undefined);
  }
  /** Saves where the run is, which has broken nothing and killed nobody. */
  take(mark: ObserverMark): void {
    copyList(mark.granted, this.#granted);
    copyList(mark.given, this.#given);
    clearList(mark.back);
    for (const m of this.#hear.mark) {
      const back = m.mark?.() ?? null;
      if (back !== null) mark.back.push(back);
    }
  }
  /** A run that goes on from there. */
  goBack(mark: ObserverMark): void {
    this.reset();
    copyList(this.#granted, mark.granted);
    copyList(this.#given, mark.given);
    for (const back of mark.back) back();
  }

  #complain(invariant: string, message: string): void {
    if (this.findings.some((f) => f.invariant === invariant)) return;
    this.findings.push({ invariant, message });
    this.onFinding?.();
  }

  /** Whether any of the invariants wants checkpoints restored into another machine. */
  get restores(): boolean {
    return this.#hear.restored.length > 0;
  }

  begun(insn: number, vcpu: number): void {
    this.#history.add(0x10 + 0x100 * vcpu);
    for (const m of this.#hear.begun) m.begun?.(insn, vcpu);
  }
  settled(retired: boolean, vcpu: number): void {
    this.#history.add((retired ? 0x11 : 0x12) + 0x100 * vcpu);
    for (const m of this.#hear.settled) m.settled?.(retired, vcpu);
  }
  /** The guest got a value from a device. */
  given(value: number, vcpu: number): void {
    const n = this.#given[vcpu] ?? 0;
    this.#given[vcpu] = n + 1;
    const expected = this.#expected[vcpu]?.[n];
    if (expected === undefined) return;
    for (const m of this.#hear.given) m.given?.(value, expected, vcpu);
  }
  /** A device model has died, or its server is destroyed. */
  killed(): void {
    this.#history.add(0x83);
    this.#run.killed = true;
  }
  /** A checkpoint, restored into another machine, does not go on as the guest would. */
  restored(n: number, problem: string): void {
    for (const m of this.#hear.restored) m.restored?.(n, problem);
  }
  access(event: AccessEvent): void {
    const h = this.#history;
    h.add(0x20 + event.dir + 0x100 * (event.vcpu + 1));
    h.addWide(event.addr);
    h.add(event.size);
    h.add(event.element);
    h.add(event.data);
    h.add(event.dataHi);
    for (const m of this.#hear.access) m.access?.(event);
  }
  judged(violation: Violation): void {
    for (const m of this.#hear.judged) m.judged?.(violation);
  }
  captured(n: number, problems: readonly string[]): void {
    for (const m of this.#hear.captured) m.captured?.(n, problems);
  }
  ended(end: RunEnd, report: () => LedgerReport): void {
    for (const m of this.#hear.ended) m.ended?.(end, report);
  }

  override start_deferral(v: vcpu, granted: boolean): void {
    this.#granted[v.vcpu_id] = granted;
  }
  override send(v: vcpu, id: number, p: ioreq_t, rc: x86emul_rc): void {
    if (rc !== X86EMUL_RETRY || this.#granted[v.vcpu_id] !== true) return;
    this.#mix(0x30 + id + 0x100 * v.vcpu_id, p);
    for (const m of this.#hear.sent) m.sent?.(v, p);
  }
  override refused(v: vcpu, p: ioreq_t): void {
    this.#mix(0x80 + 0x100 * v.vcpu_id, p);
    for (const m of this.#hear.refused) m.refused?.(v, p);
  }
  override response(v: vcpu, _id: number, io_req: ioreq_t): void {
    this.#mix(0x81 + 0x100 * v.vcpu_id, io_req);
    for (const m of this.#hear.response) m.response?.(v, io_req);
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
