// SPDX-License-Identifier: GPL-2.0-only
// What a run's devices were asked and what they answered, in order; and another run held against it, access by access.
import {
  type Access,
  type EventSink,
  FOLD_START,
  foldElement,
  type Stage,
} from '../../ledger/events.ts';
import { hex } from '../../util/hex.ts';

const FIRST_ROWS = 4096;

/** A device saw it; a read was answered. What a request waits for in between is no business of the device's. */
function counts(stage: Stage, a: Access): boolean {
  return stage === 'issued' || (stage === 'answered' && a.dir === 'r');
}

const WRITE = 0x100;
const MEMORY = 0x200;
const ISSUED = 0x400;

function kindOf(stage: Stage, a: Access): number {
  return (
    a.size |
    (a.dir === 'w' ? WRITE : 0) |
    (a.space === 'mmio' ? MEMORY : 0) |
    (stage === 'issued' ? ISSUED : 0)
  );
}

/** What tells accesses apart besides instruction, address and value, as 32 bits. */
function shape(stage: Stage, a: Access): number {
  let hash = foldElement(FOLD_START, kindOf(stage, a), a.access);
  hash = foldElement(hash, a.rep, a.count);
  hash = foldElement(hash, a.lane, a.hasData ? a.data_hi : 0);
  return foldElement(hash, Math.floor(a.addr / 2 ** 32), a.vcpu);
}

const value = (a: Access): number => (a.hasData ? a.data : 0) >>> 0;

/** A row in words. Of a batch the value is a digest. */
function words(kind: number, insn: number, addr: number, data: number): string {
  const size = kind & 0xff;
  const bytes = `${size} ${size === 1 ? 'byte' : 'bytes'}`;
  const place = (kind & MEMORY) === 0 ? `port ${hex(addr)}` : `memory ${hex(addr)}`;
  if ((kind & WRITE) !== 0)
    return `instruction ${insn}: write of ${hex(data)}, ${bytes}, to ${place}`;
  const answered = (kind & ISSUED) === 0 ? `, answered ${hex(data)}` : '';
  return `instruction ${insn}: read of ${bytes} from ${place}${answered}`;
}

/** Records a run. */
export class AccessTape implements EventSink {
  /** Rows since the last `clear()`: one for each access, and one for each answer to a read. */
  rows = 0;
  /** Accesses since the beginning, each repetition counted. */
  accesses = 0;
  #insn = new Float64Array(FIRST_ROWS);
  #addr = new Float64Array(FIRST_ROWS);
  #value = new Uint32Array(FIRST_ROWS);
  /** A digest of all of it but instruction, address and value; and what words need of that. */
  #shape = new Uint32Array(FIRST_ROWS);
  #kind = new Uint32Array(FIRST_ROWS);

  access(stage: Stage, _seq: number, a: Access): void {
    if (!counts(stage, a)) return;
    if (this.rows === this.#insn.length) this.#grow();
    const i = this.rows++;
    if (stage === 'issued') this.accesses += a.count;
    this.#insn[i] = a.insn;
    this.#addr[i] = a.addr;
    this.#value[i] = value(a);
    this.#shape[i] = shape(stage, a);
    this.#kind[i] = kindOf(stage, a);
  }

  mark(): void {}

  #grow(): void {
    const more = <A extends Float64Array | Uint32Array>(from: A, to: A): A => {
      to.set(from);
      return to;
    };
    const length = 2 * this.rows;
    this.#insn = more(this.#insn, new Float64Array(length));
    this.#addr = more(this.#addr, new Float64Array(length));
    this.#value = more(this.#value, new Uint32Array(length));
    this.#shape = more(this.#shape, new Uint32Array(length));
    this.#kind = more(this.#kind, new Uint32Array(length));
  }

  is(row: number, stage: Stage, a: Access): boolean {
    return (
      row < this.rows &&
      this.#insn[row] === a.insn &&
      this.#addr[row] === a.addr &&
      this.#value[row] === value(a) &&
      this.#shape[row] === shape(stage, a)
    );
  }

  /** Row `row` in words. */
  describe(row: number): string {
    if (row >= this.rows) return 'nothing';
    const at = (column: Float64Array | Uint32Array): number => column[row] ?? 0;
    return words(at(this.#kind), at(this.#insn), at(this.#addr), at(this.#value));
  }

  /** Forgets the rows: they have been compared. */
  clear(): void {
    this.rows = 0;
  }
}

/** Holds a run against a tape. */
export class TapeComparison implements EventSink {
  /** The first difference, in words; null: none so far. */
  difference: string | null = null;
  readonly #tape: AccessTape;
  #row = 0;
  #before = 0;

  /** @param tape - of the run that is judged; the one heard here is the undisturbed one */
  constructor(tape: AccessTape) {
    this.#tape = tape;
  }

  access(stage: Stage, _seq: number, a: Access): void {
    if (!counts(stage, a) || this.difference !== null) return;
    if (this.#tape.is(this.#row, stage, a)) {
      this.#row++;
      if (stage === 'issued') this.#before += a.count;
      return;
    }
    this.difference = `after ${this.#before} equal accesses: undisturbed, ${words(kindOf(stage, a), a.insn, a.addr, value(a))}; here, ${this.#tape.describe(this.#row)}`;
  }

  mark(): void {}

  /** The tape has been followed to its end. */
  turn(): void {
    const { rows } = this.#tape;
    if (this.difference === null && this.#row < rows) {
      this.difference = `after ${this.#before} equal accesses: undisturbed, nothing; here, ${this.#tape.describe(this.#row)}`;
    }
    this.#row = 0;
    this.#tape.clear();
  }
}
