// SPDX-License-Identifier: GPL-2.0-only
// The rules on what a device sees: each access once, none missing, in order; and what is lost when
// the next instruction begins.

import type { OpenPiece, Track, VcpuBook } from './book.ts';
import { MAX_OPEN } from './book.ts';
import { DeviceTally } from './device-tally.ts';
import type { Access, WholeRows } from './events.ts';
import { copyAccess, createAccess } from './events.ts';
import type { Reporter } from './reporter.ts';
import { describeData, describeIdentity } from './violations.ts';

/** Judges `issued` events, and closes instructions. */
export class IssueRules {
  /** Answers thrown away because their access was issued again. */
  discarded = 0;
  /** Replaced when the start event names the devices. */
  tally: DeviceTally = new DeviceTally([]);
  readonly #reporter: Reporter;
  readonly #lost = createAccess();

  constructor(reporter: Reporter) {
    this.#reporter = reporter;
  }

  /** Goes on from where `other` is. */
  copyFrom(other: IssueRules): void {
    this.discarded = other.discarded;
    if (!this.tally.copyFrom(other.tally)) this.tally = other.tally.clone();
  }

  issue(book: VcpuBook, seq: number, a: Access): void {
    this.tally.count(a);
    let stray = false;
    if (a.insn < book.insn) {
      this.#issuedBehind(book, seq, a);
      stray = true;
    } else {
      if (a.insn > book.insn) {
        if (book.openCount > 0 || book.trackCount > 0) {
          this.close(book, seq, 'a later instruction began');
        }
        book.begin(a.insn);
      }
      stray = this.#place(book, seq, a);
    }
    if (book.unanswered > 0) {
      const waiting = book.open.find((piece) => piece.answeredSeq < 0) as OpenPiece;
      const other = `${describeIdentity(waiting.access)} (event ${waiting.issuedSeq})`;
      const message = `issued while ${other} waited for its answer`;
      this.#reporter.about('two-in-flight', a, waiting.issuedSeq, seq, message, 1);
    }
    if (book.openCount === MAX_OPEN) this.#missing(book, 0, seq, 'too many accesses are open');
    book.push(a, seq, stray);
  }

  /**
   * Accesses whose three stages came in a row, each the only one of a later instruction than what was before, which is
   * finished: no rule can object. Only what can be remembered of them is.
   * @returns the first row of another kind, or `to`
   */
  wholes(book: VcpuBook, firstSeq: number, rows: WholeRows, from: number, to: number): number {
    if (book.openCount > 0 || !book.tracksAreWhole()) return from;
    const { tally } = this;
    let { insn } = book;
    let row = from;
    for (; row < to; row++) {
      const next = rows.insnOf(row);
      if (next <= insn || rows.vcpuOf(row) !== book.vcpu) break;
      insn = next;
      tally.countOne(rows.isPort(row), rows.isRead(row), rows.addrOf(row));
    }
    if (row === from) return from;
    const a = this.#lost;
    for (let i = Math.max(from, row - book.remembered); i < row; i++) {
      rows.load(i, a);
      book.remember(a, firstSeq + 3 * (i - from));
    }
    book.begin(a.insn);
    this.#fill(book.addTrack(), firstSeq + 3 * (row - 1 - from), a);
    return row;
  }

