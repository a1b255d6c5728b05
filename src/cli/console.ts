// SPDX-License-Identifier: GPL-2.0-only
// What a guest writes, on its way to the terminal and into the result.

/** Collects the guest's bytes; passes them on as they come, at most a block at a time. */
export class Console {
  readonly #write: (text: string) => void;
  #bytes: number[] = [];
  #text = '';

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  put(byte: number): void {
    this.#bytes.push(byte);
    if (byte === 0x0a || this.#bytes.length >= 4096) this.flush();
  }

  flush(): void {
    if (this.#bytes.length === 0) return;
    const piece = Buffer.from(this.#bytes).toString('latin1');
    this.#bytes = [];
    this.#text += piece;
    this.#write(piece);
  }

  get text(): string {
    return this.#text;
  }
}
