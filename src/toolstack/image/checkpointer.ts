// SPDX-License-Identifier: GPL-2.0-only
// Continuous checkpoints: a whole image first, then increments of the pages written since, and whole again when long.
import { PAGE_BYTES } from '../../image/layout.ts';
import type { EpochState } from '../../image/writer.ts';
import type { Machine } from '../../machine/machine.ts';
import type { Snapshot } from '../snapshot.ts';
import { allPages, type EpochFacts, epochState, pageAt } from './epoch.ts';
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
    const state = epochState(machine, snapshot, facts);
    if (this.commits === 0 || this.#file.bytes > LONGEST * this.#wholeBytes) {
      this.#createWhole(machine, snapshot, state);
      this.lastIncrement = 0;
    } else {
      const before = this.#file.bytes;
      this.#file.append((writer) => {
        writer.epoch(written(snapshot), state);
        writer.checkpoint();
      });
      this.lastIncrement = this.#file.bytes - before;
    }
    this.commits++;
  }

  #createWhole(machine: Machine, snapshot: Snapshot, state: EpochState): void {
    this.#file.create((writer) => {
      writer.epoch(allPages(machine, snapshot.ram), state);
      writer.checkpoint();
    });
    this.whole++;
    this.#wholeBytes = this.#file.bytes;
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

function* written(snapshot: Snapshot): ReturnType<typeof allPages> {
  for (const offset of snapshot.copied) yield pageAt(snapshot.ram, offset / PAGE_BYTES);
}
