// SPDX-License-Identifier: GPL-2.0-only
// i8237: the pair of DMA controllers and their page registers: ports 00-0F, C0-DF, 81-8F.
//
// Data sheet: Intel 8237A, order number 231466-005; page registers after IBM PC/AT Technical Reference, March 1986.
// A device moves a whole block at once. Memory to memory, and command register bits, are kept and have no effect.
import type { IoSize } from '../device.ts';
import { RegisterDevice } from '../device.ts';
import { type PortDevice, readBytes, writeBytes } from './board.ts';

/** Guest-physical memory as a bus master sees it: what is not there reads as FF, and swallows writes. */
export interface BusMemory {
  read(gpa: number, into: Uint8Array): void;
  write(gpa: number, from: Uint8Array): void;
}

/** What a device on a channel sees of the controller. */
export interface DmaChannel {
  /** Device to memory, until the bytes or the count end. @returns bytes moved, and whether the count has ended */
  toMemory(from: Uint8Array): { moved: number; terminal: boolean };
  /** Memory to device. */
  fromMemory(into: Uint8Array): { moved: number; terminal: boolean };
}

const CHANNELS = 8;
/** Channel by low digit of the page register's port; -1: plain storage. */
const PAGE_OF = [-1, 2, 3, 1, -1, -1, -1, 0, -1, 6, 7, 5, -1, -1, -1, 4] as const;
const MODE_DIRECTION = 0x0c;
const MODE_TO_MEMORY = 0x04;
const MODE_FROM_MEMORY = 0x08;
const MODE_AUTO = 0x10;
const MODE_DOWN = 0x20;

interface State {
  /** By channel. */
  base: number[];
  baseCount: number[];
  address: number[];
  count: number[];
  mode: number[];
  pages: number[];
  /** By controller. */
  mask: number[];
  status: number[];
  command: number[];
  /** Next access to an address or count is to its high byte. */
  high: number[];
}

const zeros = (n: number): number[] => new Array<number>(n).fill(0);

export class I8237 extends RegisterDevice<State> implements PortDevice {
  readonly #memory: BusMemory;

  constructor(memory: BusMemory) {
    super('i8237', {
      base: zeros(CHANNELS),
      baseCount: zeros(CHANNELS),
      address: zeros(CHANNELS),
      count: zeros(CHANNELS),
      mode: zeros(CHANNELS),
      pages: zeros(16),
      mask: [15, 15],
      status: [0, 0],
      command: [0, 0],
      high: [0, 0],
    });
    this.#memory = memory;
  }

  read(port: number, size: IoSize): number {
    return readBytes(size, (i) => this.#readByte(port + i));
  }

  write(port: number, size: IoSize, value: number): void {
    writeBytes(size, value, (i, byte) => this.#writeByte(port + i, byte));
  }

  /** What the device on channel 0 to 3 is wired to. */
  channel(number: number): DmaChannel {
    return {
      toMemory: (from) => this.#move(number, MODE_TO_MEMORY, from),
      fromMemory: (into) => this.#move(number, MODE_FROM_MEMORY, into),
    };
  }

  #readByte(port: number): number {
    const { state } = this;
    if (port >= 0x80 && port < 0x90) return state.pages[port & 15] ?? 0xff;
    const controller = port < 0x10 ? 0 : 1;
    const register = controller === 0 ? port & 15 : ((port - 0xc0) >>> 1) & 15;
    if (register < 8) {
      const channel = controller * 4 + (register >>> 1);
      const list = (register & 1) === 0 ? state.address : state.count;
      return this.#half(controller) === 0
        ? (list[channel] ?? 0) & 0xff
        : (list[channel] ?? 0) >>> 8;
    }
    if (register === 8) {
      const status = state.status[controller] ?? 0;
      state.status[controller] = status & 0xf0;
      return status;
    }
    return register === 15 ? (state.mask[controller] ?? 0) | 0xf0 : 0;
  }

  #writeByte(port: number, value: number): void {
    const { state } = this;
    if (port >= 0x80 && port < 0x90) {
      state.pages[port & 15] = value;
      return;
    }
    const controller = port < 0x10 ? 0 : 1;
    const register = controller === 0 ? port & 15 : ((port - 0xc0) >>> 1) & 15;
    const bit = 1 << (value & 3);
    const mask = state.mask[controller] ?? 0;
    switch (register) {
      case 8:
        state.command[controller] = value;
        break;
      case 9: // requests by software: nobody answers them here
        break;
      case 10:
        state.mask[controller] = (value & 4) !== 0 ? mask | bit : mask & ~bit;
        break;
      case 11:
        state.mode[controller * 4 + (value & 3)] = value;
        break;
      case 12:
        state.high[controller] = 0;
        break;
      case 13:
        state.high[controller] = 0;
        state.command[controller] = 0;
        state.status[controller] = 0;
        state.mask[controller] = 15;
        break;
      case 14:
        state.mask[controller] = 0;
        break;
      case 15:
        state.mask[controller] = value & 15;
        break;
      default:
        this.#writeHalf(controller, register, value);
    }
  }

