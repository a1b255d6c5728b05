// SPDX-License-Identifier: GPL-2.0-only
// What a ledger records: device accesses in three stages, and the marks between them.

/** `issued`: a device served it. `answered`: the response went back. `retired`: the program moved past it. */
export type Stage = 'issued' | 'answered' | 'retired';

/** Port space or guest-physical memory. */
export type Space = 'pio' | 'mmio';

/** `r` reads from the device, `w` writes to it. */
export type Direction = 'r' | 'w';

/** Most vCPUs a ledger can hold; Xen's limit for one HVM domain. */
export const MAX_VCPUS = 128;

/**
 * One device access. The identity is `vcpu`, `insn`, `rep`, `access`, `lane` (and the number of
 * resets of that vCPU before it); it is the same at all three stages. Callers own the object and
 * fill it in place: the ledger copies what it needs and keeps no reference.
 */
export interface Access {
  /** 0 to 127 */
  vcpu: number;
  /** Instructions this vCPU completed before this one, since its reset: 0 to 2^53-1. */
  insn: number;
  /** Device accesses this repetition of the instruction made before: a read-modify-write has 0, then 1. */
  access: number;
  /** First repetition of a REP covered, counted from 0 within this instruction number; 0 without REP. */
  rep: number;
  /** Repetitions covered by this one request, 1 to 2^32-1. */
  count: number;
  /** Byte offset of this piece inside the access, when an access is split in pieces. */
  lane: number;
  /** Bytes of the whole access; 0 or equal to `size` when it is not split. */
  whole: number;
  space: Space;
  /** Port, or guest-physical address, of the first repetition. */
  addr: number;
  /** Bytes per repetition, of this piece. */
  size: number;
  dir: Direction;
  /** Whether `data` and `data_hi` mean something. */
  hasData: boolean;
  /** Low 32 bits of the value; for `count` above 1, a digest of the elements (see `foldElement`). */
  data: number;
  /** High 32 bits of the value. */
  data_hi: number;
}

/** A device range the ledger may hold accesses to. */
export interface LedgerDevice {
  name: string;
  space: Space;
  first: number;
  /** inclusive */
  last: number;
}

/** What was run. `config` is free-form plain JSON. */
export interface StartInfo {
  guest: string;
  revision: string;
  seed: number | string;
  /** 1 to 128 */
  vcpus: number;
  devices: readonly LedgerDevice[];
  config?: Readonly<Record<string, unknown>>;
}

/** Accesses a device counted on its own, one per repetition and piece. */
export interface Witness {
  reads: number;
  writes: number;
}

/** Repetitions per stage. */
export interface StageCounts {
  issued: number;
  answered: number;
  retired: number;
}

/** How a run ended, as told by its caller. */
export interface EndInfo {
  /** `boundary`: every vCPU between instructions. `midway`: accesses of the last instruction may be open. */
  stop: 'boundary' | 'midway';
  /** One word or sentence for readers. */
  reason: string;
  /** One entry for each device named at the start: its own count, not the ledger's. */
  witnesses: Readonly<Record<string, Witness>>;
  /** Instructions completed since the last reset, per vCPU: the CPU host's own count. */
  instructions?: readonly number[];
}

/** The marks between accesses, as the sinks see them. */
export type Mark =
  | ({ ev: 'start' } & StartInfo)
  | { ev: 'checkpoint'; n: number; window: string }
  | { ev: 'resume'; n: number }
  | { ev: 'reset'; vcpu: number }
  | ({ ev: 'end'; totals: StageCounts; checkpoints: number; resumes: number } & EndInfo);

/** Receives events in order. `access` is only valid during the call. */
export interface EventSink {
  access(stage: Stage, seq: number, access: Access): void;
  mark(seq: number, mark: Mark): void;
  /**
   * Rows `from` to `to` - 1, each of which is the three stages of one access: instead of three calls of `access` each,
   * for sinks that have a shorter way. Their events have the numbers from `seq` on.
   */
  wholes?(seq: number, rows: WholeRows, from: number, to: number): void;
}

/** A fresh access to fill in place: vCPU 0, one 1-byte port read, no data. */
export function createAccess(): Access {
  return {
    vcpu: 0,
    insn: 0,
    access: 0,
    rep: 0,
    count: 1,
    lane: 0,
    whole: 0,
    space: 'pio',
    addr: 0,
    size: 1,
    dir: 'r',
    hasData: false,
    data: 0,
    data_hi: 0,
  };
}

/** Copies every field of `from` into `to`; nothing is allocated. */
export function copyAccess(to: Access, from: Access): void {
  to.vcpu = from.vcpu;
  to.insn = from.insn;
  to.access = from.access;
  to.rep = from.rep;
  to.count = from.count;
  to.lane = from.lane;
  to.whole = from.whole;
  to.space = from.space;
  to.addr = from.addr;
  to.size = from.size;
  to.dir = from.dir;
  to.hasData = from.hasData;
  to.data = from.data;
  to.data_hi = from.data_hi;
}

/** Where `foldElement` starts. */
export const FOLD_START = 0x811c9dc5;

/**
 * Adds one element of a batch to its digest: 32-bit FNV-1a over the 8 bytes, low byte first.
 * Start with `FOLD_START`, put the result into `data`, and 0 into `data_hi`.
 */
export function foldElement(digest: number, data: number, data_hi: number): number {
  let hash = digest;
  for (let shift = 0; shift < 32; shift += 8) {
    hash = Math.imul(hash ^ ((data >>> shift) & 0xff), 0x01000193);
  }
  for (let shift = 0; shift < 32; shift += 8) {
    hash = Math.imul(hash ^ ((data_hi >>> shift) & 0xff), 0x01000193);
  }
  return hash >>> 0;
}

/** Accesses that were issued, answered and retired with nothing in between, by row: see `Ledger.whole()`. */
export interface WholeRows {
  /** Fills `to` with the access as it was at its last stage. */
  load(row: number, to: Access): Stage;
  vcpuOf(row: number): number;
  insnOf(row: number): number;
  addrOf(row: number): number;
  isRead(row: number): boolean;
  isPort(row: number): boolean;
}

/** Whole accesses as three events each. A read has no value before its answer, the answer to a write has none. */
export function showStages(
  sink: EventSink,
  firstSeq: number,
  rows: WholeRows,
  from: number,
  to: number,
  a: Access,
): void {
  let seq = firstSeq;
  for (let row = from; row < to; row++) {
    for (const stage of STAGES) {
      rows.load(row, a);
      if (stage !== 'retired' && (stage === 'issued') === (a.dir === 'r')) {
        a.hasData = false;
        a.data = 0;
      }
      sink.access(stage, seq++, a);
    }
  }
}

const STAGES: readonly Stage[] = ['issued', 'answered', 'retired'];
