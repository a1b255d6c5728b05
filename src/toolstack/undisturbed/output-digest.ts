// SPDX-License-Identifier: GPL-2.0-only
// What a guest wrote to its console and serial line, as a number and a digest.
export class OutputDigest {
  bytes = 0;
  #hash = 0x811c9dc5;
  readonly #next: (byte: number) => void;

  /** @param next - gets every byte, too */
  constructor(next: (byte: number) => void = () => {}) {
    this.#next = next;
  }

  readonly put = (byte: number): void => {
    this.bytes++;
    this.#hash = Math.imul(this.#hash ^ byte, 0x01000193) >>> 0;
    this.#next(byte);
  };

  equals(other: OutputDigest): boolean {
    return this.bytes === other.bytes && this.#hash === other.#hash;
  }
}
