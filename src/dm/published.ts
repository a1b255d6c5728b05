// SPDX-License-Identifier: GPL-2.0-only
// What a device declares about parts of its range, so that an access there need not leave the guest.

/** Offsets into a device's range, both ends inclusive. */
export interface OffsetRange {
  readonly first: number;
  readonly last: number;
}

/**
 * A register whose reading has no effect at all. The device keeps `value` what `read()` would answer, at all times: also
 * through `reset()` and `restore()`. Then the CPU may read it without anybody being asked.
 */
export class PublishedRegister {
  /** Bytes from the start of the range. */
  readonly offset: number;
  /** Bytes of the one access that is answered with it; others go to `read()`. */
  readonly size: 1 | 2 | 4;
  #words = new Uint32Array(1);
  #index = 0;

  /** @param value - after power-on */
  constructor(offset: number, size: 1 | 2 | 4, value: number) {
    this.offset = offset;
    this.size = size;
    this.value = value;
  }

  /** Unsigned; what is stored is cut to 32 bits, what is read by the guest to `size`. */
  get value(): number {
    return this.#words[this.#index] as number;
  }
  set value(value: number) {
    this.#words[this.#index] = value;
  }

  /** Keeps it in another place from now on: where the CPU looks. */
  moveTo(words: Uint32Array<ArrayBufferLike>, index: number): void {
    words[index] = this.value;
    this.#words = words as Uint32Array<ArrayBuffer>;
    this.#index = index;
  }
}
