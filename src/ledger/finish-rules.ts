// SPDX-License-Identifier: GPL-2.0-only
// The rules on answers and retirements: each belongs to one issued access and agrees with it.
import type { OpenPiece, VcpuBook } from './book.ts';
import type { Access, Stage } from './events.ts';
import type { Reporter } from './reporter.ts';
import { describeAccess, describeData, describeIdentity } from './violations.ts';

/** Judges `answered` and `retired` events. */
export class FinishRules {
  readonly #reporter: Reporter;

  constructor(reporter: Reporter) {
    this.#reporter = reporter;
  }

  answer(book: VcpuBook, seq: number, a: Access): void {
    const index = book.find(a);
    if (index < 0) {
      const overlap = book.findOverlap(a);
      if (overlap >= 0) {
        const piece = book.open[overlap] as OpenPiece;
        this.#rangeMismatch('answered', piece, seq, a);
        this.#markAnswered(book, piece, seq);
        return;
      }
      const before = book.issuedBefore(a);
      if (before >= 0) {
        const message = `answered after it was finished; issued at event ${before}`;
        this.#reporter.about('answer-late', a, before, seq, message, a.count);
      } else
        this.#reporter.about(
          'answer-unissued',
          a,
          -1,
          seq,
          'answered, but no device saw it',
          a.count,
        );
      return;
    }
    const piece = book.open[index] as OpenPiece;
    if (piece.answeredSeq >= 0) {
      const message = `answered again with ${describeData(a)}; first at event ${piece.answeredSeq} with ${describeData(piece.access)}`;
      this.#reporter.about('duplicate-answer', a, piece.answeredSeq, seq, message, a.count);
      return;
    }
    this.#compareFields(piece, 'answered', seq, a);
    if (a.dir === 'r') {
      if (a.count === 1 && !a.hasData) {
        this.#reporter.about(
          'data-mismatch',
          a,
          piece.issuedSeq,
          seq,
          'a read answered with nothing',
          1,
        );
      }
      piece.access.hasData = a.hasData;
      piece.access.data = a.data;
      piece.access.data_hi = a.data_hi;
    } else if (a.hasData) this.#compareData(piece, 'answered', seq, a);
    this.#markAnswered(book, piece, seq);
  }

  #markAnswered(book: VcpuBook, piece: OpenPiece, seq: number): void {
    if (piece.answeredSeq < 0) book.unanswered--;
    piece.answeredSeq = seq;
  }

  retire(book: VcpuBook, seq: number, a: Access): void {
    let index = book.find(a);
    if (index < 0) {
      index = book.findOverlap(a);
      if (index < 0) {
        const before = book.issuedBefore(a);
        if (before >= 0) {
          const message = `the program moved past it again; issued at event ${before}`;
          this.#reporter.about('duplicate-retire', a, before, seq, message, a.count);
        } else {
          const message = 'the program moved past it, but no device saw it';
          this.#reporter.about('retire-unissued', a, -1, seq, message, a.count);
        }
        return;
      }
      this.#rangeMismatch('retired', book.open[index] as OpenPiece, seq, a);
      book.remove(index);
      return;
    }
    const piece = book.open[index] as OpenPiece;
    if (index > 0 && !piece.stray) this.#retiredEarly(book, index, seq, a);
    if (piece.answeredSeq < 0) {
      const message = `the program moved past it before its answer came; issued at event ${piece.issuedSeq}`;
      this.#reporter.about('retire-unanswered', a, piece.issuedSeq, seq, message, a.count);
    }
    this.#compareFields(piece, 'retired', seq, a);
    this.#compareData(piece, 'retired', seq, a);
    book.remove(index);
  }

  #retiredEarly(book: VcpuBook, index: number, seq: number, a: Access): void {
    for (let i = 0; i < index; i++) {
      const earlier = book.open[i] as OpenPiece;
      if (earlier.stray) continue;
      const message = `the program moved past it before ${describeIdentity(earlier.access)} (event ${earlier.issuedSeq})`;
      this.#reporter.about('retire-order', a, earlier.issuedSeq, seq, message, a.count);
      return;
    }
  }

  #compareFields(piece: OpenPiece, stage: Stage, seq: number, a: Access): void {
    const b = piece.access;
    if (a.count !== b.count) this.#rangeMismatch(stage, piece, seq, a);
    if (
      a.addr === b.addr &&
      a.size === b.size &&
      a.dir === b.dir &&
      a.space === b.space &&
      a.whole === b.whole
    ) {
      return;
    }
    const message = `${stage} as such, but issued at event ${piece.issuedSeq} as ${describeAccess(b)}${a.whole === b.whole ? '' : ` of ${b.whole} in all`}`;
    this.#reporter.about('field-mismatch', a, piece.issuedSeq, seq, message, 1);
  }

  #compareData(piece: OpenPiece, stage: Stage, seq: number, a: Access): void {
    const b = piece.access;
    if (a.hasData === b.hasData && a.data === b.data && a.data_hi === b.data_hi) {
      if (a.hasData || a.count > 1 || piece.answeredSeq < 0) return;
      if (a.dir === 'r') return; // the missing answer was reported when it came
      this.#reporter.about('data-mismatch', a, piece.issuedSeq, seq, 'a write without a value', 1);
      return;
    }
    if (a.dir === 'r' && piece.answeredSeq < 0) return; // reported as unanswered
    const source = a.dir === 'r' ? piece.answeredSeq : piece.issuedSeq;
    const verb = a.dir === 'r' ? 'answered' : 'issued';
    const message = `${stage} with ${describeData(a)}, but ${verb} at event ${source} with ${describeData(b)}`;
    this.#reporter.about('data-mismatch', a, source, seq, message, 1);
  }

  #rangeMismatch(stage: Stage, piece: OpenPiece, seq: number, a: Access): void {
    const message = `${stage} as such, but event ${piece.issuedSeq} issued ${describeIdentity(piece.access)}`;
    this.#reporter.about('range-mismatch', a, piece.issuedSeq, seq, message, 1);
  }
}
