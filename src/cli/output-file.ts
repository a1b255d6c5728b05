// SPDX-License-Identifier: GPL-2.0-only
// Output files that are either there and whole, or not there: claimed before a run, renamed after it.
import { closeSync, fsyncSync, lstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { HvmError } from '../util/errors.ts';

function refuse(path: string, why: string, cause?: unknown): never {
  throw new HvmError('HVM_OUTPUT', `cannot write '${path}': ${why}`, {
    details: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The system's word for what went wrong, in a few words. */
function reason(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  switch (code) {
    case 'ENOENT':
      return 'no such folder';
    case 'ENOTDIR':
      return 'a part of the path is not a folder';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'EROFS':
      return 'the file system is read-only';
    case 'ENOSPC':
      return 'the disk is full';
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

/** A file in the making. Dispose without `commit()` leaves nothing behind. */
export class OutputFile implements Disposable {
  readonly path: string;
  readonly #temporary: string;
  #fd: number | null;

  /**
   * Proves that `path` can be written, before anything long begins. An existing file stays untouched.
   * @throws HvmError HVM_OUTPUT when it cannot, or is no regular file
   */
  constructor(path: string) {
    this.path = path;
    // Beside the target: a rename only replaces a file within one file system.
    this.#temporary = `${path}.${process.pid}.tmp`;
    try {
      const target = lstatSync(path, { throwIfNoEntry: false });
      if (target !== undefined && !target.isFile()) {
        refuse(path, target.isDirectory() ? 'it is a folder' : 'it is not a regular file');
      }
      this.#fd = openSync(this.#temporary, 'wx', 0o666);
    } catch (error) {
      if (error instanceof HvmError) throw error;
      refuse(path, reason(error), error);
    }
  }

  /** Appends. @throws HvmError HVM_OUTPUT */
  write(text: string): void {
    this.writeBytes(Buffer.from(text, 'utf8'));
  }

  /** Appends. @throws HvmError HVM_OUTPUT */
  writeBytes(bytes: Uint8Array): void {
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#open(), bytes, at);
    } catch (error) {
      refuse(this.path, reason(error), error);
    }
  }

  /** Puts the file in its place. @throws HvmError HVM_OUTPUT */
  commit(): void {
    const fd = this.#open();
    try {
      fsyncSync(fd);
      closeSync(fd);
      this.#fd = null;
      renameSync(this.#temporary, this.path);
    } catch (error) {
      rmSync(this.#temporary, { force: true });
      refuse(this.path, reason(error), error);
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd === null) return;
    closeSync(this.#fd);
    this.#fd = null;
    rmSync(this.#temporary, { force: true });
  }

  #open(): number {
    if (this.#fd === null) {
      throw new HvmError('HVM_DISPOSED', `'${this.path}' was committed or given up already`);
    }
    return this.#fd;
  }
}
