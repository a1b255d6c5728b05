// SPDX-License-Identifier: GPL-2.0-only
// The books of one vCPU: a ledger with its live check and, if asked for, a file; they can go on where an image says they
// stood.
import type { EndInfo, EventSink, LedgerDevice, StageCounts, StartInfo } from '../ledger/events.ts';
import { LedgerWriter } from '../ledger/file-writer.ts';
import { Ledger } from '../ledger/ledger.ts';
import { LiveChecker } from '../ledger/live-checker.ts';
import type { Machine } from '../machine/machine.ts';
import { HvmError } from '../util/errors.ts';
import type { LoadedImage } from './image/load.ts';
import type { LedgerPosition } from './image/state.ts';

const NO_TOTALS = { issued: 0, answered: 0, retired: 0 };

/** Ledger file of vCPU `vcpu` of a domain whose first one writes to `path`. */
export function ledgerPathOf(path: string | null, vcpu: number): string | null {
  return path === null || vcpu === 0 ? path : `${path}.vcpu${vcpu}`;
}

export interface BooksReport {
  /** Since the guest started. */
  accesses: StageCounts;
  /** These since this process has it. */
  lost: number;
  duplicated: number;
  violationsTotal: number;
  /** The first of them, or null. */
  problem: string | null;
}

/**
 * Books for a run, or null when none are asked for.
 * @param image - what the run goes on from, or null
 * @throws HvmError HVM_USAGE for a ledger that cannot go on with this image; HVM_OUTPUT
 */
export function booksOf(path: string | null, image: LoadedImage | null): Books | null {
  if (path === null) return null;
  const position = image?.state.vcpus[0].ledger ?? null;
  if (image !== null && (position === null || position.file === null)) {
    throw new HvmError(
      'HVM_USAGE',
      `--ledger ${path}: the image knows of no ledger file, expected one of a run with --ledger`,
    );
  }
  return new Books(path, position);
}

export class Books implements Disposable {
  readonly ledger: Ledger;
  readonly checker: LiveChecker = new LiveChecker();
  readonly #from: LedgerPosition | null;
  readonly #writer: LedgerWriter | null;

  /**
   * @param path - of the file; null: none
   * @param from - where an image says that the books stood; null: they begin, or the image knows of none
   * @param more - who hears the events besides
   * @throws HvmError HVM_OUTPUT for a file that cannot be, or is not the one that the image knows
   */
  constructor(path: string | null, from: LedgerPosition | null, more: readonly EventSink[] = []) {
    this.#from = from;
    const { file = null, events = 0, totals = NO_TOTALS } = from ?? {};
    this.#writer =
      path === null ? null : new LedgerWriter(path, file && { ...file, events, totals });
    const sinks = [this.checker, ...(this.#writer === null ? [] : [this.#writer]), ...more];
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

  /** Begins, or goes on where the image is that the machine comes from. */
  open(machine: Machine, revision: string, image: LoadedImage | null): void {
    if (image !== null) this.goOn(machine.ledgerDevices, 1, image.state.checkpoint);
    else {
      const devices = machine.ledgerDevices;
      this.start({ guest: machine.guest.name, revision, seed: 0, vcpus: 1, devices });
    }
  }

  /** The outcome of a run for those who do not read the file. */
  get report(): BooksReport {
    const { lost, duplicated, violationsTotal } = this.checker.report();
    const problem = this.checker.first?.message ?? null;
    return { accesses: this.ledger.totals, lost, duplicated, violationsTotal, problem };
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
