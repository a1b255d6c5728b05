// SPDX-License-Identifier: GPL-2.0-only
// What a guest wrote to its console and serial line, as a number and a digest.

/** So many bytes, and their FNV-1a hash: 32 bits, unsigned. */
export interface OutputSoFar {
  readonly bytes: number;
  readonly hash: number;
}

const NOTHING: OutputSoFar = { bytes: 0, hash: 0x811c9dc5 };

export class OutputDigest {
  bytes: number;
  #hash: number;
  readonly #next: (byte: number) => void;

  /**
   * @param next - gets every byte, too
   * @param from - what was written before, in another process; null: nothing
   */
  constructor(next: (byte: number) => void = () => {}, from: OutputSoFar | null = null) {
    ({ bytes: this.bytes, hash: this.#hash } = from ?? NOTHING);
    this.#next = next;
  }

  readonly put = (byte: number): void => {
    this.bytes++;
    this.#hash = Math.imul(this.#hash ^ byte, 0x01000193) >>> 0;
    this.#next(byte);
  };

  /** For an image: another digest goes on from it. */
  get position(): OutputSoFar {
    return { bytes: this.bytes, hash: this.#hash };
  }

  equals(other: OutputDigest): boolean {
    return this.bytes === other.bytes && this.#hash === other.#hash;
  }
}
