// SPDX-License-Identifier: GPL-2.0-only
// A device with its own tally of what reached it: the witness that does not depend on the ledger.
import type { Device, DeviceState, DeviceWitness, HighWord, IoSize } from '../dm/device.ts';

/** Passes everything on, and counts accesses, one per repetition and piece. */
export class CountedDevice implements Device {
  readonly name: string;
  reads = 0;
  writes = 0;
  readonly #device: Device;

  constructor(device: Device) {
    this.#device = device;
    this.name = device.name;
  }
  read(offset: number, size: IoSize, high: HighWord): number {
    this.reads++;
    return this.#device.read(offset, size, high);
  }
  write(offset: number, size: IoSize, value: number, valueHigh: number): void {
    this.writes++;
    this.#device.write(offset, size, value, valueHigh);
  }
  reset(): void {
    this.#device.reset();
  }
  sleep(): void {
    this.#device.sleep();
  }
  wake(): void {
    this.#device.wake();
  }
  save(): DeviceState {
    return this.#device.save();
  }
  restore(state: DeviceState): void {
    this.#device.restore(state);
  }
  witness(): DeviceWitness {
    return this.#device.witness();
  }
  inputArrived(): void {
    this.#device.inputArrived?.();
  }
}