  /** Address and count are set byte by byte, with what they begin with. */
  #writeHalf(controller: number, register: number, value: number): void {
    const { state } = this;
    const channel = controller * 4 + (register >>> 1);
    const [base, current] =
      (register & 1) === 0 ? [state.base, state.address] : [state.baseCount, state.count];
    const high = this.#half(controller) === 1;
    const old = base[channel] ?? 0;
    const next = high ? (old & 0xff) | (value << 8) : (old & 0xff00) | value;
    base[channel] = next;
    current[channel] = next;
  }

  #half(controller: number): number {
    const half = this.state.high[controller] ?? 0;
    this.state.high[controller] = half ^ 1;
    return half;
  }

  #move(
    channel: number,
    direction: number,
    bytes: Uint8Array,
  ): { moved: number; terminal: boolean } {
    const { state } = this;
    const bit = 1 << channel;
    const mode = state.mode[channel] ?? 0;
    const kind = mode & MODE_DIRECTION;
    // A verify counts and moves nothing.
    if (((state.mask[0] ?? 0) & bit) !== 0 || (kind !== direction && kind !== 0)) {
      return { moved: 0, terminal: false };
    }
    const left = (state.count[channel] ?? 0) + 1;
    const moved = Math.min(left, bytes.length);
    if (kind !== 0) this.#copy(channel, direction, bytes, moved, (mode & MODE_DOWN) !== 0);
    const terminal = moved === left;
    const step = (mode & MODE_DOWN) !== 0 ? -moved : moved;
    state.address[channel] = ((state.address[channel] ?? 0) + step) & 0xffff;
    state.count[channel] = (left - 1 - moved) & 0xffff;
    if (terminal) {
      state.status[0] = (state.status[0] ?? 0) | bit;
      if ((mode & MODE_AUTO) === 0) state.mask[0] = (state.mask[0] ?? 0) | bit;
      else {
        state.address[channel] = state.base[channel] ?? 0;
        state.count[channel] = state.baseCount[channel] ?? 0;
      }
    }
    return { moved, terminal };
  }

  // The address counter has 16 bits: a block wraps inside its 64 KiB.
  #copy(
    channel: number,
    direction: number,
    bytes: Uint8Array,
    length: number,
    down: boolean,
  ): void {
    const { state } = this;
    const page = PAGE_OF.indexOf(channel as 0);
    const base = (state.pages[page] ?? 0) << 16;
    const start = state.address[channel] ?? 0;
    const part = (at: number, from: number, n: number): void => {
      const piece = bytes.subarray(from, from + n);
      if (direction === MODE_TO_MEMORY) this.#memory.write(base + at, piece);
      else this.#memory.read(base + at, piece);
    };
    if (down) {
      for (let i = 0; i < length; i++) part((start - i) & 0xffff, i, 1);
      return;
    }
    const first = Math.min(length, 0x10000 - start);
    part(start, 0, first);
    if (first < length) part(0, first, length - first);
  }
}
