// SPDX-License-Identifier: GPL-2.0-only
// Continuous checkpoints: a whole image first, then increments of the pages written since, and whole again when long.
import type { EpochState, StreamWriter } from '../../image/writer.ts';
import type { Machine } from '../../machine/machine.ts';
import type { Snapshot } from '../snapshot.ts';
import { allPages, type EpochFacts, epochState, type MemoryShape, somePages } from './epoch.ts';
import { ImageFile } from './file.ts';

/** Once the file is so many times as long as a whole image, it is written anew. */
const LONGEST = 16;

/** Keeps one image file at the last checkpoint. */
export class Checkpointer implements Disposable {
  readonly #file: ImageFile;
  #wholeBytes = 0;
  /** Checkpoints written, and those of them that were whole images. */
  commits = 0;
  whole = 0;
  /** Bytes of the last increment; 0 when it was a whole image. */
  lastIncrement = 0;

  /** @throws HvmError HVM_OUTPUT */
  constructor(path: string, fsync: boolean) {
    this.#file = new ImageFile(path, fsync);
  }

  get bytes(): number {
    return this.#file.bytes;
  }

  /**
   * Commits what `snapshot` has just captured. Every capture must be committed.
   * @throws HvmError HVM_OUTPUT; the checkpoint before is intact
   */
  commit(machine: Machine, snapshot: Snapshot, facts: EpochFacts): void {
    this.commitPages(machine, snapshot.ram, snapshot.copied, epochState(machine, snapshot, facts));
  }

  /**
   * The same of a captured domain in parts.
   * @param written - offsets of pages that have changed since the last commit
   * @throws HvmError HVM_OUTPUT; the checkpoint before is intact
   */
  commitPages(
    shape: MemoryShape,
    ram: Uint8Array,
    written: Iterable<number>,
    state: EpochState,
  ): void {
    const whole = this.commits === 0 || this.#file.bytes > LONGEST * this.#wholeBytes;
    const before = this.#file.bytes;
    const fill = (writer: StreamWriter): void => {
      writer.epoch(whole ? allPages(shape, ram) : somePages(shape, ram, written), state);
      writer.checkpoint();
    };
    if (whole) {
      this.#file.create(fill);
      this.whole++;
      this.#wholeBytes = this.#file.bytes;
    } else this.#file.append(fill);
    this.lastIncrement = whole ? 0 : this.#file.bytes - before;
    this.commits++;
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
