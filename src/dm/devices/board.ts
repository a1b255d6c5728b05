// SPDX-License-Identifier: GPL-2.0-only
// What devices of a PC reach besides their own ports: wires of the board. And one device seen at several ranges.
import type { Device, DeviceState, DeviceWitness, HighWord, IoSize } from '../device.ts';

/** Wires from devices to the CPU. What is asked for happens at the next instruction boundary. */
export interface Board {
  /** Address line 20 passes, or is held low. */
  setA20(on: boolean): void;
  readonly a20: boolean;
  /** The CPU starts at its reset vector. Devices and memory stay as they are. */
  resetCpu(): void;
}

/** Something that happens by itself: no callbacks, so that saving and restoring need nothing special. */
export interface Timed {
  /** Guest time in ns at which it next has to act; Infinity: never. */
  nextEventNs(): number;
  /** Time has come to `nowNs`. */
  advance(nowNs: number): void;
}

/** A device whose offsets are port numbers: `PortView` puts it behind ranges. */
export interface PortDevice extends Device {
  read(port: number, size: IoSize, high: HighWord): number;
  write(port: number, size: IoSize, value: number, valueHigh: number): void;
}

/** One range of a device that has several. The first one stands for the device; the others have no state. */
export class PortView implements Device {
  readonly name: string;
  readonly #device: PortDevice;
  readonly #base: number;
  readonly #first: boolean;

  /** @param base - the first port of the range */
  constructor(device: PortDevice, base: number, first: boolean) {
    this.name = device.name;
    this.#device = device;
    this.#base = base;
    this.#first = first;
  }
  read(offset: number, size: IoSize, high: HighWord): number {
    return this.#device.read(this.#base + offset, size, high);
  }
  write(offset: number, size: IoSize, value: number, valueHigh: number): void {
    this.#device.write(this.#base + offset, size, value, valueHigh);
  }
  reset(): void {
    if (this.#first) this.#device.reset();
  }
  sleep(): void {
    if (this.#first) this.#device.sleep();
  }
  wake(): void {
    if (this.#first) this.#device.wake();
  }
  save(): DeviceState {
    return this.#first ? this.#device.save() : {};
  }
  restore(state: DeviceState): void {
    if (this.#first) this.#device.restore(state);
  }
  witness(): DeviceWitness {
    return this.#first ? this.#device.witness() : {};
  }
  inputArrived(): void {
    if (this.#first) this.#device.inputArrived?.();
  }
}

/** A wide access to 8-bit registers: bytes at neighbouring ports, lowest first, as on the ISA bus. */
export function readBytes(size: number, byte: (index: number) => number): number {
  let value = 0;
  for (let i = 0; i < size && i < 4; i++) value |= (byte(i) & 0xff) << (8 * i);
  return value >>> 0;
}

/** The same for a write. */
export function writeBytes(
  size: number,
  value: number,
  byte: (index: number, value: number) => void,
): void {
  for (let i = 0; i < size && i < 4; i++) byte(i, (value >>> (8 * i)) & 0xff);
}
