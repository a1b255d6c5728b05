// SPDX-License-Identifier: GPL-2.0-only
// The shared ioreq page: one 32-byte slot per vCPU, its state by Atomics, its layout Xen's ABI.
// A slot is a view on shared memory, never a copy; no access allocates.
import { ASSERT } from '../util/assert.ts';
import { BugError } from '../util/errors.ts';
import {
  IOREQ_DATA_IS_PTR_SHIFT,
  IOREQ_DF_SHIFT,
  IOREQ_DIR_SHIFT,
  IOREQ_READ,
  IOREQ_SIZE,
  IOREQ_SLOTS_PER_PAGE,
  IOREQ_STATE_MASK,
  IOREQ_STATE_SHIFT,
  IOREQ_TYPE_SHIFT,
  IOREQ_WRITE,
  type ioreq_dir,
  type ioreq_state,
  type ioreq_t,
  PAGE_SIZE,
  STATE_IOREQ_INPROCESS,
} from '../xen/public/hvm_ioreq.ts';

/** Positions in 32-bit words from the start of a slot. */
const WORD_ADDR = 0;
const WORD_DATA = 2;
const WORD_COUNT = 4;
const WORD_SIZE = 5;
const WORD_VP_EPORT = 6;
const WORD_STATE = 7;
const TWO_32 = 2 ** 32;

/** The slot of one vCPU. Readers sample the state first; writers publish with `setState` last. */
export class IoreqSlot {
  /** Int32Array(1024), shared, the whole page. */
  readonly #words: Int32Array;
  readonly #base: number;

  /** @param words - the page as 32-bit words; @param vcpu - 0 to 127 */
  constructor(words: Int32Array, vcpu: number) {
    this.#words = words;
    this.#base = (vcpu * IOREQ_SIZE) >>> 2;
  }

