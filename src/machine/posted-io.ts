// SPDX-License-Identifier: GPL-2.0-only
// Accesses for which the guest is not left: writes that wait in their server's ring until it is, and registers that the
// CPU reads where a device has published them. The addon's part is native/posted.cc; here is what it is told, and what
// becomes of the writes and of the books once the guest has been left. Nothing waits anywhere else than during that stay.
import type { MachineCpu } from '../cpu/machine-cpu.ts';
import * as P from '../cpu/posted-page.ts';
import type { IoSize } from '../dm/device.ts';
import type { InlineServer } from '../dm/inline-server.ts';
import type { IoRange } from '../dm/range.ts';
import type { BufferedPage } from '../mem/buffered-page.ts';
import type { domain, vcpu } from '../xen/common/sched.ts';
import { straight_server } from '../xen/hvm/straight.ts';
import {
  BUFIOREQ_ADDR_MAX,
  type buf_ioreq_t,
  IOREQ_BUFFER_SLOT_NUM,
  IOREQ_READ,
  IOREQ_WRITE,
} from '../xen/public/hvm_ioreq.ts';
import type { Bookkeeper } from './bookkeeper.ts';
import type { CountedDevice } from './counted-device.ts';

/** Instructions after which the guest is left if a write waits: some 50 microseconds. */
const SLICE = 0x10000;
const PAGE = 4096;

/** A device in its place. */
export interface PlacedDevice {
  readonly device: CountedDevice;
  readonly range: IoRange;
  readonly model: InlineServer;
}

/** One row of the page shared with the CPU. */
interface Row {
  readonly index: number;
  readonly placed: PlacedDevice;
  readonly isPort: boolean;
  readonly isRead: boolean;
  readonly first: number;
  readonly last: number;
  readonly ring: BufferedPage;
}

export class PostedIo {
  /** Accesses that went this way. */
  taken = 0;
  /** While a device gets a write that waited: the instruction count at which it was made; else -1. */
  at = -1;
  readonly #v: vcpu;
  readonly #d: domain;
  readonly #books: Bookkeeper | null;
  readonly #words: Uint32Array;
  readonly #floats: Float64Array;
  /** By index; 0 is none. */
  readonly #rows: (Row | null)[] = [null];
  readonly #entry: buf_ioreq_t = { type: 0, dir: IOREQ_WRITE, size: 0, addr: 0, data: 0 };
  /** Data of writes that came one after the other, by width. */
  readonly #many = new Uint32Array(IOREQ_BUFFER_SLOT_NUM);
  readonly #halves = new Uint16Array(this.#many.buffer);
  readonly #bytes = new Uint8Array(this.#many.buffer);
  #routing = -1;

  private constructor(v: vcpu, books: Bookkeeper | null) {
    this.#v = v;
    this.#d = v.domain;
    this.#books = books;
    const page = new SharedArrayBuffer(P.POSTED_PAGE_BYTES);
    this.#words = new Uint32Array(page);
    this.#floats = new Float64Array(page);
    this.#words[P.POSTED_SLICE] = SLICE;
  }

