// SPDX-License-Identifier: GPL-2.0-only
// Images of floppies and disks on the host: what they are, opened for reading, and written back on request.
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { type ImageSource, type Medium, SECTOR_BYTES } from '../../dm/devices/medium.ts';
import { HvmError } from '../../util/errors.ts';
import type { MediumConfig } from './config.ts';

const CHUNK = 1 << 20;

function failed(path: string, what: string, cause: unknown): HvmError {
  const why = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
  return new HvmError('HVM_GUEST_MISSING', `cannot ${what} image ${path}: ${why}`, { cause });
}

/** An image's size and sum. @throws HvmError HVM_GUEST_MISSING */
export function readMedium(path: string, writable: boolean): MediumConfig {
  using image = new ImageFile(path);
  const hash = createHash('sha256');
  const chunk = new Uint8Array(CHUNK);
  for (let at = 0; at < image.bytes; at += CHUNK) {
    image.read(at, chunk);
    hash.update(chunk.subarray(0, Math.min(CHUNK, image.bytes - at)));
  }
  return { path, bytes: image.bytes, sha256: hash.digest('hex'), writable };
}

/** An image file, open for reading. */
export class ImageFile implements ImageSource, Disposable {
  readonly bytes: number;
  readonly #path: string;
  #file: number | null;

  /** @throws HvmError HVM_GUEST_MISSING */
  constructor(path: string) {
    this.#path = path;
    try {
      this.#file = openSync(path, 'r');
      const status = fstatSync(this.#file);
      if (!status.isFile()) throw Object.assign(new Error(), { code: 'not a file' });
      this.bytes = status.size;
    } catch (cause) {
      throw failed(path, 'read', cause);
    }
  }

  /** A file that cannot be read any more reads as zeros from there: the guest sees an empty sector. */
  read(at: number, into: Uint8Array): void {
    into.fill(0);
    if (this.#file === null || at >= this.bytes) return;
    try {
      readSync(this.#file, into, 0, into.length, at);
    } catch (cause) {
      throw failed(this.#path, 'read', cause);
    }
  }

  [Symbol.dispose](): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}

/**
 * Opens the image of a PC that is being built.
 * @throws HvmError HVM_GUEST_MISSING, HVM_GUEST_FORMAT when the file is not what it was
 */
export function openMedium(config: MediumConfig): ImageFile {
  const image = new ImageFile(config.path);
  if (image.bytes === config.bytes) return image;
  image[Symbol.dispose]();
  throw new HvmError(
    'HVM_GUEST_FORMAT',
    `image ${config.path} has ${image.bytes} bytes: expected the ${config.bytes} it had`,
  );
}

/** Refuses an image whose content is not what it was. @throws HvmError HVM_GUEST_FORMAT */
export function checkMedium(config: MediumConfig): void {
  const now = readMedium(config.path, config.writable);
  if (now.sha256 === config.sha256) return;
  throw new HvmError(
    'HVM_GUEST_FORMAT',
    `image ${config.path} has changed: expected sha256 ${config.sha256.slice(0, 16)}..., it is ${now.sha256.slice(0, 16)}...`,
  );
}

/** Writes what a guest wrote into the image file. @returns sectors written */
export function writeBack(config: MediumConfig, medium: Medium): number {
  if (!config.writable || medium.dirty === 0) return 0;
  let file: number | null = null;
  try {
    file = openSync(config.path, 'r+');
    for (const [sector, data] of medium.written()) {
      writeSync(file, data, 0, SECTOR_BYTES, sector * SECTOR_BYTES);
    }
    return medium.dirty;
  } catch (cause) {
    throw failed(config.path, 'write', cause);
  } finally {
    if (file !== null) closeSync(file);
  }
}
