// SPDX-License-Identifier: GPL-2.0-only
// What the checker remembers of one vCPU: the open accesses, the progress inside the current
// instruction, and a bounded memory of what was issued. Data only: the rules are in live-checker.ts.

import type { Access } from './events.ts';
import { copyAccess, createAccess } from './events.ts';

/** Requests remembered per vCPU, to tell a second issue from a late first one. */
const HISTORY = 256;
const HISTORY_WIDTH = 7;
/** Open requests one vCPU may pile up; only a damaged history comes near. */
export const MAX_OPEN = 1024;

/** A request that was issued and is not finished. */
export interface OpenPiece {
  access: Access;
  issuedSeq: number;
  /** -1 while unanswered */
  answeredSeq: number;
  /** Its place in the order was reported already; say nothing more about it. */
  stray: boolean;
}

/** Progress of one access index of the current instruction. */
export interface Track {
  /** First repetition, number of repetitions and first event of the latest request. */
  rep: number;
  count: number;
  seq: number;
  /** Repetitions below this were issued. */
  repNext: number;
  /** Bytes of the latest repetition issued so far, of `whole`. */
  laneEnd: number;
  whole: number;
  addr: number;
  size: number;
  space: string;
  dir: string;
}

/** The state of one vCPU; every array is reused. */
export class VcpuBook {
  readonly vcpu: number;
  /** Requests whose issue it knows later. */
  readonly remembered: number;
  /** Current instruction, -1 before the first. */
  insn = -1;
  /** In order of issue; only the first `openCount` are in use. */
  readonly open: OpenPiece[] = [];
  openCount = 0;
  unanswered = 0;
  readonly tracks: Track[] = [];
  trackCount = 0;
  /** Furthest place of the current instruction. */
  lastRep = 0;
  lastAccess = 0;
  lastLane = 0;
  /** Rows of insn, rep, count, access, lane, size, seq. */
  readonly #history: Float64Array;
  #historyNext = 0;

  /** @param remembered - requests */
  constructor(vcpu: number, remembered: number = HISTORY) {
    this.vcpu = vcpu;
    this.remembered = remembered;
    this.#history = new Float64Array(remembered * HISTORY_WIDTH);
    this.#history.fill(-1);
  }

  /** Opens a new instruction; what was open must have been dealt with. */
  begin(insn: number): void {
    this.insn = insn;
    this.trackCount = 0;
    this.lastRep = 0;
    this.lastAccess = 0;
    this.lastLane = 0;
  }

  /** Forgets everything: the vCPU was reset. */
  reset(): void {
    this.begin(-1);
    this.openCount = 0;
    this.unanswered = 0;
    this.#history.fill(-1);
  }

  /** Remembers what `other` does, which remembers as many. */
  copyFrom(other: VcpuBook): void {
    this.begin(other.insn);
    for (let i = 0; i < other.trackCount; i++) Object.assign(this.addTrack(), other.tracks[i]);
    this.lastRep = other.lastRep;
    this.lastAccess = other.lastAccess;
    this.lastLane = other.lastLane;
    this.openCount = 0;
    for (let i = 0; i < other.openCount; i++) {
      const { access, issuedSeq, answeredSeq, stray } = other.open[i] as OpenPiece;
      this.push(access, issuedSeq, stray);
      (this.open[i] as OpenPiece).answeredSeq = answeredSeq;
    }
    this.unanswered = other.unanswered;
    this.#history.set(other.#history);
    this.#historyNext = other.#historyNext;
  }

  /** A track for the next access index, to be filled by the caller. */
  addTrack(): Track {
    const index = this.trackCount++;
    const known = this.tracks[index];
    if (known !== undefined) return known;
    const track: Track = {
      rep: 0,
      count: 0,
      seq: 0,
      repNext: 0,
      laneEnd: 0,
      whole: 0,
      addr: 0,
      size: 0,
      space: 'pio',
      dir: 'r',
    };
    this.tracks.push(track);
    return track;
  }

  /** Whether nothing of an access of the current instruction is missing. */
  tracksAreWhole(): boolean {
    for (let i = 0; i < this.trackCount; i++) {
      const track = this.tracks[i] as Track;
      if (track.laneEnd < track.whole) return false;
    }
    return true;
  }

  /** Adds an issued request. */
  push(a: Access, seq: number, stray: boolean): void {
    let piece = this.open[this.openCount];
    if (piece === undefined) {
      piece = { access: createAccess(), issuedSeq: 0, answeredSeq: -1, stray };
      this.open.push(piece);
    }
    copyAccess(piece.access, a);
    piece.issuedSeq = seq;
    piece.answeredSeq = -1;
    piece.stray = stray;
    this.openCount++;
    this.unanswered++;
    this.remember(a, seq);
  }

  /** Notes that `a` was issued. */
  remember(a: Access, seq: number): void {
    const at = this.#historyNext;
    const history = this.#history;
    history[at] = a.insn;
    history[at + 1] = a.rep;
    history[at + 2] = a.count;
    history[at + 3] = a.access;
    history[at + 4] = a.lane;
    history[at + 5] = a.size;
    history[at + 6] = seq;
    this.#historyNext = at + HISTORY_WIDTH === history.length ? 0 : at + HISTORY_WIDTH;
  }

  /** Index of the open request that starts where `a` starts, or -1. */
  find(a: Access): number {
    for (let i = 0; i < this.openCount; i++) {
      const b = (this.open[i] as OpenPiece).access;
      if (b.insn === a.insn && b.rep === a.rep && b.access === a.access && b.lane === a.lane) {
        return i;
      }
    }
    return -1;
  }

  /** Index of an open request sharing a repetition and a byte with `a`, or -1. */
  findOverlap(a: Access): number {
    for (let i = 0; i < this.openCount; i++) {
      const b = (this.open[i] as OpenPiece).access;
      if (
        b.insn === a.insn &&
        b.access === a.access &&
        b.rep < a.rep + a.count &&
        a.rep < b.rep + b.count &&
        b.lane < a.lane + a.size &&
        a.lane < b.lane + b.size
      ) {
        return i;
      }
    }
    return -1;
  }

  /** Takes request `index` out of the open ones. */
  remove(index: number): void {
    const { open } = this;
    const piece = open[index] as OpenPiece;
    if (piece.answeredSeq < 0) this.unanswered--;
    const last = --this.openCount;
    for (let i = index; i < last; i++) open[i] = open[i + 1] as OpenPiece;
    open[last] = piece;
  }

  /** Event that last issued something sharing a repetition and a byte with `a`, or -1 if not remembered. */
  issuedBefore(a: Access): number {
    const history = this.#history;
    let best = -1;
    for (let at = 0; at < history.length; at += HISTORY_WIDTH) {
      const rep = history[at + 1] as number;
      const lane = history[at + 4] as number;
      if (
        history[at] === a.insn &&
        history[at + 3] === a.access &&
        rep < a.rep + a.count &&
        a.rep < rep + (history[at + 2] as number) &&
        lane < a.lane + a.size &&
        a.lane < lane + (history[at + 5] as number)
      ) {
        best = Math.max(best, history[at + 6] as number);
      }
    }
    return best;
  }
}
