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
  IOREQ_TYPE_PIO,
  IOREQ_TYPE_SHIFT,
  IOREQ_WRITE,
  type ioreq_dir,
  type ioreq_state,
  type ioreq_t,
  PAGE_SIZE,
  STATE_IOREQ_INPROCESS,
} from '../xen/public/hvm_ioreq.ts';

// What is imported is looked up each time it is used; names of one's own module are constants to the compiler.
const STATE_SHIFT = IOREQ_STATE_SHIFT;
const STATE_MASK = IOREQ_STATE_MASK;
const PTR_SHIFT = IOREQ_DATA_IS_PTR_SHIFT;
const DF_SHIFT = IOREQ_DF_SHIFT;
const DIR_SHIFT = IOREQ_DIR_SHIFT;
const TYPE_SHIFT = IOREQ_TYPE_SHIFT;
const IN_PROCESS = STATE_IOREQ_INPROCESS;

/** Positions in 32-bit words from the start of a slot. */
const WORD_ADDR = 0;
const WORD_DATA = 2;
const WORD_COUNT = 4;
const WORD_SIZE = 5;
const WORD_VP_EPORT = 6;
const WORD_STATE = 7;
const TWO_32 = 2 ** 32;

/** The word with the state, of one access whose data is a value. */
export function stateWordOf(type: number, dir: ioreq_dir, state: ioreq_state): number {
  return (state << IOREQ_STATE_SHIFT) | (dir << IOREQ_DIR_SHIFT) | (type << IOREQ_TYPE_SHIFT);
}

/** The slot of one vCPU. Readers sample the state first; writers publish with `setState` last. */
export class IoreqSlot {
  /** Int32Array(8), shared. */
  readonly #words: Int32Array;

  /** @param words - the page as 32-bit words; @param vcpu - 0 to 127 */
  constructor(words: Int32Array, vcpu: number) {
    const base = (vcpu * IOREQ_SIZE) >>> 2;
    this.#words = words.subarray(base, base + (IOREQ_SIZE >>> 2));
  }

