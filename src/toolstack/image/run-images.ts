// SPDX-License-Identifier: GPL-2.0-only
// Checkpoints of a run into an image file, every so many instructions.
import type { Machine } from '../../machine/machine.ts';
import type { RunLoop } from '../../machine/run-loop.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import type { Books } from '../books.ts';
import { Snapshot } from '../snapshot.ts';
import { Checkpointer } from './checkpointer.ts';
import type { HeldOutput, Release } from './held-output.ts';
import { suspend } from './suspend.ts';

/** What is asked for. */
export interface RunImageOptions {
  path: string;
  /** Instructions from checkpoint to checkpoint. */
  every: number;
  fsync: boolean;
  release: Release;
}

/** What became of it. */
export interface RunImagesReport {
  taken: number;
  /** Those of them that were whole images. */
  whole: number;
  /** Of the file. */
  bytes: number;
  /** Number of the last one since the guest started. */
  last: number;
}

/** Takes the checkpoints of one run. */
export class RunImages implements Disposable {
  /** Instruction count of the next. */
  next: number;
  readonly #machine: Machine;
  readonly #options: RunImageOptions;
  readonly #revision: RevisionName;
  readonly #output: HeldOutput;
  readonly #books: Books | null;
  readonly #file: Checkpointer;
  readonly #snapshot: Snapshot;
  #number: number;

  /**
   * @param books - their position goes into the images
   * @param from - where the machine comes from: its snapshot, and the number of the checkpoint it was restored from
   * @throws HvmError HVM_OUTPUT when the file cannot be
   */
  constructor(
    machine: Machine,
    options: RunImageOptions,
    revision: RevisionName,
    output: HeldOutput,
    books: Books | null,
    from: { snapshot: Snapshot; checkpoint: number } | null = null,
  ) {
    this.#books = books;
    this.#machine = machine;
    this.#options = options;
    this.#revision = revision;
    this.#output = output;
    this.#snapshot = from?.snapshot ?? new Snapshot(machine);
    this.#number = from?.checkpoint ?? 0;
    this.#file = new Checkpointer(options.path, options.fsync);
    this.next = machine.cpu.icount + options.every;
  }

  /** What was written must be out before the checkpoint that covers it is committed: then none of it can be missing. */
  get outputFirst(): boolean {
    return this.#options.release === 'immediate';
  }

  /** @throws HvmError HVM_OUTPUT; the checkpoint before is intact */
  take(loop: RunLoop): void {
    const machine = this.#machine;
    const stop = suspend(machine, loop, this.#snapshot, () => {
      const n = ++this.#number;
      const books = this.#books;
      books?.ledger.checkpoint(n, 'between-instructions');
      this.#file.commit(machine, this.#snapshot, {
        revision: this.#revision,
        checkpoint: n,
        ledger: books?.position(this.#options.fsync) ?? null,
        log: null,
      });
      books?.ledger.resume(n);
    });
    this.next = machine.cpu.icount + this.#options.every;
    // Committed: whoever restores this goes on behind it.
    if (stop === null) this.#output.release();
  }

  /** The run is over: where it stands is the last checkpoint. A crashed domain has none: its held output stays unsaid. */
  finish(loop: RunLoop): void {
    if (this.#machine.domain.crashed === null) this.take(loop);
  }

  get report(): RunImagesReport {
    const { commits, whole, bytes } = this.#file;
    return { taken: commits, whole, bytes, last: this.#number };
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