  /** The state now: one atomic load. */
  state(): ioreq_state {
    return (
      (Atomics.load(this.#words, this.#base + WORD_STATE) >>> IOREQ_STATE_SHIFT) & IOREQ_STATE_MASK
    );
  }

  /** Sets the state alone; whoever loads it sees every earlier write to the slot. */
  setState(next: ioreq_state): void {
    const index = this.#base + WORD_STATE;
    // Whoever may change the state owns the whole slot, so nothing changes between load and store.
    const others = Atomics.load(this.#words, index) & ~(IOREQ_STATE_MASK << IOREQ_STATE_SHIFT);
    Atomics.store(this.#words, index, others | ((next & IOREQ_STATE_MASK) << IOREQ_STATE_SHIFT));
  }

  /** Fills a caller-owned object; the state is loaded first. An address above 2^53 is rounded. */
  read(into: ioreq_t): void {
    const w = this.#words;
    const b = this.#base;
    const flags = Atomics.load(w, b + WORD_STATE);
    into.state = (flags >>> IOREQ_STATE_SHIFT) & IOREQ_STATE_MASK;
    into.data_is_ptr = ((flags >>> IOREQ_DATA_IS_PTR_SHIFT) & 1) !== 0;
    into.dir = ((flags >>> IOREQ_DIR_SHIFT) & 1) !== 0 ? IOREQ_READ : IOREQ_WRITE;
    into.df = ((flags >>> IOREQ_DF_SHIFT) & 1) !== 0;
    into.type = flags >>> IOREQ_TYPE_SHIFT;
    into.addr = this.addr();
    into.data = this.data();
    into.data_hi = this.data_hi();
    into.count = this.count();
    into.size = this.size();
    into.vp_eport = this.vp_eport();
  }

  /** Writes all 32 bytes, padding as zero; the word with the state goes last, atomically. */
  write(from: ioreq_t): void {
    const w = this.#words;
    const b = this.#base;
    this.setAddr(from.addr);
    w[b + WORD_DATA] = from.data;
    w[b + WORD_DATA + 1] = from.data_hi;
    w[b + WORD_COUNT] = from.count;
    w[b + WORD_SIZE] = from.size;
    w[b + WORD_VP_EPORT] = from.vp_eport;
    Atomics.store(
      w,
      b + WORD_STATE,
      ((from.state & IOREQ_STATE_MASK) << IOREQ_STATE_SHIFT) |
        ((from.data_is_ptr ? 1 : 0) << IOREQ_DATA_IS_PTR_SHIFT) |
        (from.dir << IOREQ_DIR_SHIFT) |
        ((from.df ? 1 : 0) << IOREQ_DF_SHIFT) |
        (from.type << IOREQ_TYPE_SHIFT),
    );
  }

  // Atomics are calls, of some 10 ns each. Who has seen the state by one may read what was published with it without,
  // and who owns the slot may write without until he publishes.

  /** Of a request seen as READY: whether it is a single access whose data is a value. */
  isSingle(): boolean {
    const w = this.#words;
    const b = this.#base;
    return (
      w[b + WORD_COUNT] === 1 && ((w[b + WORD_STATE] ?? 0) & (1 << IOREQ_DATA_IS_PTR_SHIFT)) === 0
    );
  }

  /** From `from` to `to` in one store; false, and nothing is done, when another state is there. */
  pass(from: ioreq_state, to: ioreq_state): boolean {
    const index = this.#base + WORD_STATE;
    const word = this.#words[index] ?? 0;
    if (((word >>> IOREQ_STATE_SHIFT) & IOREQ_STATE_MASK) !== from) return false;
    const others = word & ~(IOREQ_STATE_MASK << IOREQ_STATE_SHIFT);
    Atomics.store(this.#words, index, others | (to << IOREQ_STATE_SHIFT));
    return true;
  }

  // Where no other thread has the page nothing needs to be atomic, and a call of Atomics costs more than all of this.

  /** Whether the slot is free and its channel is `port`. */
  isFree(port: number): boolean {
    const w = this.#words;
    const b = this.#base;
    const state = ((w[b + WORD_STATE] ?? 0) >>> IOREQ_STATE_SHIFT) & IOREQ_STATE_MASK;
    return state === 0 && w[b + WORD_VP_EPORT] === port;
  }

  /** Whether the device model has taken the request and not answered. */
  isInProcess(): boolean {
    const word = this.#words[this.#base + WORD_STATE] ?? 0;
    return ((word >>> IOREQ_STATE_SHIFT) & IOREQ_STATE_MASK) === STATE_IOREQ_INPROCESS;
  }

  /** One access of at most 4 bytes below 4 GiB, in the slot of its channel. */
  fillOne(
    type: number,
    addr: number,
    size: number,
    dir: ioreq_dir,
    data: number,
    state: ioreq_state,
  ): void {
    const w = this.#words;
    const b = this.#base;
    w[b + WORD_ADDR] = addr;
    w[b + WORD_ADDR + 1] = 0;
    w[b + WORD_DATA] = data;
    w[b + WORD_DATA + 1] = 0;
    w[b + WORD_COUNT] = 1;
    w[b + WORD_SIZE] = size;
    w[b + WORD_STATE] =
      (state << IOREQ_STATE_SHIFT) | (dir << IOREQ_DIR_SHIFT) | (type << IOREQ_TYPE_SHIFT);
  }

  /** State NONE. */
  free(): void {
    const index = this.#base + WORD_STATE;
    this.#words[index] = (this.#words[index] ?? 0) & ~(IOREQ_STATE_MASK << IOREQ_STATE_SHIFT);
  }

  /** State NONE, with an answer of at most 4 bytes. */
  freeAnswered(data: number): void {
    this.setData(data, 0);
    this.free();
  }

  /** Port or guest-physical address. Above 2^53 it is rounded. */
  addr(): number {
    const b = this.#base + WORD_ADDR;
    return ((this.#words[b + 1] ?? 0) >>> 0) * TWO_32 + ((this.#words[b] ?? 0) >>> 0);
  }

  setAddr(addr: number): void {
    const b = this.#base + WORD_ADDR;
    this.#words[b] = (addr % TWO_32) | 0;
    this.#words[b + 1] = Math.floor(addr / TWO_32) | 0;
  }

  /** Low 32 bits of the data, unsigned. */
  data(): number {
    return (this.#words[this.#base + WORD_DATA] ?? 0) >>> 0;
  }

  /** High 32 bits of the data, unsigned. */
  data_hi(): number {
    return (this.#words[this.#base + WORD_DATA + 1] ?? 0) >>> 0;
  }

  setData(low: number, high: number): void {
    this.#words[this.#base + WORD_DATA] = low;
    this.#words[this.#base + WORD_DATA + 1] = high;
  }

  count(): number {
    return (this.#words[this.#base + WORD_COUNT] ?? 0) >>> 0;
  }

  setCount(count: number): void {
    this.#words[this.#base + WORD_COUNT] = count;
  }

  size(): number {
    return (this.#words[this.#base + WORD_SIZE] ?? 0) >>> 0;
  }

  setSize(size: number): void {
    this.#words[this.#base + WORD_SIZE] = size;
  }

  vp_eport(): number {
    return (this.#words[this.#base + WORD_VP_EPORT] ?? 0) >>> 0;
  }

  setVpEport(port: number): void {
    this.#words[this.#base + WORD_VP_EPORT] = port;
  }

  data_is_ptr(): boolean {
    return ((this.#flags() >>> IOREQ_DATA_IS_PTR_SHIFT) & 1) !== 0;
  }

  dir(): ioreq_dir {
    return ((this.#flags() >>> IOREQ_DIR_SHIFT) & 1) !== 0 ? IOREQ_READ : IOREQ_WRITE;
  }

  df(): boolean {
    return ((this.#flags() >>> IOREQ_DF_SHIFT) & 1) !== 0;
  }

  type(): number {
    return this.#flags() >>> IOREQ_TYPE_SHIFT;
  }

  #flags(): number {
    return Atomics.load(this.#words, this.#base + WORD_STATE);
  }
}

/** One ioreq page over memory that hypervisor and device model share. */
export class IoreqPage {
  /** Uint8Array(4096), shared: what a device model maps. */
  readonly bytes: Uint8Array;
  readonly #slots: IoreqSlot[] = [];

  /** @param bytes - 4096 bytes on a SharedArrayBuffer, 4-byte aligned */
  constructor(bytes: Uint8Array) {
    ASSERT(bytes.length === PAGE_SIZE && bytes.byteOffset % 4 === 0, 'an ioreq page is one page');
    this.bytes = bytes;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, PAGE_SIZE / 4);
    for (let vcpu = 0; vcpu < IOREQ_SLOTS_PER_PAGE; vcpu++) {
      this.#slots.push(new IoreqSlot(words, vcpu));
    }
  }

  /** @param vcpu - 0 to 127 */
  slot(vcpu: number): IoreqSlot {
    const slot = this.#slots[vcpu];
    // The test stands here: a call of ASSERT for every access is not always inlined.
    if (slot === undefined) throw new BugError('an ioreq page has 128 slots');
    return slot;
  }

  /** Zeroes the page. */
  clear(): void {
    this.bytes.fill(0);
  }
}
