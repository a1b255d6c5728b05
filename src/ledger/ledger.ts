// SPDX-License-Identifier: GPL-2.0-only
// The recorder: collects events in typed arrays and hands them to its sinks block by block.
import { ASSERT } from '../util/assert.ts';
import { ANSWERED, EventBlock, ISSUED, RETIRED } from './columns.ts';
import type { Access, EndInfo, EventSink, Mark, Space, StageCounts, StartInfo } from './events.ts';
import { createAccess, showStages } from './events.ts';

/** Rows buffered before the sinks see them. Small enough to stay in the second-level cache. */
const BLOCK_ROWS = 4096;

/** What `new Ledger()` takes. */
export interface LedgerOptions {
  /** Who sees the events, in this order: a `LiveChecker`, a `LedgerWriter`, ... */
  sinks?: readonly EventSink[];
  /** Keep every event for `replay()`: 47 bytes each. Default false: seen by the sinks, then discarded. */
  keep?: boolean;
}

/**
 * Records every device access and its stages. Sinks see events late: at the next full block, or
 * when `drain()` or `end()` is called. Not thread-safe: one ledger per run, on the run's thread.
 */
export class Ledger {
  /** Repetitions recorded so far at each stage. Read them at any time. */
  issuedCount = 0;
  answeredCount = 0;
  retiredCount = 0;
  /** Checkpoints and resumes recorded so far. */
  checkpoints = 0;
  resumes = 0;
  readonly #sinks: readonly EventSink[];
  readonly #keep: boolean;
  readonly #full: EventBlock[] = [];
  readonly #scratch: Access = createAccess();
  #block = new EventBlock(BLOCK_ROWS);
  /** Rows of the block that the sinks have seen, and the events in them. */
  #drained = 0;
  #drainedEvents = 0;
  #blockSeq = 0;
  #state: 'new' | 'open' | 'ended' = 'new';

  constructor(options: LedgerOptions = {}) {
    this.#sinks = options.sinks ?? [];
    this.#keep = options.keep ?? false;
  }

  /** Events recorded so far; the next event's sequence number. */
  get events(): number {
    return this.#blockSeq + this.#block.events;
  }

  /** The counters as one object. */
  get totals(): StageCounts {
    return { issued: this.issuedCount, answered: this.answeredCount, retired: this.retiredCount };
  }

  /** The first event. @throws BugError when called twice. */
  start(info: StartInfo): void {
    ASSERT(this.#state === 'new', 'Ledger.start() comes first and once');
    this.#state = 'open';
    this.#mark({ ev: 'start', ...info });
  }

  /** Instead of `start()`: the history of another ledger goes on, as a saved image has its counts. */
  goOn(from: { events: number; totals: StageCounts; checkpoints: number; resumes: number }): void {
    ASSERT(this.#state === 'new', 'Ledger.goOn() comes first and once');
    this.#state = 'open';
    this.#blockSeq = from.events;
    this.issuedCount = from.totals.issued;
    this.answeredCount = from.totals.answered;
    this.retiredCount = from.totals.retired;
    this.checkpoints = from.checkpoints;
    this.resumes = from.resumes;
  }

  /** A device served the request: recorded by the world's side, with the value of a write. */
  issued(access: Access): void {
    this.issuedCount += access.count;
    this.#room().push(ISSUED, access);
  }

  /** The response was given back, with the value of a read. */
  answered(access: Access): void {
    this.answeredCount += access.count;
    this.#room().push(ANSWERED, access);
  }

  /** The answer is consumed (or the write done) and the registers moved past it: the books' side. */
  retired(access: Access): void {
    this.retiredCount += access.count;
    this.#room().push(RETIRED, access);
  }

  /**
   * One access, issued, answered and retired with nothing in between, the only one of its instruction: three events.
   * @param size - at most 4 bytes
   * @param data - the value, cut to them
   */
  whole(
    vcpu: number,
    insn: number,
    space: Space,
    read: boolean,
    addr: number,
    size: number,
    data: number,
  ): void {
    this.issuedCount++;
    this.answeredCount++;
    this.retiredCount++;
    this.#room().pushWhole(vcpu, insn, space, read, addr, size, data);
  }

  /**
   * The domain is paused and captured: from here to `resume()` nothing may happen.
   * @param n - 1 for the first checkpoint, then one more each
   * @param window - where its shutdown fell
   */
  checkpoint(n: number, window: string): void {
    this.checkpoints++;
    this.#mark({ ev: 'checkpoint', n, window });
  }

  /** The domain goes on after checkpoint `n`. */
  resume(n: number): void {
    this.resumes++;
    this.#mark({ ev: 'resume', n });
  }

  /** The vCPU was reset: its instruction numbers start again at 0. */
  reset(vcpu: number): void {
    this.#mark({ ev: 'reset', vcpu });
  }

  /** The last event; drains. The totals are the ledger's own, the witnesses the devices'. */
  end(info: EndInfo): void {
    ASSERT(this.#state === 'open', 'Ledger.end() comes once, after start()');
    this.#mark({
      ev: 'end',
      ...info,
      totals: this.totals,
      checkpoints: this.checkpoints,
      resumes: this.resumes,
    });
    this.#state = 'ended';
    this.drain();
  }

  /** Shows the sinks everything recorded so far. */
  drain(): void {
    const block = this.#block;
    const { length, events } = block;
    const seq = this.#blockSeq + this.#drainedEvents;
    for (const sink of this.#sinks) this.#show(block, this.#drained, length, seq, sink);
    this.#drained = length;
    this.#drainedEvents = events;
    if (this.#keep) {
      if (length < block.capacity) return;
      this.#full.push(block);
      this.#block = new EventBlock(BLOCK_ROWS);
    } else {
      block.clear();
    }
    this.#blockSeq += events;
    this.#drained = 0;
    this.#drainedEvents = 0;
  }

  /** Shows every kept event to `sink`, from the first. @throws BugError without `keep`. */
  replay(sink: EventSink): void {
    ASSERT(this.#keep, 'Ledger.replay() needs the option keep');
    let seq = 0;
    for (const block of this.#full) {
      this.#show(block, 0, block.length, seq, sink);
      seq += block.events;
    }
    this.#show(this.#block, 0, this.#block.length, seq, sink);
  }

  #show(block: EventBlock, from: number, to: number, firstSeq: number, sink: EventSink): void {
    const scratch = this.#scratch;
    let seq = firstSeq;
    for (let i = from; i < to; ) {
      const wholes = block.wholesFrom(i, to);
      if (wholes > 0) {
        if (sink.wholes === undefined) showStages(sink, seq, block, i, i + wholes, scratch);
        else sink.wholes(seq, block, i, i + wholes);
        seq += 3 * wholes;
        i += wholes;
        continue;
      }
      const mark = block.markAt(i);
      if (mark !== undefined) sink.mark(seq, mark);
      else sink.access(block.load(i, scratch), seq, scratch);
      seq++;
      i++;
    }
  }

  #mark(mark: Mark): void {
    this.#room().pushMark(mark);
  }

  #room(): EventBlock {
    ASSERT(this.#state === 'open', 'a ledger takes events between start() and end()');
    if (this.#block.length === this.#block.capacity) this.drain();
    return this.#block;
  }
}
