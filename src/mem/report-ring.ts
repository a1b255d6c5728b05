// SPDX-License-Identifier: GPL-2.0-only
// What a device model in another thread has done, for the vCPU's thread: accesses to its devices, and guest memory
// it wrote. One writer, one reader; the reader looks before it takes an answer, so nothing is heard too late.

/** Words of a record. */
const RECORD = 8;
const HEAD = 0;
/** On a cache line of its own: the reader's. */
const TAIL = 16;
const RECORDS = 32;
/** Records a ring holds. */
export const REPORT_CAPACITY = 1024;
/** Bytes of one ring. */
export const REPORT_BYTES = 4 * (RECORDS + RECORD * REPORT_CAPACITY);

/** The record is an access; otherwise a stretch of guest memory that was written. */
const IS_ACCESS = 1;
const TWO_32 = 2 ** 32;

/** One access, by number: what an `AccessEvent` holds besides names. */
export interface ReportedAccess {
  mmio: boolean;
  addr: number;
  size: number;
  dir: number;
  data: number;
  dataHi: number;
  element: number;
  count: number;
}

export class ReportRing {
  readonly #words: Int32Array;
  readonly #access: ReportedAccess = {
    mmio: false,
    addr: 0,
    size: 1,
    dir: 0,
    data: 0,
    dataHi: 0,
    element: 0,
    count: 1,
  };

  /** @param buffer - shared, zeroed; @param offset - of REPORT_BYTES bytes, a multiple of 4 */
  constructor(buffer: SharedArrayBuffer, offset: number) {
    this.#words = new Int32Array(buffer, offset, REPORT_BYTES / 4);
  }

  /** False: no room, nothing was written. */
  access(a: ReportedAccess): boolean {
    const at = this.#place();
    if (at < 0) return false;
    const w = this.#words;
    w[at] = IS_ACCESS | (a.mmio ? 2 : 0) | (a.dir << 2) | (a.size << 3);
    w[at + 1] = a.addr % TWO_32;
    w[at + 2] = Math.floor(a.addr / TWO_32);
    w[at + 3] = a.data;
    w[at + 4] = a.dataHi;
    w[at + 5] = a.element;
    w[at + 6] = a.count;
    Atomics.add(w, HEAD, 1);
    return true;
  }

  /** Guest memory from `gpa` on was written, `length` bytes below 4 GiB. False: no room. */
  wrote(gpa: number, length: number): boolean {
    const at = this.#place();
    if (at < 0) return false;
    this.#words[at] = 0;
    this.#words[at + 1] = gpa;
    this.#words[at + 2] = length;
    Atomics.add(this.#words, HEAD, 1);
    return true;
  }

  /**
   * Hands over everything there is, oldest first. The object given to `access` is reused. What the writer claims is
   * bounded, not believed: lengths and sizes may be any number.
   */
  drain(access: (a: ReportedAccess) => void, wrote: (gpa: number, length: number) => void): void {
    const w = this.#words;
    let tail = Atomics.load(w, TAIL);
    const filled = (Atomics.load(w, HEAD) - tail) >>> 0;
    if (filled === 0) return;
    for (let n = Math.min(filled, REPORT_CAPACITY); n > 0; n--) {
      const at = RECORDS + RECORD * ((tail >>> 0) % REPORT_CAPACITY);
      tail = (tail + 1) | 0;
      const head = w[at] ?? 0;
      if ((head & IS_ACCESS) === 0) {
        wrote((w[at + 1] ?? 0) >>> 0, (w[at + 2] ?? 0) >>> 0);
        continue;
      }
      const a = this.#access;
      a.mmio = (head & 2) !== 0;
      a.dir = (head >>> 2) & 1;
      a.size = (head >>> 3) & 15;
      a.addr = ((w[at + 1] ?? 0) >>> 0) + ((w[at + 2] ?? 0) >>> 0) * TWO_32;
      a.data = (w[at + 3] ?? 0) >>> 0;
      a.dataHi = (w[at + 4] ?? 0) >>> 0;
      a.element = (w[at + 5] ?? 0) >>> 0;
      a.count = (w[at + 6] ?? 0) >>> 0;
      access(a);
    }
    Atomics.store(w, TAIL, tail);
  }

  #place(): number {
    const head = Atomics.load(this.#words, HEAD);
    const filled = (head - Atomics.load(this.#words, TAIL)) >>> 0;
    if (filled >= REPORT_CAPACITY) return -1;
    return RECORDS + RECORD * ((head >>> 0) % REPORT_CAPACITY);
  }
}
