// SPDX-License-Identifier: GPL-2.0-only
// Image files: a whole one appears by renaming, increments take the place of its END; a crash leaves the last checkpoint.
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { END_RECORD, StreamWriter } from '../../image/writer.ts';
import { HvmError } from '../../util/errors.ts';

/** The system's words that a user can act on. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such folder',
  ENOTDIR: 'a part of the path is not a folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than allowed',
};

function refuse(path: string, cause: unknown): never {
  if (cause instanceof HvmError) throw cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = REASONS[code ?? ''] ?? message;
  throw new HvmError('HVM_OUTPUT', `cannot write image '${path}': ${why}`, {
    cause,
    details: { path, reason: code ?? null },
  });
}

/** Adds to a stream; the file keeps its END by itself. */
export type Fill = (writer: StreamWriter) => void;

/** One image on disk. */
export class ImageFile implements Disposable {
  readonly path: string;
  readonly #fsync: boolean;
  readonly #temporary: string;
  #fd = -1;
  #writer: StreamWriter | null = null;
  #pieces: Uint8Array[] = [];
  /** Bytes in front of END. */
  #bytes = 0;

  /**
   * @param fsync - wait for the disk: what is committed survives the machine, not just the process
   * @throws HvmError HVM_OUTPUT for what is no regular file
   */
  constructor(path: string, fsync: boolean) {
    this.path = path;
    this.#fsync = fsync;
    this.#temporary = `${path}.${process.pid}.tmp`;
    try {
      const target = lstatSync(path, { throwIfNoEntry: false });
      if (target !== undefined && !target.isFile()) {
        throw new HvmError('HVM_OUTPUT', `cannot write image '${path}': it is not a regular file`);
      }
    } catch (cause) {
      refuse(path, cause);
    }
  }

  /** Bytes of the file, END included; 0 before the first image. */
  get bytes(): number {
    return this.#writer === null ? 0 : this.#bytes + END_RECORD.length;
  }

  /** A new image in place of the file. @throws HvmError HVM_OUTPUT; the file is as before */
  create(fill: Fill): void {
    let fd = -1;
    try {
      fd = openSync(this.#temporary, 'wx', 0o666);
      let at = 0;
      const writer = new StreamWriter((piece) => {
        this.#pieces.push(piece);
      });
      fill(writer);
      for (const piece of [...this.#take(), END_RECORD]) at += writeAll(fd, piece, at);
      if (this.#fsync) fsyncSync(fd);
      renameSync(this.#temporary, this.path);
      if (this.#fsync) syncFolder(this.path);
      if (this.#fd >= 0) closeSync(this.#fd);
      this.#fd = fd;
      this.#writer = writer;
      this.#bytes = at - END_RECORD.length;
    } catch (cause) {
      this.#pieces = [];
      if (fd >= 0) closeSync(fd);
      rmSync(this.#temporary, { force: true });
      refuse(this.path, cause);
    }
  }

  /**
   * More of the stream, in one write over its END. A checkpoint must be its last record.
   * @throws HvmError HVM_OUTPUT; the file ends with the checkpoint before
   */
  append(fill: Fill): void {
    if (this.#writer === null) throw new HvmError('HVM_DISPOSED', `'${this.path}' has no image`);
    try {
      fill(this.#writer);
      const bytes = Buffer.concat([...this.#take(), END_RECORD]);
      writeAll(this.#fd, bytes, this.#bytes);
      if (this.#fsync) fsyncSync(this.#fd);
      this.#bytes += bytes.length - END_RECORD.length;
    } catch (cause) {
      this.#pieces = [];
      this.#takeBack();
      // The hash has gone on without the file: nothing can follow.
      this.#writer = null;
      refuse(this.path, cause);
    }
  }

  // Best effort: even if this fails as well, what stands before END is whole, and readers know what to do.
  #takeBack(): void {
    try {
      ftruncateSync(this.#fd, this.#bytes);
      writeAll(this.#fd, END_RECORD, this.#bytes);
    } catch {
      // The first failure is the one to report.
    }
  }

  #take(): Uint8Array[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
    this.#writer = null;
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number): number {
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(fd, bytes, at, bytes.length - at, position + at);
  }
  return bytes.length;
}

// The name is in the folder: without this a crash of the machine may bring the old file back.
function syncFolder(path: string): void {
  const fd = openSync(dirname(path), 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
