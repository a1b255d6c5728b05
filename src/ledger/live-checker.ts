// SPDX-License-Identifier: GPL-2.0-only
// The rules: every access issued, answered and retired exactly once, in order. One core for the
// live check and for files; memory is bounded per vCPU, whatever the length of the run.

import type { OpenPiece } from './book.ts';
import { VcpuBook } from './book.ts';
import { DeviceTally } from './device-tally.ts';
import type {
  Access,
  EventSink,
  LedgerDevice,
  Mark,
  Stage,
  StageCounts,
  WholeRows,
} from './events.ts';
import { createAccess, MAX_VCPUS, showStages } from './events.ts';
import { FinishRules } from './finish-rules.ts';
import { IssueRules } from './issue-rules.ts';
import { Reporter } from './reporter.ts';
import type { Violation, ViolationKind } from './violations.ts';

/** Distinct windows counted by name. */
const MAX_WINDOWS = 256;

/** The verdict so far. */
export interface LedgerReport {
  /** No violation of any kind. */
  ok: boolean;
  events: number;
  /** Repetitions per stage. */
  accesses: StageCounts;
  /** Events per stage. */
  requests: StageCounts;
  checkpoints: number;
  resumes: number;
  /** Checkpoints per window. */
  windows: Record<string, number>;
  /** Accesses the program or the device missed. */
  lost: number;
  /** Accesses that happened once too often. */
  duplicated: number;
  /** Accesses out of order. */
  reordered: number;
  /** Answers thrown away because their access was issued again. */
  discarded: number;
  /** Requests not finished: in flight now, or at a `midway` end. */
  open: number;
  /** The first ones, at most as many as asked for. */
  violations: Violation[];
  violationsTotal: number;
  byKind: Partial<Record<ViolationKind, number>>;
}

/** What `new LiveChecker()` takes. */
export interface CheckerOptions {
  /** Violations kept in full; all are counted. Default 100. */
  maxViolations?: number;
  /** Requests remembered per vCPU, to tell a second issue from a late first one. Default 256. */
  remembered?: number;
  /** A checker that is done with: what it remembered in is used again. */
  instead?: LiveChecker;
}

/** Checks a history as it goes by. Feed it as a sink, then call `finish()`. */
export class LiveChecker implements EventSink {
  readonly #reporter: Reporter;
  readonly #remembered: number | undefined;
  readonly #issues: IssueRules;
  readonly #finishes: FinishRules;
  readonly #books: (VcpuBook | undefined)[] = [];
  readonly #accesses: StageCounts = { issued: 0, answered: 0, retired: 0 };
  readonly #requests: StageCounts = { issued: 0, answered: 0, retired: 0 };
  readonly #scratch = createAccess();
  readonly #windows = new Map<string, number>();
  #events = 0;
  #lastSeq = -1;
  #vcpus = MAX_VCPUS;
  #state: 'new' | 'running' | 'ended' = 'new';
  #paused = -1;
  #checkpoints = 0;
  #resumes = 0;
  #finished = false;
  /** Every event was seen, from the first. */
  #fresh = true;

