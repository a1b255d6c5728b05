// SPDX-License-Identifier: GPL-2.0-only
// The file given to --resume: what is finished, on disk before the next seed begins. One writer at a time.
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { HvmError } from '../../util/errors.ts';
import { difference } from './identity.ts';
import { lockFile } from './lock.ts';
import { seedRangeText } from './seeds.ts';
import type { SeedResult } from './shapes.ts';
import { parseState, type StateHeader, stateLine } from './state-format.ts';

/** A state file that is open, and locked, for appending. */
export class StateFile implements Disposable {
  readonly path: string;
  /** Seeds finished before it was opened. */
  readonly results: readonly SeedResult[];
  #fd: number;
  #head: string;

  /**
   * Opens or creates `path`. The rest of a line that a killed process left behind is cut off.
   * @throws HvmError HVM_CAMPAIGN_OTHER when it is of another campaign, HVM_CAMPAIGN when it is damaged or none,
   *   HVM_CAMPAIGN_BUSY when another process writes it, HVM_OUTPUT when it cannot be written
   */
  constructor(path: string, header: StateHeader) {
    this.path = path;
    const { O_APPEND, O_CREAT, O_NONBLOCK, O_RDWR } = constants;
    // Without O_NONBLOCK a named pipe would wait for its other end.
    this.#fd = this.#try('open', () =>
      openSync(path, O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK, 0o666),
    );
    try {
      if (!this.#try('read', () => fstatSync(this.#fd).isFile())) {
        throw this.#refusal('HVM_OUTPUT', 'it is not a regular file');
      }
      if (!lockFile(this.#fd, path)) {
        throw this.#refusal('HVM_CAMPAIGN_BUSY', 'another process is writing it');
      }
      const bytes = this.#try('read', () => readFileSync(this.#fd));
      const state = parseState(bytes, path);
      if (state === null) {
        const first = stateLine(header);
        // Cut off only what can be the beginning of our own first line.
        if (!first.line.startsWith(bytes.toString('latin1'))) {
          throw this.#refusal('HVM_CAMPAIGN', 'it is no campaign file, or of another campaign');
        }
        this.results = [];
        this.#head = first.head;
        this.#cut(0);
        this.#write(first.line);
        this.#syncFolder();
      } else {
        this.#requireSame(header, state.header);
        this.results = state.results;
        this.#head = state.head;
        if (state.wholeBytes < bytes.length) this.#cut(state.wholeBytes);
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Returns once the line is on disk. @throws HvmError HVM_OUTPUT */
  append(result: SeedResult): void {
    const { line, head } = stateLine(result, this.#head);
    this.#write(line);
    this.#head = head;
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    // The lock goes with it.
    closeSync(fd);
  }

  #requireSame(ours: StateHeader, theirs: StateHeader): void {
    const shard = ({ seeds, shard: part }: StateHeader): string =>
      `seeds ${seedRangeText(seeds)}${part === null ? '' : `, shard ${part.index}/${part.count}`}`;
    const other = difference(ours.campaign, theirs.campaign);
    if (other !== null) throw this.#refusal('HVM_CAMPAIGN_OTHER', other);
    if (shard(ours) !== shard(theirs)) {
      const why = `it is of ${shard(theirs)}, expected ${shard(ours)}`;
      throw this.#refusal('HVM_CAMPAIGN_OTHER', why);
    }
  }

  #cut(bytes: number): void {
    this.#try('write', () => {
      ftruncateSync(this.#fd, bytes);
      fsyncSync(this.#fd);
    });
  }

  #write(line: string): void {
    const bytes = Buffer.from(line);
    this.#try('write', () => {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
      fsyncSync(this.#fd);
    });
  }

  // A file's name is in its folder: that has to reach the disk, too.
  #syncFolder(): void {
    this.#try('write', () => {
      const folder = openSync(dirname(this.path), 'r');
      try {
        fsyncSync(folder);
      } finally {
        closeSync(folder);
      }
    });
  }

  #refusal(
    code: 'HVM_CAMPAIGN' | 'HVM_CAMPAIGN_OTHER' | 'HVM_CAMPAIGN_BUSY' | 'HVM_OUTPUT',
    why: string,
  ): HvmError {
    return new HvmError(code, `cannot resume from '${this.path}': ${why}`, {
      details: { file: this.path },
    });
  }

  #try<T>(what: string, action: () => T): T {
    try {
      return action();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new HvmError('HVM_OUTPUT', `cannot ${what} '${this.path}': ${why}`, {
        cause,
        details: { file: this.path },
      });
    }
  }
}
