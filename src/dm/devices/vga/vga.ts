// SPDX-License-Identifier: GPL-2.0-only
// vga: an IBM VGA, ports 3B0-3DF, and its 256 KiB of memory behind A0000-BFFFF.
//
// Data sheet: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem, 1992. Memory is plain guest RAM where
// the registers make it equivalent to that (text, mode 13h), so that it costs nothing; everywhere else each access
// comes here. Retrace bits follow from the machine's time. Not there: pel panning, vertical interrupt, a second font.
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { HvmError } from '../../../util/errors.ts';
import {
  type DeviceContext,
  type DeviceState,
  type HighWord,
  type IoSize,
  RegisterDevice,
} from '../../device.ts';
import type { PortDevice } from '../board.ts';
import type { Frame } from './frame.ts';
import {
  APERTURE,
  APERTURE_BYTES,
  MEMORY_BYTES,
  type PlainPart,
  plainPart,
  pull,
  push,
  readByte,
  writeByte,
} from './memory.ts';
import { frameOf } from './picture.ts';
import * as R from './registers.ts';
import { retrace } from './retrace.ts';

/** The aperture as the machine offers it. */
export interface VideoWindow {
  /** Guest RAM from 0xA0000 to 0xBFFFF. */
  readonly ram: Uint8Array;
  /** From the next instruction on these bytes of the aperture are RAM, and nothing else of it. Offsets from 0xA0000. */
  map(base: number, bytes: number): void;
  /** The device has written there itself. */
  wrote(base: number, bytes: number): void;
}

/** A window that no guest looks through. */
export function blindWindow(): VideoWindow {
  return { ram: new Uint8Array(APERTURE_BYTES), map: () => {}, wrote: () => {} };
}

const FLOATING = 0xff;
const DAC_BITS = 0x3f;

export class Vga extends RegisterDevice<R.VgaState> implements PortDevice {
  readonly #context: DeviceContext;
  readonly #window: VideoWindow;
  readonly #planes = new Uint8Array(MEMORY_BYTES);
  /** What is RAM at the moment: that part of `#planes` is out of date. */
  #plain: PlainPart | null = null;
  /** `#planes` as saved last; null: changed since. */
  #packed: string | null = '';

  constructor(context: DeviceContext, window: VideoWindow = blindWindow()) {
    super('vga', R.powerOn());
    this.#context = context;
    this.#window = window;
    this.#remap();
  }

  /** What is on screen. */
  frame(): Frame {
    // A copy, so that looking changes nothing.
    const planes = this.#planes.slice();
    if (this.#plain !== null) pull(planes, this.#window.ram, this.#plain);
    return frameOf(this.state, planes);
  }

  /** The 64000 bytes at A0000 as the CPU reads them. */
  a0000(): Uint8Array {
    const { state } = this;
    const latch = [...state.latch];
    const bytes = Uint8Array.from({ length: 64000 }, (_, at) =>
      this.#isPlain(at) ? (this.#window.ram[at] ?? 0) : readByte(state, this.#planes, at),
    );
    state.latch = latch;
    return bytes;
  }

  /** @param address - a port, or guest-physical from 0xA0000 */
  read(address: number, size: IoSize, high: HighWord): number {
    let low = 0;
    for (let i = 0; i < size; i++) {
      const byte = this.#readByte(address + i) << (8 * (i & 3));
      if (i < 4) low |= byte;
      else high.hi = (high.hi | byte) >>> 0;
    }
    return low >>> 0;
  }

  write(address: number, size: IoSize, value: number, valueHigh: number): void {
    for (let i = 0; i < size; i++) {
      this.#writeByte(address + i, ((i < 4 ? value : valueHigh) >>> (8 * (i & 3))) & 0xff);
    }
  }

  #readByte(address: number): number {
    return address < APERTURE ? this.#readPort(address) : this.#readMemory(address - APERTURE);
  }