  constructor(options: CheckerOptions = {}) {
    this.#remembered = options.remembered;
    this.#reporter = new Reporter(options.maxViolations ?? 100);
    this.#issues = new IssueRules(this.#reporter);
    this.#finishes = new FinishRules(this.#reporter);
    const { instead } = options;
    for (const book of instead === undefined ? [] : instead.#books) {
      const fits = book !== undefined && book.remembered === (this.#remembered ?? book.remembered);
      if (fits) book.reset();
      this.#books.push(fits ? book : undefined);
    }
  }

  /** Goes on from where `other` is, which remembers as much. */
  copyFrom(other: LiveChecker): void {
    this.#reporter.copyFrom(other.#reporter);
    this.#issues.copyFrom(other.#issues);
    if (this.#books.length > other.#books.length) this.#books.length = other.#books.length;
    for (let vcpu = 0; vcpu < other.#books.length; vcpu++) {
      const theirs = other.#books[vcpu];
      if (theirs === undefined) this.#books[vcpu] = undefined;
      else this.#book(vcpu).copyFrom(theirs);
    }
    copyCounts(this.#accesses, other.#accesses);
    copyCounts(this.#requests, other.#requests);
    this.#windows.clear();
    for (const [window, times] of other.#windows) this.#windows.set(window, times);
    this.#events = other.#events;
    this.#lastSeq = other.#lastSeq;
    this.#vcpus = other.#vcpus;
    this.#state = other.#state;
    this.#paused = other.#paused;
    this.#checkpoints = other.#checkpoints;
    this.#resumes = other.#resumes;
    this.#finished = other.#finished;
    this.#fresh = other.#fresh;
  }

  /** True once anything was found wrong. */
  get failed(): boolean {
    return this.#reporter.total > 0;
  }

  /** The first violation, while the run goes on. */
  get first(): Violation | undefined {
    return this.#reporter.kept[0];
  }

  /**
   * Instead of a start: judges what follows a saved checkpoint. What came before is for the check of the whole file;
   * counts of devices at the end are, too.
   */
  goOn(
    devices: readonly LedgerDevice[],
    vcpus: number,
    checkpoints: number,
    resumes: number,
  ): void {
    this.#state = 'running';
    this.#vcpus = vcpus;
    this.#issues.tally = new DeviceTally(devices);
    this.#checkpoints = checkpoints;
    this.#resumes = resumes;
    this.#paused = checkpoints;
    this.#fresh = false;
  }

  /** For the file reader: reports damage of the file itself. */
  fileViolation(kind: ViolationKind, seq: number, message: string): void {
    this.#reporter.add(kind, null, -1, seq, message);
  }

  access(stage: Stage, seq: number, a: Access): void {
    this.#events++;
    this.#lastSeq = seq;
    // Spelled out per stage: a computed property name costs 20 ns per event here.
    if (stage === 'issued') {
      this.#accesses.issued += a.count;
      this.#requests.issued++;
    } else if (stage === 'answered') {
      this.#accesses.answered += a.count;
      this.#requests.answered++;
    } else {
      this.#accesses.retired += a.count;
      this.#requests.retired++;
    }
    if (this.#state !== 'running') this.#misplaced(seq);
    if (a.vcpu >= this.#vcpus) {
      const message = `event ${seq} is of vCPU ${a.vcpu}, the run has ${this.#vcpus}`;
      this.#reporter.add('unknown-vcpu', a, -1, seq, message);
      return;
    }
    if (
      a.count < 1 ||
      a.size < 1 ||
      a.lane + a.size > a.whole ||
      (a.count > 1 && a.size !== a.whole)
    ) {
      const what = `count ${a.count}, size ${a.size}, byte ${a.lane} of ${a.whole}`;
      this.#reporter.about('bad-field', a, -1, seq, `makes no sense: ${what}`, 1);
      return;
    }
    if (this.#paused >= 0) {
      const message = `${stage} while the domain was paused for checkpoint ${this.#paused}`;
      this.#reporter.about('paused-activity', a, -1, seq, message, 1);
    }
    const book = this.#book(a.vcpu);
    if (stage === 'issued') this.#issues.issue(book, seq, a);
    else if (stage === 'answered') this.#finishes.answer(book, seq, a);
    else this.#finishes.retire(book, seq, a);
  }

  wholes(seq: number, rows: WholeRows, from: number, to: number): void {
    for (let row = from; row < to; ) {
      const passed = this.#passed(seq + 3 * (row - from), rows, row, to);
      row += passed;
      if (row === to) return;
      // One that a rule has to look at.
      if (passed === 0) {
        showStages(this, seq + 3 * (row - from), rows, row, row + 1, this.#scratch);
        row++;
      }
    }
  }

  /** How many rows from `from` on no rule can object to; they are dealt with. */
  #passed(seq: number, rows: WholeRows, from: number, to: number): number {
    const vcpu = rows.vcpuOf(from);
    const book = vcpu < this.#vcpus ? this.#books[vcpu] : undefined;
    if (this.#state !== 'running' || this.#paused >= 0 || book === undefined) return 0;
    const passed = this.#issues.wholes(book, seq, rows, from, to) - from;
    if (passed === 0) return 0;
    this.#events += 3 * passed;
    this.#lastSeq = seq + 3 * passed - 1;
    for (const counts of [this.#accesses, this.#requests]) {
      counts.issued += passed;
      counts.answered += passed;
      counts.retired += passed;
    }
    return passed;
  }

  mark(seq: number, mark: Mark): void {
    this.#events++;
    this.#lastSeq = seq;
    if (mark.ev === 'start') {
      if (this.#state !== 'new' || this.#events !== 1) {
        this.#reporter.add('start-order', null, -1, seq, `a start at event ${seq}, not at event 0`);
        return;
      }
      this.#state = 'running';
      this.#vcpus = Math.min(Math.max(mark.vcpus, 1), MAX_VCPUS);
      this.#issues.tally = new DeviceTally(mark.devices);
      return;
    }
    if (this.#state !== 'running') this.#misplaced(seq);
    if (mark.ev === 'checkpoint') this.#checkpoint(seq, mark.n, mark.window);
    else if (mark.ev === 'resume') this.#resume(seq, mark.n);
    else if (mark.ev === 'end') this.#end(seq, mark);
    else if (mark.vcpu >= this.#vcpus) {
      const message = `a reset of vCPU ${mark.vcpu}, the run has ${this.#vcpus}`;
      this.#reporter.add('unknown-vcpu', null, -1, seq, message);
    } else {
      const book = this.#book(mark.vcpu);
      this.#issues.close(book, seq, 'the vCPU was reset');
      book.reset();
    }
  }

  /** The end of the history: what is still missing is a violation. Idempotent. */
  finish(): LedgerReport {
    if (!this.#finished) {
      this.#finished = true;
      if (this.#state !== 'ended') {
        const seq = this.#lastSeq;
        if (this.#state === 'new') {
          this.#reporter.add('start-order', null, -1, Math.max(seq, 0), 'there is no start event');
        }
        this.#closeAll(seq, 'the ledger ends');
        const message = `there is no end event; the last event is ${seq}`;
        this.#reporter.add('end-order', null, -1, Math.max(seq, 0), message);
      }
    }
    return this.report();
  }

  /** What is known now. */
  report(): LedgerReport {
    const reporter = this.#reporter;
    return {
      ok: reporter.total === 0,
      events: this.#events,
      accesses: { ...this.#accesses },
      requests: { ...this.#requests },
      checkpoints: this.#checkpoints,
      resumes: this.#resumes,
      windows: Object.fromEntries(this.#windows),
      lost: reporter.accessesOf('lost'),
      duplicated: reporter.accessesOf('duplicated'),
      reordered: reporter.accessesOf('reordered'),
      discarded: this.#issues.discarded,
      open: this.#books.reduce((sum, book) => sum + (book?.openCount ?? 0), 0),
      violations: [...reporter.kept],
      violationsTotal: reporter.total,
      byKind: { ...reporter.byKind },
    };
  }

  #closeAll(seq: number, why: string): void {
    for (const book of this.#books) {
      if (book !== undefined) this.#issues.close(book, seq, why);
    }
  }

  #checkpoint(seq: number, n: number, window: string): void {
    const expected = this.#checkpoints + 1;
    if (this.#paused >= 0 || n !== expected) {
      const when = this.#paused >= 0 ? ` while checkpoint ${this.#paused} is not resumed` : '';
      const message = `checkpoint ${n}${when}; expected number ${expected}`;
      this.#reporter.add('checkpoint-order', null, -1, seq, message);
    }
    this.#checkpoints++;
    this.#paused = n;
    this.#reporter.sawCheckpoint(seq, n, window);
    const known = this.#windows.has(window) || this.#windows.size < MAX_WINDOWS;
    const name = known ? window : '(other)';
    this.#windows.set(name, (this.#windows.get(name) ?? 0) + 1);
    for (const book of this.#books) {
      if (book === undefined || book.unanswered === 0) continue;
      for (let i = 0; i < book.openCount; i++) {
        const piece = book.open[i] as OpenPiece;
        if (piece.answeredSeq >= 0) continue;
        const message = `waited for its answer (issued at event ${piece.issuedSeq}) when checkpoint ${n} was taken`;
        this.#reporter.about(
          'in-flight-at-checkpoint',
          piece.access,
          piece.issuedSeq,
          seq,
          message,
          1,
        );
      }
    }
  }

  #resume(seq: number, n: number): void {
    if (this.#paused !== n) {
      const state = this.#paused < 0 ? 'nothing is paused' : `checkpoint ${this.#paused} is paused`;
      const message = `resume of checkpoint ${n}, but ${state}`;
      this.#reporter.add('checkpoint-order', null, -1, seq, message);
    }
    this.#resumes++;
    this.#paused = -1;
  }

  #end(seq: number, end: Extract<Mark, { ev: 'end' }>): void {
    this.#state = 'ended';
    if (end.stop === 'boundary') this.#closeAll(seq, 'the run ended');
    if (!this.#fresh) return;
    const said = `${end.totals.issued}/${end.totals.answered}/${end.totals.retired}`;
    const seen = `${this.#accesses.issued}/${this.#accesses.answered}/${this.#accesses.retired}`;
    if (said !== seen) {
      const message = `the end counts ${said} issued/answered/retired, the ledger holds ${seen}`;
      this.#reporter.add('totals', null, -1, seq, message);
    }
    if (end.checkpoints !== this.#checkpoints || end.resumes !== this.#resumes) {
      const message = `the end counts ${end.checkpoints} checkpoints and ${end.resumes} resumes, the ledger holds ${this.#checkpoints} and ${this.#resumes}`;
      this.#reporter.add('totals', null, -1, seq, message);
    }
    for (const [vcpu, book] of this.#books.entries()) {
      const done = end.instructions?.[vcpu];
      if (book === undefined || done === undefined) continue;
      // Stopped midway, the instruction under way has the number of those completed.
      if (book.insn < (end.stop === 'midway' ? done + 1 : done)) continue;
      const message = `vCPU ${vcpu} completed ${done} instructions, but accessed a device in instruction ${book.insn}`;
      this.#reporter.add('totals', null, -1, seq, message);
    }
    for (const message of this.#issues.tally.compare(end.witnesses)) {
      this.#reporter.add('witness', null, -1, seq, message);
    }
  }

  #misplaced(seq: number): void {
    if (this.#state === 'new') {
      // Said once: the rest of the history is judged as if it had started.
      this.#state = 'running';
      this.#reporter.add('start-order', null, -1, seq, `event ${seq} comes before any start`);
    } else this.#reporter.add('end-order', null, -1, seq, `event ${seq} comes after the end`);
  }

  #book(vcpu: number): VcpuBook {
    let book = this.#books[vcpu];
    if (book === undefined) {
      book = new VcpuBook(vcpu, this.#remembered);
      while (this.#books.length < vcpu) this.#books.push(undefined);
      this.#books[vcpu] = book;
    }
    return book;
  }
}

function copyCounts(to: StageCounts, from: StageCounts): void {
  to.issued = from.issued;
  to.answered = from.answered;
  to.retired = from.retired;
}
