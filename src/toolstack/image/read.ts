// SPDX-License-Identifier: GPL-2.0-only
// An image from a file or a pipe: read to its end, and the last checkpoint that counts.
import { createReadStream, lstatSync } from 'node:fs';
import { HvmError, isHvmError } from '../../util/errors.ts';
import { ImageLoader, type LoadedImage } from './load.ts';

/** Where the bytes come from. */
export interface ImageSource {
  /** For messages. */
  name: string;
  bytes: AsyncIterable<Uint8Array>;
}

const CHUNK = 1 << 20;

/** @throws HvmError HVM_IMAGE while it is read, when it cannot be */
export function fileSource(path: string): ImageSource {
  return { name: path, bytes: readFileBytes(path) };
}

async function* readFileBytes(path: string): AsyncGenerator<Uint8Array, void, void> {
  try {
    // To open one waits for a writer, and nothing ends that wait. A pipe of the shell, `<(...)`, is a link to follow.
    if (lstatSync(path, { throwIfNoEntry: false })?.isFIFO()) {
      throw new HvmError(
        'HVM_IMAGE',
        `cannot read image '${path}': it is a FIFO, expected a file or - for standard input`,
      );
    }
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) {
      yield chunk as Uint8Array;
    }
  } catch (cause) {
    if (isHvmError(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HvmError('HVM_IMAGE', `cannot read image '${path}': ${why}`, { cause });
  }
}

/** How an image is taken. */
export interface LoadOptions {
  /** Damage behind a whole checkpoint is dropped, as what was cut off there is. Default: refused. */
  lastGood?: boolean;
}

/**
 * The last whole checkpoint of a stream. What a crash has cut off behind it is dropped and named; damage is refused.
 * @throws HvmError HVM_IMAGE
 */
export async function loadImage(
  source: ImageSource,
  { lastGood = false }: LoadOptions = {},
): Promise<LoadedImage> {
  const loader = new ImageLoader();
  const { reader } = loader;
  try {
    for await (const chunk of source.bytes) reader.push(chunk);
  } catch (error) {
    if (!lastGood || reader.lastCheckpoint === 0 || !isHvmError(error)) throw error;
    return loader.result(error.message);
  }
  return finish(loader);
}

/** The same of bytes at hand. @throws HvmError HVM_IMAGE */
export function loadImageBytes(bytes: Uint8Array): LoadedImage {
  const loader = new ImageLoader();
  loader.reader.push(bytes);
  return finish(loader);
}

function finish(loader: ImageLoader): LoadedImage {
  let cut: string | null = null;
  try {
    loader.reader.finish();
  } catch (error) {
    if (loader.reader.lastCheckpoint === 0 || !isHvmError(error)) throw error;
    cut = error.message;
  }
  return loader.result(cut);
}