  #writeByte(address: number, value: number): void {
    if (address < APERTURE) this.#writePort(address, value);
    else this.#writeMemory(address - APERTURE, value);
  }

  #readMemory(offset: number): number {
    // The rest of a wide access may lie in RAM.
    if (this.#isPlain(offset)) return this.#window.ram[offset] ?? 0;
    return readByte(this.state, this.#planes, offset);
  }

  #writeMemory(offset: number, value: number): void {
    if (this.#isPlain(offset)) {
      this.#window.ram[offset] = value;
      this.#window.wrote(offset, 1);
      return;
    }
    this.#packed = null;
    writeByte(this.state, this.#planes, offset, value);
  }

  #isPlain(offset: number): boolean {
    const plain = this.#plain;
    return plain !== null && offset >= plain.base && offset < plain.base + plain.bytes;
  }

  override reset(): void {
    super.reset();
    this.#planes.fill(0);
    this.#packed = '';
    this.#plain = null;
    this.#remap();
  }

  override save(): DeviceState {
    this.#packed ??= this.#planes.some((byte) => byte !== 0)
      ? deflateRawSync(this.#planes, { level: 1 }).toString('base64')
      : '';
    this.state.memory = this.#packed;
    return super.save();
  }

  override restore(saved: DeviceState): void {
    const before = this.state;
    super.restore(saved);
    const planes = unpack(this.state.memory);
    const whole = planes !== null && sameShape(this.state, before);
    if (!whole) {
      this.state = before;
      throw new HvmError(
        'HVM_DEVICE_STATE',
        "state for device 'vga': not a VGA's registers and memory",
      );
    }
    this.#planes.set(planes);
    this.#packed = this.state.memory;
    // RAM is restored by its owner: nothing is copied.
    this.#plain = plainPart(this.state);
    this.#window.map(this.#plain?.base ?? 0, this.#plain?.bytes ?? 0);
  }

  /** After a register that decides about the way to memory was written. */
  #remap(): void {
    const next = plainPart(this.state);
    const last = this.#plain;
    const same =
      next?.base === last?.base && next?.bytes === last?.bytes && next?.chained === last?.chained;
    if (same && next !== null) return;
    if (last !== null) {
      pull(this.#planes, this.#window.ram, last);
      this.#packed = null;
    }
    this.#plain = next;
    if (next !== null) {
      push(this.#planes, this.#window.ram, next);
      this.#window.wrote(next.base, next.bytes);
    }
    if (!same || last === null) this.#window.map(next?.base ?? 0, next?.bytes ?? 0);
  }

  /** Whether a CRTC port is decoded: monochrome at 3Bx, colour at 3Dx. */
  #decoded(port: number): boolean {
    const colour = (this.state.misc & R.MISC_COLOUR) !== 0;
    return port < 0x3c0 ? !colour : port < 0x3d0 || colour;
  }

  #readPort(port: number): number {
    const { state } = this;
    if (!this.#decoded(port)) return FLOATING;
    switch (port) {
      case 0x3c0:
        return state.attrIndex;
      case 0x3c1:
        return state.attr[state.attrIndex & 0x1f] ?? 0;
      case 0x3c2:
        return 0x10;
      case 0x3c4:
        return state.seqIndex;
      case 0x3c5:
        return state.seq[state.seqIndex] ?? 0;
      case 0x3c6:
        return state.dacMask;
      case 0x3c7:
        return state.dacDirection;
      case 0x3c8:
        return state.dacWrite;
      case 0x3c9:
        return this.#readDac();
      case 0x3ca:
        return state.feature;
      case 0x3cc:
        return state.misc;
      case 0x3ce:
        return state.gcIndex;
      case 0x3cf:
        return state.gc[state.gcIndex] ?? 0;
      case 0x3b4:
      case 0x3d4:
        return state.crtcIndex;
      case 0x3b5:
      case 0x3d5:
        return state.crtc[state.crtcIndex] ?? 0;
      case 0x3ba:
      case 0x3da:
        state.attrData = false;
        return retrace(state.crtc, this.#context.nowNs());
      default:
        return FLOATING;
    }
  }

  #writePort(port: number, value: number): void {
    const { state } = this;
    if (!this.#decoded(port)) return;
    switch (port) {
      case 0x3c0:
        this.#writeAttribute(value);
        break;
      case 0x3c2:
        state.misc = value;
        this.#remap();
        break;
      case 0x3c4:
        state.seqIndex = value & 0x07;
        break;
      case 0x3c5:
        if (state.seqIndex >= R.SEQ_COUNT) break;
        state.seq[state.seqIndex] = value & (R.SEQ_BITS[state.seqIndex] ?? 0);
        this.#remap();
        break;
      case 0x3c6:
        state.dacMask = value;
        break;
      case 0x3c7:
        Object.assign(state, { dacRead: value, dacStep: 0, dacDirection: 3 });
        break;
      case 0x3c8:
        Object.assign(state, { dacWrite: value, dacStep: 0, dacDirection: 0 });
        break;
      case 0x3c9:
        this.#writeDac(value & DAC_BITS);
        break;
      case 0x3ce:
        state.gcIndex = value & 0x0f;
        break;
      case 0x3cf:
        if (state.gcIndex >= R.GC_COUNT) break;
        state.gc[state.gcIndex] = value & (R.GC_BITS[state.gcIndex] ?? 0);
        this.#remap();
        break;
      case 0x3b4:
      case 0x3d4:
        state.crtcIndex = value & 0x3f;
        break;
      case 0x3b5:
      case 0x3d5:
        this.#writeCrtc(state.crtcIndex, value);
        break;
      case 0x3ba:
      case 0x3da:
        state.feature = value & 3;
        break;
      default:
    }
  }

  #writeAttribute(value: number): void {
    const { state } = this;
    const index = state.attrIndex & 0x1f;
    if (!state.attrData) state.attrIndex = value & 0x3f;
    else if (index < R.ATTR_COUNT) {
      state.attr[index] = value & (R.ATTR_BITS[index - R.ATTR_MODE] ?? R.ATTR_PALETTE_BITS);
    }
    state.attrData = !state.attrData;
  }

  #writeCrtc(index: number, value: number): void {
    const { crtc } = this.state;
    if (index >= R.CRTC_COUNT) return;
    const locked =
      index <= R.CRTC_OVERFLOW && ((crtc[R.CRTC_RETRACE_END] ?? 0) & R.CRTC_LOCK) !== 0;
    if (!locked) crtc[index] = value;
    // Locked, only the line compare's bit can be changed.
    else if (index === R.CRTC_OVERFLOW) crtc[index] = ((crtc[index] ?? 0) & ~0x10) | (value & 0x10);
  }

  #readDac(): number {
    const { state } = this;
    const value = state.dac[3 * state.dacRead + state.dacStep] ?? 0;
    state.dacStep = (state.dacStep + 1) % 3;
    if (state.dacStep === 0) state.dacRead = (state.dacRead + 1) & 0xff;
    return value;
  }

  #writeDac(value: number): void {
    const { state } = this;
    state.dacLatch[state.dacStep] = value;
    state.dacStep = (state.dacStep + 1) % 3;
    if (state.dacStep !== 0) return;
    for (let i = 0; i < 3; i++) state.dac[3 * state.dacWrite + i] = state.dacLatch[i] ?? 0;
    state.dacWrite = (state.dacWrite + 1) & 0xff;
  }
}

/** 256 KiB, or null when `text` is not what `save()` makes. */
function unpack(text: string): Uint8Array | null {
  if (text === '') return new Uint8Array(MEMORY_BYTES);
  try {
    const bytes = inflateRawSync(Buffer.from(text, 'base64'), { maxOutputLength: MEMORY_BYTES });
    return bytes.length === MEMORY_BYTES ? bytes : null;
  } catch {
    return null;
  }
}

/** Whether every list is as long as it must be and every number fits a byte. */
function sameShape(state: R.VgaState, like: R.VgaState): boolean {
  return Object.entries(state).every(([field, value]) => {
    const model: unknown = like[field as keyof R.VgaState];
    const fits = (n: unknown): boolean => typeof n === 'number' && n >= 0 && n <= 0xff;
    if (Array.isArray(value)) {
      return Array.isArray(model) && model.length === value.length && value.every(fits);
    }
    return typeof value !== 'number' || fits(value);
  });
}