  /** Tells the CPU what the devices have declared. @returns null where nothing was declared, or the CPU cannot do it */
  static of(
    v: vcpu,
    cpu: MachineCpu,
    books: Bookkeeper | null,
    devices: readonly PlacedDevice[],
  ): PostedIo | null {
    if (cpu.usePosted === undefined) return null;
    const io = new PostedIo(v, books);
    for (const placed of devices) io.#declare(placed);
    if (io.#rows.length === 1) return null;
    const rings = [...new Set(io.#rows.flatMap((row) => (row === null ? [] : [row.ring])))];
    for (const row of io.#rows) {
      if (row !== null) io.#word(row, P.POSTED_ROW_RING, rings.indexOf(row.ring));
    }
    cpu.usePosted(
      new Uint8Array(io.#words.buffer),
      rings.map(({ bytes }) => bytes),
    );
    return io;
  }

  #declare(placed: PlacedDevice): void {
    const { device, range } = placed;
    for (const register of device.published) {
      const at = range.start + register.offset;
      const row = this.#add(placed, true, at, at + register.size - 1);
      if (row === null) continue;
      this.#word(row, P.POSTED_ROW_SIZE, register.size);
      register.moveTo(this.#words, this.#at(row) + P.POSTED_ROW_VALUE);
    }
    for (const { first, last } of device.posted) {
      const end = Math.min(range.start + last, range.end);
      for (let at = range.start + first; at <= end; ) {
        const pageEnd = range.space === 'pio' ? end : at - (at % PAGE) + PAGE - 1;
        this.#add(placed, false, at, Math.min(pageEnd, end));
        at = pageEnd + 1;
      }
    }
  }

  /** Null: it takes the ordinary way. */
  #add(placed: PlacedDevice, isRead: boolean, first: number, last: number): Row | null {
    const { range, model } = placed;
    const isPort = range.space === 'pio';
    const ring = model.connection.bufferedPage;
    const most = isRead ? 0xffffffff : BUFIOREQ_ADDR_MAX;
    const index = this.#rows.length;
    if (ring === null || index >= P.POSTED_ROW_COUNT) return null;
    if (first < range.start || last > range.end || last > most) return null;
    if (!isPort && Math.floor(first / PAGE) !== Math.floor(last / PAGE)) return null;
    const row: Row = { index, placed, isPort, isRead, first, last, ring };
    this.#rows.push(row);
    this.#word(row, P.POSTED_ROW_FIRST, first);
    this.#word(row, P.POSTED_ROW_LAST, last);
    const kind = (isPort ? P.POSTED_KIND_PORT : 0) | (isRead ? P.POSTED_KIND_READ : 0);
    const many = placed.device.takesMany ? P.POSTED_KIND_MANY : 0;
    this.#word(row, P.POSTED_ROW_KIND, kind | many | P.POSTED_KIND_ATOMIC);
    return row;
  }

  #at(row: Row): number {
    return P.POSTED_ROWS + row.index * P.POSTED_ROW_WORDS;
  }

  #word(row: Row, word: number, value: number): void {
    this.#words[this.#at(row) + word] = value;
  }

  /**
   * Until `close()`, accesses may stay in the guest. The guest is calm; `update()` goes before each entry at which
   * `routing` is another than before. An exit with WHAT_POSTED has something for `take()`.
   */
  open(): void {
    this.#words[P.POSTED_ON] = 1;
  }

  close(): void {
    this.#words[P.POSTED_ON] = 0;
  }

  /** Until `hold(false)`, every access leaves the guest all the same. */
  hold(held: boolean): void {
    this.#words[P.POSTED_ON] = held ? 0 : 1;
  }

  /** Looks again where accesses go, if that may have changed. */
  update(): void {
    const { routing } = this.#d.arch.hvm;
    if (this.#routing === routing) return;
    this.#routing = routing;
    for (const row of this.#rows) {
      if (row === null) continue;
      const { isPort, first, last, placed } = row;
      const s = straight_server(this.#v, isPort, first, last);
      const open = s !== null && s.id === placed.model.id && s.bufioreq.va !== null;
      this.#word(row, P.POSTED_ROW_OPEN, open ? 1 : 0);
    }
  }

  /**
   * Gives the devices what was written and the books what was done, in the order in which it was.
   * A device that throws does not keep the others from getting theirs.
   */
  take(): void {
    const words = this.#words;
    const length = words[P.POSTED_LENGTH] as number;
    words[P.POSTED_LENGTH] = 0;
    if (words[P.POSTED_READS] !== 0) this.#countReads();
    let lastWrite = -1;
    if (words[P.POSTED_WRITES] !== 0) {
      words[P.POSTED_WRITES] = 0;
      for (lastWrite = length - 1; this.#rowAt(lastWrite).isRead; ) lastWrite--;
    }
    let ring: BufferedPage | null = null;
    let first = 0;
    let pointer = 0;
    let failure: { error: unknown } | null = null;
    for (let i = 0; i < length; i++) {
      const row = this.#rowAt(i);
      const at = P.POSTED_LOG + i * P.POSTED_LOG_WORDS;
      const data = words[at + P.POSTED_LOG_DATA] as number;
      if (row.isRead) {
        const icount = this.#floats[at >>> 1] as number;
        const size = row.last - row.first + 1;
        this.#books?.late(icount, row.isPort, IOREQ_READ, row.first, size, data);
        continue;
      }
      if (row.ring !== ring) {
        // The writer gets the places of one ring back together: nobody looks at it in between.
        ring?.advanceReadPointer(pointer - first);
        ring = row.ring;
        first = pointer = ring.read_pointer();
      }
      this.at = this.#floats[at >>> 1] as number;
      // How many the last ones are the ring knows better.
      const there = i === lastWrite ? (ring.write_pointer() - pointer) >>> 0 : data;
      // A device model can write to the ring's page, too: what it makes of it must come to an end.
      const count = Math.min(there, IOREQ_BUFFER_SLOT_NUM);
      try {
        this.#write(row, pointer, count);
      } catch (error) {
        failure ??= { error };
      }
      pointer += count;
      this.taken += count;
      row.placed.model.served += count;
    }
    ring?.advanceReadPointer(pointer - first);
    this.at = -1;
    if (failure !== null) throw failure.error;
  }

  #rowAt(i: number): Row {
    const at = P.POSTED_LOG + i * P.POSTED_LOG_WORDS;
    return this.#rows[this.#words[at + P.POSTED_LOG_ROW] as number] as Row;
  }

  #write(row: Row, pointer: number, count: number): void {
    const { device, range } = row.placed;
    const entry = this.#entry;
    row.ring.readEntry(pointer, entry);
    const { addr, data } = entry;
    const size = (1 << entry.size) as IoSize;
    if (addr < row.first || addr + size - 1 > row.last) return;
    if (count === 1) {
      // Also if it throws: it has been accessed.
      this.#books?.late(this.at, row.isPort, IOREQ_WRITE, addr, size, data);
      device.write(addr - range.start, size, data, 0);
      return;
    }
    row.ring.readData(
      pointer,
      count,
      size === 1 ? this.#bytes : size === 2 ? this.#halves : this.#many,
    );
    device.writeMany(addr - range.start, size, this.#bytes.subarray(0, count * size));
  }

  #countReads(): void {
    const words = this.#words;
    words[P.POSTED_READS] = 0;
    for (const row of this.#rows) {
      if (row === null || !row.isRead) continue;
      const at = this.#at(row) + P.POSTED_ROW_READS;
      const times = words[at] as number;
      if (times === 0) continue;
      words[at] = 0;
      row.placed.device.readElsewhere(times);
      this.taken += times;
      row.placed.model.served += times;
    }
  }
}
