// SPDX-License-Identifier: GPL-2.0-only
// A ledger without a buffer, for runs of a few events: its judge sees each event at once, and it can start over.

import { ANSWERED, EventBlock, ISSUED, RETIRED } from '../ledger/columns.ts';
import {
  type Access,
  createAccess,
  type StageCounts,
  type StartInfo,
  type Witness,
} from '../ledger/events.ts';
import { Ledger } from '../ledger/ledger.ts';
import { LiveChecker } from '../ledger/live-checker.ts';
import { BugError } from '../util/errors.ts';
import type { StateHash } from './hash.ts';

const MOST_VIOLATIONS = 8;

/** A saved place of a `DirectLedger`. */
export class LedgerMark {
  readonly checker: LiveChecker;
  readonly retiredBy: number[] = [];
  totals: StageCounts = { issued: 0, answered: 0, retired: 0 };
  checkpoints = 0;
  resumes = 0;
  seq = 0;

  /** @param remembered - as the ledger has it */
  constructor(remembered: number) {
    this.checker = new LiveChecker({ maxViolations: MOST_VIOLATIONS, remembered });
  }
}

export class DirectLedger extends Ledger {
  /** Requests the judge remembers: more than a run can have, and few, because each run has a new judge. */
  remembered = 32;
  /** The judge of this run. */
  checker: LiveChecker = new LiveChecker({ maxViolations: MOST_VIOLATIONS });
  /** Events of this run. */
  #seq = 0;
  /** Requests retired in this run, by vCPU. */
  readonly retiredBy: number[] = [];
  /** Values are cut to the width of their access, as in every ledger. */
  readonly #row = new EventBlock(1);
  readonly #access = createAccess();
  readonly #history: StateHash;
  readonly #onEvent: () => void;

  /** @param history - every event is mixed in. @param onEvent - called after each */
  constructor(history: StateHash, onEvent: () => void) {
    super();
    this.#history = history;
    this.#onEvent = onEvent;
  }

  /** A new run. */
  restart(info: StartInfo): void {
    const { remembered, checker: instead } = this;
    this.checker = new LiveChecker({ maxViolations: MOST_VIOLATIONS, remembered, instead });
    this.#seq = 0;
    for (let i = 0; i < info.vcpus; i++) this.retiredBy[i] = 0;
    this.issuedCount = this.answeredCount = this.retiredCount = 0;
    this.checkpoints = this.resumes = 0;
    this.checker.mark(this.#seq++, { ev: 'start', ...info });
  }

  /** Saves where the run is. @param mark - of a ledger that remembers as much */
  take(mark: LedgerMark): void {
    mark.checker.copyFrom(this.checker);
    for (let i = 0; i < this.retiredBy.length; i++) mark.retiredBy[i] = this.retiredBy[i] ?? 0;
    mark.totals = this.totals;
    mark.checkpoints = this.checkpoints;
    mark.resumes = this.resumes;
    mark.seq = this.#seq;
  }

  /** A run that goes on from there. */
  goBack(mark: LedgerMark): void {
    this.checker.copyFrom(mark.checker);
    for (let i = 0; i < this.retiredBy.length; i++) this.retiredBy[i] = mark.retiredBy[i] ?? 0;
    this.issuedCount = mark.totals.issued;
    this.answeredCount = mark.totals.answered;
    this.retiredCount = mark.totals.retired;
    this.checkpoints = mark.checkpoints;
    this.resumes = mark.resumes;
    this.#seq = mark.seq;
  }

  override get events(): number {
    return this.#seq;
  }

  override whole(): void {
    throw new BugError('every stage has a turn of its own here');
  }
  override issued(a: Access): void {
    this.issuedCount += a.count;
    this.#event(ISSUED, a);
  }
  override answered(a: Access): void {
    this.answeredCount += a.count;
    this.#event(ANSWERED, a);
  }
  override retired(a: Access): void {
    this.retiredCount += a.count;
    this.retiredBy[a.vcpu] = (this.retiredBy[a.vcpu] ?? 0) + 1;
    this.#event(RETIRED, a);
  }
  override checkpoint(n: number, window: string): void {
    this.checkpoints++;
    this.#history.add(0x100 + n);
    this.checker.mark(this.#seq++, { ev: 'checkpoint', n, window });
    this.#onEvent();
  }
  override resume(n: number): void {
    this.resumes++;
    this.#history.add(0x200 + n);
    this.checker.mark(this.#seq++, { ev: 'resume', n });
    this.#onEvent();
  }

  /** The end of the run at an instruction boundary: what is still open is a violation. */
  close(witnesses: Readonly<Record<string, Witness>>): void {
    this.checker.mark(this.#seq++, {
      ev: 'end',
      stop: 'boundary',
      reason: 'explored',
      witnesses,
      totals: this.totals,
      checkpoints: this.checkpoints,
      resumes: this.resumes,
    });
    this.#onEvent();
  }

  #event(stage: number, access: Access): void {
    const row = this.#row;
    const a = this.#access;
    row.push(stage, access);
    const name = row.load(0, a);
    row.clear();
    const h = this.#history;
    h.add(stage + 4 * a.vcpu + 16 * a.access + 256 * a.size + 65536 * a.lane);
    h.addWide(a.insn);
    h.add(a.rep);
    h.add(a.count);
    h.addWide(a.addr);
    h.add(a.data);
    h.add(a.data_hi);
    h.add((a.dir === 'r' ? 1 : 0) + (a.space === 'pio' ? 2 : 0) + (a.hasData ? 4 : 0));
    this.checker.access(name, this.#seq++, a);
    this.#onEvent();
  }
}
