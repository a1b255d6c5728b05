// SPDX-License-Identifier: GPL-2.0-only
// The books of one vCPU: a ledger with its live check and, if asked for, a file; they can go on where an image says they
// stood.
import type { EndInfo, LedgerDevice, StartInfo } from '../ledger/events.ts';
import { LedgerWriter } from '../ledger/jsonl.ts';
import { Ledger } from '../ledger/ledger.ts';
import { LiveChecker } from '../ledger/live-checker.ts';
import type { LedgerPosition } from './image/state.ts';

const NO_TOTALS = { issued: 0, answered: 0, retired: 0 };

/** Ledger file of vCPU `vcpu` of a domain whose first one writes to `path`. */
export function ledgerPathOf(path: string | null, vcpu: number): string | null {
  return path === null || vcpu === 0 ? path : `${path}.vcpu${vcpu}`;
}

export class Books implements Disposable {
  readonly ledger: Ledger;
  readonly checker: LiveChecker = new LiveChecker();
  readonly #from: LedgerPosition | null;
  readonly #writer: LedgerWriter | null;

  /**
   * @param path - of the file; null: none
   * @param from - where an image says that the books stood; null: they begin, or the image knows of none
   * @throws HvmError HVM_OUTPUT for a file that cannot be, or is not the one that the image knows
   */
  constructor(path: string | null, from: LedgerPosition | null) {
    this.#from = from;
    const { file = null, events = 0, totals = NO_TOTALS } = from ?? {};
    this.#writer =
      path === null ? null : new LedgerWriter(path, file && { ...file, events, totals });
    const sinks = this.#writer === null ? [this.checker] : [this.checker, this.#writer];
    this.ledger = new Ledger({ sinks });
  }

  start(info: StartInfo): void {
    this.ledger.start(info);
  }

  /** In place of `start()`: goes on between checkpoint `n` and its resume. */
  goOn(devices: readonly LedgerDevice[], vcpus: number, n: number): void {
    const resumes = n - 1;
    this.ledger.goOn(this.#from ?? { events: 0, totals: NO_TOTALS, checkpoints: n, resumes });
    this.checker.goOn(devices, vcpus, n, resumes);
    this.ledger.resume(n);
  }

  /** Where the books stand, written out: what an image has to hold. @param sync - wait for the disk */
  position(sync: boolean): LedgerPosition {
    const { ledger } = this;
    ledger.drain();
    const { events, totals, checkpoints, resumes } = ledger;
    return { events, totals, checkpoints, resumes, file: this.#writer?.flush(sync) ?? null };
  }

  /** The last event; call once. A file is complete afterwards. */
  end(info: EndInfo): void {
    this.ledger.end(info);
    this.#writer?.finish();
  }

  [Symbol.dispose](): void {
    this.#writer?.dispose();
  }
}
