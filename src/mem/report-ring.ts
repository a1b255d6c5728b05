// SPDX-License-Identifier: GPL-2.0-only
// What a device model in another thread has done, for the vCPU's thread: accesses to its devices, and guest memory
// it wrote. One writer, one reader; the reader looks before it takes an answer, so nothing is heard too late. The
// writer is not trusted: whatever lies in the ring, the reader's work is bounded and its position is its own.

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
const SIZES: ReadonlySet<number> = new Set([1, 2, 4, 8]);

/** One access, by number: what an `AccessEvent` holds besides names. */
export interface ReportedAccess {
  space: 'pio' | 'mmio';
  addr: number;
  size: number;
  dir: number;
  data: number;
  dataHi: number;
  element: number;
  count: number;
}

export class ReportRing {
  /** Reader: records that no device model can have meant, and rings whose head ran away from what was read. */
  refused = 0;
  readonly #words: Int32Array;
  /** The reader's own; in the ring lies a copy for the writer. */
  #tail = 0;
  /** Writer: the reader's place when it was last looked at. */
  #tailSeen = 0;
  readonly #access: ReportedAccess = {
    space: 'pio',
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
  access(a: Readonly<ReportedAccess>): boolean {
    const at = this.#place();
    if (at < 0) return false;
    const w = this.#words;
    w[at] = IS_ACCESS | (a.space === 'mmio' ? 2 : 0) | (a.dir << 2) | (a.size << 3);
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

  /** Reader, who has just seen an answer: whether there is anything. */
  get filled(): boolean {
    return this.#words[HEAD] !== this.#tail;
  }

  /**
   * Hands over everything there is, oldest first. The object given to `access` is reused. A head that claims more than
   * the ring holds makes all of it worthless: reading goes on there. Of a record, sizes and counts are checked;
   * addresses, data and lengths may be any number.
   */
  drain(access: (a: ReportedAccess) => void, wrote: (gpa: number, length: number) => void): void {
    const w = this.#words;
    let tail = this.#tail;
    const head = Atomics.load(w, HEAD);
    if (head === tail) return;
    if ((head - tail) >>> 0 > REPORT_CAPACITY) {
      this.refused++;
      tail = head;
    }
    for (; tail !== head; tail = (tail + 1) | 0) {
      const at = RECORDS + RECORD * ((tail >>> 0) % REPORT_CAPACITY);
      const kind = w[at] ?? 0;
      if ((kind & IS_ACCESS) === 0) {
        wrote((w[at + 1] ?? 0) >>> 0, (w[at + 2] ?? 0) >>> 0);
        continue;
      }
      const a = this.#access;
      a.space = (kind & 2) !== 0 ? 'mmio' : 'pio';
      a.dir = (kind >>> 2) & 1;
      a.size = (kind >>> 3) & 15;
      a.addr = ((w[at + 1] ?? 0) >>> 0) + ((w[at + 2] ?? 0) >>> 0) * TWO_32;
      a.data = (w[at + 3] ?? 0) >>> 0;
      a.dataHi = (w[at + 4] ?? 0) >>> 0;
      a.element = (w[at + 5] ?? 0) >>> 0;
      a.count = (w[at + 6] ?? 0) >>> 0;
      if (a.element < a.count && SIZES.has(a.size)) access(a);
      else this.refused++;
    }
    this.#tail = tail;
    Atomics.store(w, TAIL, tail);
  }

  #place(): number {
    const w = this.#words;
    const head = Atomics.load(w, HEAD);
    if ((head - this.#tailSeen) >>> 0 >= REPORT_CAPACITY) {
      // The reader's cache line is fetched once per fill, not once per record.
      this.#tailSeen = Atomics.load(w, TAIL);
      if ((head - this.#tailSeen) >>> 0 >= REPORT_CAPACITY) return -1;
    }
    return RECORDS + RECORD * ((head >>> 0) % REPORT_CAPACITY);
  }
}
