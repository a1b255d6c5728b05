// SPDX-License-Identifier: GPL-2.0-only
// Checkpoints of a guest that writes 16 pages in between: captured, taken back, and put into an image file.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BugError } from '../../util/errors.ts';
import { Checkpointer } from '../image/checkpointer.ts';
import { suspend } from '../image/suspend.ts';
import { Snapshot } from '../snapshot.ts';
import { PAGES_PROGRAM } from './programs.ts';
import { MachineSubject, type Subject } from './subject.ts';

/** Pages that are dirty at each of these checkpoints. */
export const DIRTY_PAGES = 16;

/** `capture`: in memory, and resumed. `reset`: back to one snapshot. `file`: an increment on disk, without fsync. */
export type ImageWork = 'capture' | 'reset' | 'file';

/** One unit is one checkpoint, or one reset, with the 18 instructions before it. */
export class ImageSubject implements Subject {
  readonly #inner: MachineSubject = new MachineSubject(PAGES_PROGRAM, 'server');
  readonly #snapshot: Snapshot = new Snapshot(this.#inner.machine);
  readonly #work: ImageWork;
  readonly #folder: string | null;
  readonly #file: Checkpointer | null;
  #number = 0;

  constructor(work: ImageWork) {
    this.#work = work;
    this.#folder = work === 'file' ? mkdtempSync(join(tmpdir(), 'trapline-bench-')) : null;
    this.#file =
      this.#folder === null ? null : new Checkpointer(join(this.#folder, 'image'), false);
    this.#step();
    this.#capture();
    this.#step();
    if (work === 'reset') this.#reset();
    else this.#capture();
  }

  run(units: number): number {
    for (let i = 0; i < units; i++) {
      this.#step();
      if (this.#work === 'reset') this.#reset();
      else this.#capture();
    }
    return units;
  }

  /** Bytes of the last increment on disk. */
  get incrementBytes(): number {
    return this.#file?.lastIncrement ?? 0;
  }

  #step(): void {
    const { machine, loop } = this.#inner;
    loop.deadline = machine.cpu.icount + PAGES_PROGRAM.roundInsns;
    const stop = loop.run();
    if (stop !== 'deadline') throw new BugError(`between checkpoints: ${stop}`);
  }

  #reset(): void {
    const pages = this.#snapshot.reset(this.#inner.machine);
    if (pages !== DIRTY_PAGES) throw new BugError(`${pages} pages were dirty`);
  }

  #capture(): void {
    const { machine, loop } = this.#inner;
    const stop = suspend(machine, loop, this.#snapshot, () => {
      this.#file?.commit(machine, this.#snapshot, {
        revision: 'exact',
        checkpoint: ++this.#number,
        ledger: null,
        log: null,
      });
    });
    const { pagesCopied } = this.#snapshot;
    if (stop !== null || pagesCopied < DIRTY_PAGES) {
      throw new BugError(`a checkpoint of ${pagesCopied} pages: ${stop}`);
    }
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true });
    this.#inner[Symbol.dispose]();
  }
}
