// SPDX-License-Identifier: GPL-2.0-only
// One block of ledger rows in typed arrays: writing an event allocates nothing.
import type { Access, Mark, Space, Stage, WholeRows } from './events.ts';

const STAGES: readonly Stage[] = ['issued', 'answered', 'retired'];
const STAGE_MASK = 3;
/** A row that is not an access: `insn` holds the index into `marks`. */
const STAGE_MARK = 3;
const FLAG_MMIO = 4;
const FLAG_WRITE = 8;
const FLAG_DATA = 16;
/** All three stages of one access, in a row: three events. */
const FLAG_WHOLE = 32;

/** Stage numbers as stored. */
export const ISSUED = 0;
export const ANSWERED = 1;
export const RETIRED = 2;

/** Rows [0, length) of at most `capacity`, owned by one ledger. */
export class EventBlock implements WholeRows {
  readonly capacity: number;
  length = 0;
  /** In these rows. */
  events = 0;
  readonly marks: Mark[] = [];
  readonly #flags: Uint8Array;
  readonly #vcpu: Uint16Array;
  readonly #insn: Float64Array;
  readonly #addr: Float64Array;
  readonly #rep: Uint32Array;
  readonly #count: Uint32Array;
  readonly #access: Uint16Array;
  readonly #lane: Uint16Array;
  readonly #whole: Uint16Array;
  readonly #size: Uint16Array;
  readonly #data: Uint32Array;
  readonly #dataHi: Uint32Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#flags = new Uint8Array(capacity);
    this.#vcpu = new Uint16Array(capacity);
    this.#insn = new Float64Array(capacity);
    this.#addr = new Float64Array(capacity);
    this.#rep = new Uint32Array(capacity);
    this.#count = new Uint32Array(capacity);
    this.#access = new Uint16Array(capacity);
    this.#lane = new Uint16Array(capacity);
    this.#whole = new Uint16Array(capacity);
    this.#size = new Uint16Array(capacity);
    this.#data = new Uint32Array(capacity);
    this.#dataHi = new Uint32Array(capacity);
  }

  /** Appends one access; the caller has checked that there is room. Values are cut to the access's width. */
  push(stage: number, a: Access): void {
    const i = this.length++;
    this.events++;
    const size = a.size;
    let flags = stage;
    if (a.space === 'mmio') flags |= FLAG_MMIO;
    if (a.dir === 'w') flags |= FLAG_WRITE;
    // A read has no value before its answer, whatever the latched request holds.
    const known = a.hasData && (stage !== ISSUED || a.dir === 'w');
    let low = 0;
    let high = 0;
    if (known) {
      flags |= FLAG_DATA;
      low = a.data;
      high = a.data_hi;
      if (a.count === 1 && size < 8) {
        if (size <= 4) high = 0;
        else high &= 2 ** (8 * (size - 4)) - 1;
        if (size === 1) low &= 0xff;
        else if (size === 2) low &= 0xffff;
        else if (size === 3) low &= 0xffffff;
      }
    }
    this.#flags[i] = flags;
    this.#vcpu[i] = a.vcpu;
    this.#insn[i] = a.insn;
    this.#addr[i] = a.addr;
    this.#rep[i] = a.rep;
    this.#count[i] = a.count;
    this.#access[i] = a.access;
    this.#lane[i] = a.lane;
    this.#whole[i] = a.whole === 0 ? size : a.whole;
    this.#size[i] = size;
    this.#data[i] = low;
    this.#dataHi[i] = high;
  }

  /** Appends the three events of one access; see `Ledger.whole()`. The caller has checked that there is room. */
  pushWhole(
    vcpu: number,
    insn: number,
    space: Space,
    read: boolean,
    addr: number,
    size: number,
    data: number,
  ): void {
    const i = this.length++;
    this.events += 3;
    this.#flags[i] =
      FLAG_WHOLE | FLAG_DATA | (space === 'mmio' ? FLAG_MMIO : 0) | (read ? 0 : FLAG_WRITE);
    this.#vcpu[i] = vcpu;
    this.#insn[i] = insn;
    this.#addr[i] = addr;
    this.#size[i] = size;
    this.#data[i] = data;
  }

  /** How many rows from `i` on, below `to`, stand for three events each. */
  wholesFrom(i: number, to: number): number {
    let end = i;
    while (end < to && ((this.#flags[end] as number) & FLAG_WHOLE) !== 0) end++;
    return end - i;
  }
  vcpuOf(i: number): number {
    return this.#vcpu[i] as number;
  }
  insnOf(i: number): number {
    return this.#insn[i] as number;
  }
  addrOf(i: number): number {
    return this.#addr[i] as number;
  }
  isRead(i: number): boolean {
    return ((this.#flags[i] as number) & FLAG_WRITE) === 0;
  }
  isPort(i: number): boolean {
    return ((this.#flags[i] as number) & FLAG_MMIO) === 0;
  }

  /** Appends one mark; the caller has checked that there is room. */
  pushMark(mark: Mark): void {
    const i = this.length++;
    this.events++;
    this.#flags[i] = STAGE_MARK;
    this.#insn[i] = this.marks.length;
    this.marks.push(mark);
  }

  /** The mark in row `i`, or undefined when the row is an access. */
  markAt(i: number): Mark | undefined {
    if (((this.#flags[i] as number) & STAGE_MASK) !== STAGE_MARK) return undefined;
    return this.marks[this.#insn[i] as number];
  }

  /** Fills `to` from row `i`, which must be an access. */
  load(i: number, to: Access): Stage {
    const flags = this.#flags[i] as number;
    to.vcpu = this.#vcpu[i] as number;
    to.insn = this.#insn[i] as number;
    to.addr = this.#addr[i] as number;
    if ((flags & FLAG_WHOLE) !== 0) return this.#loadWhole(i, flags, to);
    to.rep = this.#rep[i] as number;
    to.count = this.#count[i] as number;
    to.access = this.#access[i] as number;
    to.lane = this.#lane[i] as number;
    to.whole = this.#whole[i] as number;
    to.size = this.#size[i] as number;
    to.space = (flags & FLAG_MMIO) !== 0 ? 'mmio' : 'pio';
    to.dir = (flags & FLAG_WRITE) !== 0 ? 'w' : 'r';
    to.hasData = (flags & FLAG_DATA) !== 0;
    to.data = this.#data[i] as number;
    to.data_hi = this.#dataHi[i] as number;
    return STAGES[flags & STAGE_MASK] as Stage;
  }

  // The columns that it leaves out hold what an earlier block had there.
  #loadWhole(i: number, flags: number, to: Access): Stage {
    to.rep = 0;
    to.count = 1;
    to.access = 0;
    to.lane = 0;
    to.size = this.#size[i] as number;
    to.whole = to.size;
    to.space = (flags & FLAG_MMIO) !== 0 ? 'mmio' : 'pio';
    to.dir = (flags & FLAG_WRITE) !== 0 ? 'w' : 'r';
    to.hasData = true;
    to.data = this.#data[i] as number;
    to.data_hi = 0;
    return 'retired';
  }

  /** Empties the block; the arrays stay. */
  clear(): void {
    this.length = 0;
    this.events = 0;
    this.marks.length = 0;
  }
}
