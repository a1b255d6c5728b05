// SPDX-License-Identifier: GPL-2.0-only
// The buffered ioreq page: two free-running pointers and a ring of 511 eight-byte entries, Xen's ABI.
import { ASSERT } from '../util/assert.ts';
import {
  BUFIOREQ_ENTRY_SIZE,
  BUFIOREQ_OFF_ENTRIES,
  type buf_ioreq_t,
  IOREQ_BUFFER_SLOT_NUM,
  IOREQ_READ,
  IOREQ_WRITE,
  type ioreq_dir,
  PAGE_SIZE,
} from '../xen/public/hvm_ioreq.ts';

/** Pointers and entries of one ring. `read_pointer` is the device model's, `write_pointer` Xen's. */
export class BufferedPage {
  /** Uint8Array(4096), shared: what a device model maps. */
  readonly bytes: Uint8Array;
  /** Int32Array(1024), shared, the whole page. */
  readonly #words: Int32Array;
  /** BigUint64Array(1): both pointers as one, for the exchange of ATOMIC mode. */
  readonly #pointers: BigUint64Array;

  /** @param bytes - 4096 bytes on a SharedArrayBuffer, 8-byte aligned */
  constructor(bytes: Uint8Array) {
    ASSERT(bytes.length === PAGE_SIZE && bytes.byteOffset % 8 === 0, 'a ring is one page');
    this.bytes = bytes;
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, PAGE_SIZE / 4);
    this.#pointers = new BigUint64Array(bytes.buffer, bytes.byteOffset, 1);
  }

  /** Free-running, unsigned 32 bits. */
  read_pointer(): number {
    return Atomics.load(this.#words, 0) >>> 0;
  }

  setReadPointer(value: number): void {
    Atomics.store(this.#words, 0, value | 0);
  }

  /** Gives places back to the writer, who may take both pointers back at any moment. */
  advanceReadPointer(entries: number): void {
    Atomics.add(this.#words, 0, entries);
  }

  /** Free-running, unsigned 32 bits. */
  write_pointer(): number {
    return Atomics.load(this.#words, 1) >>> 0;
  }

  /** Publishes every entry written before it. */
  setWritePointer(value: number): void {
    Atomics.store(this.#words, 1, value | 0);
  }

  /**
   * Writes the entry a pointer names.
   * @param pointer - its position is `pointer` mod 511
   * @param size - size code, 0 to 3
   * @param addr - 20 bits
   * @param data - low 32 bits are stored
   */
  writeEntry(
    pointer: number,
    type: number,
    dir: ioreq_dir,
    size: number,
    addr: number,
    data: number,
  ): void {
    const word = this.#entryWord(pointer);
    this.#words[word] = (type & 0xff) | (dir << 9) | ((size & 3) << 10) | ((addr & 0xfffff) << 12);
    this.#words[word + 1] = data;
  }

  /** Fills a caller-owned object from the entry a pointer names. */
  readEntry(pointer: number, into: buf_ioreq_t): void {
    const word = this.#entryWord(pointer);
    const head = this.#words[word] ?? 0;
    into.type = head & 0xff;
    into.dir = ((head >>> 9) & 1) !== 0 ? IOREQ_READ : IOREQ_WRITE;
    into.size = (head >>> 10) & 3;
    into.addr = head >>> 12;
    into.data = (this.#words[word + 1] ?? 0) >>> 0;
  }

  /**
   * Copies the data of entries that lie one after the other, each cut to the width of `into`.
   * @param pointer - of the first
   */
  readData(pointer: number, count: number, into: Uint8Array | Uint16Array | Uint32Array): void {
    const words = this.#words;
    let index = (pointer >>> 0) % IOREQ_BUFFER_SLOT_NUM;
    for (let i = 0; i < count; ) {
      const end = i + Math.min(count - i, IOREQ_BUFFER_SLOT_NUM - index);
      let word = ((BUFIOREQ_OFF_ENTRIES + index * BUFIOREQ_ENTRY_SIZE) >>> 2) + 1;
      for (; i < end; i++, word += 2) into[i] = words[word] as number;
      index = 0;
    }
  }

  /**
   * One round of keeping both pointers small: takes the same multiple of 511 off each, in one
   * exchange that fails when either moved meanwhile. Rare (once per 511 entries), hence BigInt.
   */
  canonicalise(): void {
    const old = Atomics.load(this.#pointers, 0);
    const read = Number(old & 0xffffffffn);
    const write = Number(old >> 32n);
    const off = Math.floor(read / IOREQ_BUFFER_SLOT_NUM) * IOREQ_BUFFER_SLOT_NUM;
    const next = (BigInt((write - off) >>> 0) << 32n) | BigInt(read - off);
    Atomics.compareExchange(this.#pointers, 0, old, next);
  }

  /** Zeroes the page. */
  clear(): void {
    this.bytes.fill(0);
  }

  #entryWord(pointer: number): number {
    const index = (pointer >>> 0) % IOREQ_BUFFER_SLOT_NUM;
    return (BUFIOREQ_OFF_ENTRIES + index * BUFIOREQ_ENTRY_SIZE) >>> 2;
  }
}