  /** Its 32 bytes. */
  bytes(): Uint8Array {
    const { buffer, byteOffset, byteLength } = this.#words;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  /** The state now: one atomic load. */
  state(): ioreq_state {
    return (Atomics.load(this.#words, WORD_STATE) >>> STATE_SHIFT) & STATE_MASK;
  }

  /** Sets the state alone; whoever loads it sees every earlier write to the slot. */
  setState(next: ioreq_state): void {
    // Whoever may change the state owns the whole slot, so nothing changes between load and store.
    const others = Atomics.load(this.#words, WORD_STATE) & ~(STATE_MASK << STATE_SHIFT);
    Atomics.store(this.#words, WORD_STATE, others | ((next & STATE_MASK) << STATE_SHIFT));
  }

  /** Fills a caller-owned object; the state is loaded first. An address above 2^53 is rounded. */
  read(into: ioreq_t): void {
    const w = this.#words;
    const flags = Atomics.load(w, WORD_STATE);
    into.state = (flags >>> STATE_SHIFT) & STATE_MASK;
    into.data_is_ptr = ((flags >>> PTR_SHIFT) & 1) !== 0;
    into.dir = ((flags >>> DIR_SHIFT) & 1) !== 0 ? IOREQ_READ : IOREQ_WRITE;
    into.df = ((flags >>> DF_SHIFT) & 1) !== 0;
    into.type = flags >>> TYPE_SHIFT;
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
    this.setAddr(from.addr);
    w[WORD_DATA] = from.data;
    w[WORD_DATA + 1] = from.data_hi;
    w[WORD_COUNT] = from.count;
    w[WORD_SIZE] = from.size;
    w[WORD_VP_EPORT] = from.vp_eport;
    Atomics.store(
      w,
      WORD_STATE,
      ((from.state & STATE_MASK) << STATE_SHIFT) |
        ((from.data_is_ptr ? 1 : 0) << PTR_SHIFT) |
        (from.dir << DIR_SHIFT) |
        ((from.df ? 1 : 0) << DF_SHIFT) |
        (from.type << TYPE_SHIFT),
    );
  }

  // Atomics are calls, of some 10 ns each. Who has seen the state by one may read what was published with it without,
  // and who owns the slot may write without until he publishes.

  /** Of a request seen as READY: whether it is a single access whose data is a value. */
  isSingle(): boolean {
    const w = this.#words;
    return w[WORD_COUNT] === 1 && ((w[WORD_STATE] ?? 0) & (1 << PTR_SHIFT)) === 0;
  }

  /** From `from` to `to` in one store; false, and nothing is done, when another state is there. */
  pass(from: ioreq_state, to: ioreq_state): boolean {
    const word = this.#words[WORD_STATE] ?? 0;
    if (((word >>> STATE_SHIFT) & STATE_MASK) !== from) return false;
    const others = word & ~(STATE_MASK << STATE_SHIFT);
    Atomics.store(this.#words, WORD_STATE, others | (to << STATE_SHIFT));
    return true;
  }

  // Where no other thread has the page nothing needs to be atomic, and a call of Atomics costs more than all of this.

  /** Whether the slot is free and its channel is `port`. */
  isFree(port: number): boolean {
    const w = this.#words;
    const state = ((w[WORD_STATE] ?? 0) >>> STATE_SHIFT) & STATE_MASK;
    return state === 0 && w[WORD_VP_EPORT] === port;
  }

  /** Whether the device model has taken the request and not answered, and the channel is `port`. */
  isInProcess(port: number): boolean {
    const w = this.#words;
    const state = ((w[WORD_STATE] ?? 0) >>> STATE_SHIFT) & STATE_MASK;
    return state === IN_PROCESS && w[WORD_VP_EPORT] === port;
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
    w[WORD_ADDR] = addr;
    w[WORD_ADDR + 1] = 0;
    w[WORD_DATA] = data;
    w[WORD_DATA + 1] = 0;
    w[WORD_COUNT] = 1;
    w[WORD_SIZE] = size;
    w[WORD_STATE] = stateWordOf(type, dir, state);
  }

  /** The same once more: @param word - by `stateWordOf()` */
  fillAgain(addr: number, size: number, data: number, word: number): void {
    const w = this.#words;
    w[WORD_STATE] = word;
    w[WORD_SIZE] = size;
    w[WORD_COUNT] = 1;
    w[WORD_DATA + 1] = 0;
    w[WORD_DATA] = data;
    w[WORD_ADDR + 1] = 0;
    w[WORD_ADDR] = addr;
  }

  /** Whether the word with the state is `word`, and the channel is `port`. */
  isAs(word: number, port: number): boolean {
    const w = this.#words;
    return w[WORD_STATE] === word && w[WORD_VP_EPORT] === port;
  }

  /** `count` accesses of one port, upwards between it and guest memory at `gpa`, in the slot of its channel. */
  fillRun(
    port: number,
    size: number,
    count: number,
    dir: ioreq_dir,
    gpa: number,
    state: ioreq_state,
  ): void {
    const w = this.#words;
    this.fillOne(IOREQ_TYPE_PIO, port, size, dir, gpa, state);
    w[WORD_COUNT] = count;
    w[WORD_STATE] = (w[WORD_STATE] ?? 0) | (1 << PTR_SHIFT);
  }

  /** State NONE. */
  free(): void {
    this.#words[WORD_STATE] = (this.#words[WORD_STATE] ?? 0) & ~(STATE_MASK << STATE_SHIFT);
  }

  /** State NONE, with an answer of at most 4 bytes. */
  freeAnswered(data: number): void {
    this.setData(data, 0);
    this.free();
  }

  /** Port or guest-physical address. Above 2^53 it is rounded. */
  addr(): number {
    const w = this.#words;
    return ((w[WORD_ADDR + 1] ?? 0) >>> 0) * TWO_32 + ((w[WORD_ADDR] ?? 0) >>> 0);
  }

  setAddr(addr: number): void {
    this.#words[WORD_ADDR] = (addr % TWO_32) | 0;
    this.#words[WORD_ADDR + 1] = Math.floor(addr / TWO_32) | 0;
  }

  /** Low 32 bits of the data, unsigned. */
  data(): number {
    return (this.#words[WORD_DATA] ?? 0) >>> 0;
  }

  /** High 32 bits of the data, unsigned. */
  data_hi(): number {
    return (this.#words[WORD_DATA + 1] ?? 0) >>> 0;
  }

  setData(low: number, high: number): void {
    this.#words[WORD_DATA] = low;
    this.#words[WORD_DATA + 1] = high;
  }

  count(): number {
    return (this.#words[WORD_COUNT] ?? 0) >>> 0;
  }

  setCount(count: number): void {
    this.#words[WORD_COUNT] = count;
  }

  size(): number {
    return (this.#words[WORD_SIZE] ?? 0) >>> 0;
  }

  setSize(size: number): void {
    this.#words[WORD_SIZE] = size;
  }

  vp_eport(): number {
    return (this.#words[WORD_VP_EPORT] ?? 0) >>> 0;
  }

  setVpEport(port: number): void {
    this.#words[WORD_VP_EPORT] = port;
  }

  data_is_ptr(): boolean {
    return ((this.#flags() >>> PTR_SHIFT) & 1) !== 0;
  }

  dir(): ioreq_dir {
    return ((this.#flags() >>> DIR_SHIFT) & 1) !== 0 ? IOREQ_READ : IOREQ_WRITE;
  }

  df(): boolean {
    return ((this.#flags() >>> DF_SHIFT) & 1) !== 0;
  }

  type(): number {
    return this.#flags() >>> TYPE_SHIFT;
  }

  #flags(): number {
    return Atomics.load(this.#words, WORD_STATE);
  }
}

/** One ioreq page over memory that hypervisor and device model share. */
export class IoreqPage {
  /** Uint8Array(4096), shared: what a device model maps. */
  readonly bytes: Uint8Array;
  readonly #words: Int32Array;
  /** By vCPU, as far as they were asked for. */
  readonly #slots: (IoreqSlot | undefined)[] = new Array<undefined>(IOREQ_SLOTS_PER_PAGE);

  /** @param bytes - 4096 bytes on a SharedArrayBuffer, 4-byte aligned */
  constructor(bytes: Uint8Array) {
    ASSERT(bytes.length === PAGE_SIZE && bytes.byteOffset % 4 === 0, 'an ioreq page is one page');
    this.bytes = bytes;
    this.#words = new Int32Array(bytes.buffer, bytes.byteOffset, PAGE_SIZE / 4);
  }

  /** @param vcpu - 0 to 127 */
  slot(vcpu: number): IoreqSlot {
    return this.#slots[vcpu] ?? this.#newSlot(vcpu);
  }

  #newSlot(vcpu: number): IoreqSlot {
    if (!(vcpu >= 0 && vcpu < IOREQ_SLOTS_PER_PAGE)) {
      throw new BugError('an ioreq page has 128 slots');
    }
    const slot = new IoreqSlot(this.#words, vcpu);
    this.#slots[vcpu] = slot;
    return slot;
  }

  /** Zeroes the page. */
  clear(): void {
    this.bytes.fill(0);
  }
}
