// SPDX-License-Identifier: GPL-2.0-only
// Bytes from standard input for a guest's serial line. Its end arrives as ^D.
import type { InputSource } from '../dm/device.ts';
import { NO_INPUT } from '../dm/device.ts';

const END_OF_TRANSMISSION = 4;

/** Collects what arrives; hands it out byte by byte. */
export class TerminalInput implements InputSource, Disposable {
  readonly #stream: NodeJS.ReadableStream;
  readonly #bytes: number[] = [];
  readonly #onData = (chunk: Buffer | string): void => {
    for (const byte of Buffer.from(chunk)) this.#bytes.push(byte);
  };
  readonly #onEnd = (): void => {
    this.#ended = true;
  };
  #ended = false;
  /** The same bytes without a sign of their end: for the serial line of a PC. */
  readonly line: InputSource = { take: () => this.#bytes.shift() ?? NO_INPUT };

  constructor(stream: NodeJS.ReadableStream) {
    this.#stream = stream;
    stream.on('data', this.#onData);
    stream.on('end', this.#onEnd);
  }
  take(): number {
    const byte = this.#bytes.shift();
    if (byte !== undefined || !this.#ended) return byte ?? NO_INPUT;
    this.#ended = false;
    return END_OF_TRANSMISSION;
  }
  [Symbol.dispose](): void {
    this.#stream.off('data', this.#onData);
    this.#stream.off('end', this.#onEnd);
    this.#stream.pause();
  }
}