  /** An issue of an instruction before the current one: a second time, or late. */
  #issuedBehind(book: VcpuBook, seq: number, a: Access): void {
    const before = book.issuedBefore(a);
    if (before >= 0) this.#issuedAgain(book, seq, a, before, a.count);
    else {
      const message = `issued after instruction ${book.insn} had begun`;
      this.#reporter.about('issue-order', a, -1, seq, message, a.count);
    }
  }

  /** Fits a request into the current instruction. Returns true when its place was reported as wrong. */
  #place(book: VcpuBook, seq: number, a: Access): boolean {
    if (a.access >= book.trackCount) return this.#placeFirst(book, seq, a);
    const track = book.tracks[a.access] as Track;
    if (a.rep < track.repNext) {
      const sameReps = a.rep === track.rep && a.count === track.count;
      if (!sameReps || a.lane < track.laneEnd) {
        const overlap = Math.min(a.rep + a.count, track.repNext) - a.rep;
        const before = book.issuedBefore(a);
        this.#issuedAgain(book, seq, a, before < 0 ? track.seq : before, overlap);
        if (a.rep + a.count > track.repNext) track.repNext = a.rep + a.count;
        if (sameReps) track.laneEnd = Math.max(track.laneEnd, a.lane + a.size);
        return true;
      }
      if (a.lane > track.laneEnd) this.#laneGap(seq, a, track.laneEnd, a.lane, track.seq);
      if (a.whole !== track.whole || a.dir !== track.dir || a.space !== track.space) {
        const message = `a piece of a ${track.dir === 'r' ? 'read' : 'write'} of ${track.whole} bytes differs from the piece before`;
        this.#reporter.about('field-mismatch', a, track.seq, seq, message, 1);
      }
      track.laneEnd = a.lane + a.size;
      return this.#advance(book, seq, a);
    }
    if (book.openCount > 0) this.#closeRepetitions(book, seq, a);
    if (track.laneEnd < track.whole) {
      this.#laneGap(seq, a, track.laneEnd, track.whole, track.seq);
    }
    if (a.lane > 0) this.#laneGap(seq, a, 0, a.lane, track.seq);
    if (a.rep > track.repNext && !this.tally.mayHaveLeft(track, a)) {
      this.#repGap(seq, a, track.repNext, track.seq);
    }
    if (
      a.dir !== track.dir ||
      a.space !== track.space ||
      a.whole !== track.whole ||
      (a.space === 'pio' && a.lane === 0 && a.addr !== track.addr)
    ) {
      const message = 'differs from the repetition before in space, port, size or direction';
      this.#reporter.about('field-mismatch', a, track.seq, seq, message, 1);
    }
    this.#fill(track, seq, a);
    return this.#advance(book, seq, a);
  }

  /** A repetition begins only when the registers moved past those before it. */
  #closeRepetitions(book: VcpuBook, seq: number, a: Access): void {
    for (let i = 0; i < book.openCount; ) {
      const b = (book.open[i] as OpenPiece).access;
      if (b.insn === a.insn && b.rep + b.count <= a.rep) {
        this.#missing(book, i, seq, 'a later repetition began');
      } else i++;
    }
  }

  /** The first request of an access index in this instruction. */
  #placeFirst(book: VcpuBook, seq: number, a: Access): boolean {
    const previous = a.access > 0 ? book.tracks[a.access - 1] : undefined;
    if (a.access > book.trackCount || (previous !== undefined && previous.repNext <= a.rep)) {
      const message = `issued, but access ${a.access - 1} of that repetition never was`;
      this.#reporter.about('access-gap', a, -1, seq, message, 1);
      // Without a track it would be reported again for each later access of this instruction.
      if (a.access > book.trackCount) return true;
    } else if (previous !== undefined && previous.laneEnd < previous.whole) {
      this.#laneGap(seq, a, previous.laneEnd, previous.whole, previous.seq);
      previous.laneEnd = previous.whole;
    }
    if (a.lane > 0) this.#laneGap(seq, a, 0, a.lane, -1);
    if (a.access === 0 && a.rep > 0 && !this.tally.mayHaveEntered(a)) {
      this.#repGap(seq, a, 0, -1);
    }
    this.#fill(book.addTrack(), seq, a);
    return this.#advance(book, seq, a);
  }

  #fill(track: Track, seq: number, a: Access): void {
    track.rep = a.rep;
    track.count = a.count;
    track.seq = seq;
    track.repNext = a.rep + a.count;
    track.laneEnd = a.lane + a.size;
    track.whole = a.whole;
    track.addr = a.addr;
    track.size = a.size;
    track.space = a.space;
    track.dir = a.dir;
  }

  /** Within an instruction the order is repetition, access, byte. Returns true when reported. */
  #advance(book: VcpuBook, seq: number, a: Access): boolean {
    const behind =
      a.rep !== book.lastRep
        ? a.rep < book.lastRep
        : a.access !== book.lastAccess
          ? a.access < book.lastAccess
          : a.lane < book.lastLane;
    if (behind) {
      const place = `repetition ${book.lastRep}, access ${book.lastAccess}, byte ${book.lastLane}`;
      this.#reporter.about('issue-order', a, -1, seq, `issued after ${place}`, a.count);
      return true;
    }
    book.lastRep = a.rep;
    book.lastAccess = a.access;
    book.lastLane = a.lane;
    return false;
  }

  /** A device saw `a` a second time; the first one, if open, was thrown away. */
  #issuedAgain(book: VcpuBook, seq: number, a: Access, before: number, overlap: number): void {
    let fate = 'it had been finished before';
    let first = before;
    for (let i = book.findOverlap(a); i >= 0; i = book.findOverlap(a)) {
      const piece = book.open[i] as OpenPiece;
      first = piece.issuedSeq;
      if (piece.answeredSeq < 0) fate = 'its answer never came';
      else {
        this.discarded += piece.access.count;
        fate =
          a.dir === 'r'
            ? `its answer ${describeData(piece.access)} (event ${piece.answeredSeq}) was thrown away`
            : 'it had been done and was forgotten';
      }
      book.remove(i);
    }
    const kind = overlap === a.count ? 'duplicate-issue' : 'rep-overlap';
    const times =
      kind === 'duplicate-issue'
        ? 'issued again'
        : `issued again for ${overlap} of ${a.count} repetitions`;
    const message = `${times}; first issued at event ${first}, ${fate}`;
    this.#reporter.about(kind, a, first, seq, message, overlap);
  }

  #laneGap(seq: number, a: Access, from: number, to: number, firstSeq: number): void {
    const message = `bytes ${from}-${to - 1} of a split access are missing`;
    this.#reporter.about('lane-gap', a, firstSeq, seq, message, 1);
  }

  #repGap(seq: number, a: Access, from: number, firstSeq: number): void {
    const message = `repetitions ${from}-${a.rep - 1} are missing`;
    this.#reporter.about('rep-gap', a, firstSeq, seq, message, a.rep - from);
  }

  /** Nothing of the current instruction can follow any more: what is open or incomplete is lost. */
  close(book: VcpuBook, seq: number, why: string): void {
    while (book.openCount > 0) this.#missing(book, 0, seq, why);
    for (let i = 0; i < book.trackCount; i++) {
      const track = book.tracks[i] as Track;
      if (track.laneEnd >= track.whole) continue;
      const lost = this.#lost;
      lost.vcpu = book.vcpu;
      lost.insn = book.insn;
      lost.access = i;
      lost.rep = track.rep;
      lost.count = 1;
      lost.lane = track.laneEnd;
      lost.size = track.whole - track.laneEnd;
      lost.whole = track.whole;
      lost.space = track.space === 'mmio' ? 'mmio' : 'pio';
      lost.addr = track.addr + track.laneEnd;
      lost.dir = track.dir === 'w' ? 'w' : 'r';
      this.#laneGap(seq, lost, track.laneEnd, track.whole, track.seq);
    }
    book.trackCount = 0;
  }

  /** Open request `index` will never be finished. */
  #missing(book: VcpuBook, index: number, seq: number, why: string): void {
    const piece = book.open[index] as OpenPiece;
    copyAccess(this.#lost, piece.access);
    const { issuedSeq, answeredSeq } = piece;
    book.remove(index);
    const lost = this.#lost;
    if (answeredSeq < 0) {
      const message = `issued at event ${issuedSeq} and never answered; ${why}`;
      this.#reporter.about('unanswered', lost, issuedSeq, seq, message, lost.count);
    } else {
      const answer = lost.dir === 'r' ? ` with ${describeData(lost)}` : '';
      const message = `answered at event ${answeredSeq}${answer}, and the program never moved past it; ${why}`;
      this.#reporter.about('unretired', lost, issuedSeq, seq, message, lost.count);
    }
  }
}
