// SPDX-License-Identifier: GPL-2.0-only
// Ledger files, written: never half a file under the final name.
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { ASSERT } from '../util/assert.ts';
import { HvmError } from '../util/errors.ts';
import {
  CHAIN_START,
  chainHash,
  chainLine,
  headerBody,
  MAX_LINE_BYTES,
  trailerBody,
} from './chain.ts';
import { encodeAccess, encodeMark } from './codec.ts';
import type { Access, EventSink, Mark, Stage, StageCounts } from './events.ts';

/** Characters gathered before a write. */
const BUFFER_CHARS = 256 * 1024;

/** Where lines end that are to be continued. */
export interface LinePosition {
  /** Hash of the last line. */
  head: string;
  events: number;
  totals: StageCounts;
}

/**
 * Turns events into the lines of a ledger file and gives them to `write`, many at a time.
 * For files use `LedgerWriter`.
 */
export class LineWriter implements EventSink {
  readonly #write: (text: string) => void;
  readonly #totals: StageCounts = { issued: 0, answered: 0, retired: 0 };
  #head = CHAIN_START;
  #events = 0;
  #buffer = '';
  #finished = false;

  /** @param from - where the lines of another writer ended; none: from the first line */
  constructor(write: (text: string) => void, from: LinePosition | null = null) {
    this.#write = write;
    if (from === null) this.#line(headerBody());
    else {
      this.#head = from.head;
      this.#events = from.events;
      Object.assign(this.#totals, from.totals);
    }
  }

  /** Hash of the last line. */
  get head(): string {
    return this.#head;
  }

  access(stage: Stage, seq: number, access: Access): void {
    this.#totals[stage] += access.count;
    this.#events++;
    this.#line(encodeAccess(stage, seq, access));
  }

  mark(seq: number, mark: Mark): void {
    const body = encodeMark(seq, mark);
    // A reader would refuse it; only an oversized `config` comes near.
    ASSERT(Buffer.byteLength(body) < MAX_LINE_BYTES - 100, 'a mark fits into one ledger line');
    this.#events++;
    this.#line(body);
  }

  /** Writes the last line and what is buffered. Idempotent. */
  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#line(trailerBody({ events: this.#events, totals: this.#totals, head: this.#head }));
    this.flush();
  }

  /** Gives everything buffered to `write`. */
  flush(): void {
    if (this.#buffer === '') return;
    const text = this.#buffer;
    this.#buffer = '';
    this.#write(text);
  }

  #line(body: string): void {
    this.#head = chainHash(this.#head, body);
    this.#buffer += chainLine(body, this.#head);
    if (this.#buffer.length >= BUFFER_CHARS) this.flush();
  }
}

/**
 * Writes a ledger file. Until `finish()` it is named `<path>.partial`; an interrupted run leaves
 * that file, which has no last line and fails the check as truncated.
 */
export class LedgerWriter implements EventSink {
  readonly path: string;
  readonly partialPath: string;
  readonly #lines: LineWriter;
  #fd: number;
  #bytes = 0;

  /**
   * @param from - goes on with the unfinished file of another process: what stands behind this is cut off
   * @throws HvmError HVM_OUTPUT when the file cannot be created, or is shorter than that
   */
  constructor(path: string, from: (LinePosition & { bytes: number }) | null = null) {
    this.path = path;
    this.partialPath = `${path}.partial`;
    this.#fd = -1;
    if (from !== null) this.#reopen();
    const what = from === null ? 'create' : 'go on with';
    this.#fd = this.#try(what, () => openSync(this.partialPath, from === null ? 'w' : 'r+'));
    if (from !== null) {
      const { size } = fstatSync(this.#fd);
      if (size < from.bytes) {
        this.#close();
        const what = `${size} bytes, expected at least ${from.bytes}`;
        throw new HvmError('HVM_OUTPUT', `cannot go on with ledger '${this.partialPath}': ${what}`);
      }
      this.#bytes = from.bytes;
      this.#try('cut', () => ftruncateSync(this.#fd, from.bytes));
    }
    this.#lines = new LineWriter((text) => {
      this.#writeAll(text);
    }, from);
  }

  /** Writes what is buffered. @param sync - and waits for the disk; @returns where the file ends */
  flush(sync = false): { bytes: number; head: string } {
    this.#lines.flush();
    if (sync && this.#fd >= 0) this.#try('sync', () => fsyncSync(this.#fd));
    return { bytes: this.#bytes, head: this.#lines.head };
  }

  access(stage: Stage, seq: number, access: Access): void {
    this.#lines.access(stage, seq, access);
  }

  mark(seq: number, mark: Mark): void {
    this.#lines.mark(seq, mark);
  }

  /**
   * Writes the last line, forces everything to disk and gives the file its name. Drain the ledger
   * before. Idempotent; does nothing after `dispose()`.
   * @throws HvmError HVM_OUTPUT when the disk refuses
   */
  finish(): void {
    if (this.#fd < 0) return;
    this.#lines.finish();
    this.#try('sync', () => {
      fsyncSync(this.#fd);
    });
    this.#close();
    this.#try('rename', () => {
      renameSync(this.partialPath, this.path);
    });
  }

  /** Closes without finishing: what was recorded stays in `<path>.partial`. Idempotent, never throws. */
  dispose(): void {
    if (this.#fd < 0) return;
    try {
      this.#lines.flush();
    } catch {
      // The run is being abandoned; the error that caused it matters more than this one.
    }
    this.#close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** A file whose run came to its end goes on as well: what stands behind the position is no part of it then. */
  #reopen(): void {
    if (existsSync(this.partialPath) || !existsSync(this.path)) return;
    this.#try('reopen', () => renameSync(this.path, this.partialPath));
  }

  #close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    try {
      closeSync(fd);
    } catch {
      // Data was synced before, or the file is being abandoned.
    }
  }

  #writeAll(text: string): void {
    if (this.#fd < 0) return;
    const bytes = Buffer.from(text);
    this.#try('write', () => {
      for (let at = 0; at < bytes.length; ) {
        at += writeSync(this.#fd, bytes, at, bytes.length - at, this.#bytes + at);
      }
      this.#bytes += bytes.length;
    });
  }

  #try<T>(what: string, action: () => T): T {
    try {
      return action();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new HvmError('HVM_OUTPUT', `cannot ${what} ledger '${this.partialPath}': ${why}`, {
        cause,
      });
    }
  }
}
