// SPDX-License-Identifier: GPL-2.0-only
// Small registers of the board: port 80h (progress of the self-test), port 92h (address line 20, fast reset), port 402h,
// and port 568h, at which the built-in BIOS tells what it was asked for and does not serve.
//
// Port 80h: IBM PC/AT Technical Reference, March 1986. Port 92h: IBM PS/2 Hardware Interface Technical Reference, System
// Control Port A. Port 402h: debug console of QEMU and SeaBIOS, which answers E9h.
import type { DeviceContext, DeviceWitness, IoSize } from '../device.ts';
import { RegisterDevice } from '../device.ts';
import type { Board } from './board.ts';

/** Keeps the last byte; some BIOS tell by it how far they have come. */
export class PostPort extends RegisterDevice<{ last: number; writes: number }> {
  readonly #progress: (code: number) => void;

  /** @param progress - told of each code */
  constructor(progress: (code: number) => void = () => {}) {
    super('post', { last: 0, writes: 0 });
    this.#progress = progress;
  }
  read(): number {
    return this.state.last;
  }
  write(_offset: number, _size: IoSize, value: number): void {
    this.state.last = value & 0xff;
    this.state.writes++;
    this.#progress(this.state.last);
  }
  override witness(): DeviceWitness {
    return { last: this.state.last, writes: this.state.writes };
  }
}

const RESET = 0x01;
const A20 = 0x02;

/** Address line 20 itself is the board's; the other bits are kept. */
export class Port92 extends RegisterDevice<{ other: number }> {
  readonly #board: Board;

  constructor(board: Board) {
    super('port92', { other: 0 });
    this.#board = board;
  }
  read(): number {
    return this.state.other | (this.#board.a20 ? A20 : 0);
  }
  write(_offset: number, _size: IoSize, value: number): void {
    const reset = (value & ~this.state.other & RESET) !== 0;
    this.state.other = value & 0xff & ~A20;
    this.#board.setA20((value & A20) !== 0);
    if (reset) this.#board.resetCpu();
  }
}

const FNV_START = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Lines of a BIOS's own log; the state has a digest of them, so that two runs can be compared. */
export class BiosLog extends RegisterDevice<{ bytes: number; digest: number }> {
  readonly #byte: (byte: number) => void;

  constructor(byte: DeviceContext['output']) {
    super('bios-log', { bytes: 0, digest: FNV_START });
    this.#byte = byte;
  }
  read(): number {
    return 0xe9;
  }
  write(_offset: number, _size: IoSize, value: number): void {
    this.#byte(value & 0xff);
    this.state.bytes++;
    this.state.digest = Math.imul(this.state.digest ^ (value & 0xff), FNV_PRIME) >>> 0;
  }
  override witness(): DeviceWitness {
    return { bytes: this.state.bytes };
  }
}
