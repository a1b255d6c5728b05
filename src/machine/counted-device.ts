// SPDX-License-Identifier: GPL-2.0-only
// A device with its own tally of what reached it: the witness that does not depend on the ledger.

import type { Device, DeviceState, DeviceWitness, HighWord, IoSize } from '../dm/device.ts';
import { readElements, writeElements } from '../dm/elements.ts';
import type { OffsetRange, PublishedRegister } from '../dm/published.ts';
import type { Witness } from '../ledger/events.ts';

/** Passes everything on, and counts accesses, one per repetition and piece. */
export class CountedDevice implements Device {
  readonly name: string;
  /** By vCPU. */
  readonly counts: Witness[];
  readonly #device: Device;
  readonly #first: Witness = { reads: 0, writes: 0 };

  constructor(device: Device) {
    this.counts = [this.#first];
    this.#device = device;
    this.name = device.name;
  }
  /** Of the vCPU whose access is being served. */
  protected tally(): Witness {
    return this.#first;
  }
  read(offset: number, size: IoSize, high: HighWord): number {
    this.tally().reads++;
    return this.#device.read(offset, size, high);
  }
  write(offset: number, size: IoSize, value: number, valueHigh: number): void {
    this.tally().writes++;
    this.#device.write(offset, size, value, valueHigh);
  }
  readMany(offset: number, size: IoSize, into: Uint8Array): void {
    this.tally().reads += into.length / size;
    readElements(this.#device, offset, size, into);
  }
  writeMany(offset: number, size: IoSize, from: Uint8Array): void {
    this.tally().writes += from.length / size;
    writeElements(this.#device, offset, size, from);
  }
  get posted(): readonly OffsetRange[] {
    return this.#device.posted ?? [];
  }
  get published(): readonly PublishedRegister[] {
    return this.#device.published ?? [];
  }
  /** Whether it takes many writes at once by itself. */
  get takesMany(): boolean {
    return this.#device.writeMany !== undefined;
  }
  /** Counts reads of published registers, for which nobody asked the device. */
  readElsewhere(times: number): void {
    this.tally().reads += times;
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

/** The same for several vCPUs. */
export class CountedByVcpu extends CountedDevice {
  readonly #vcpu: () => number;

  /** @param vcpu - whose access is being served, 0 to `vcpus` - 1 */
  constructor(device: Device, vcpus: number, vcpu: () => number) {
    super(device);
    while (this.counts.length < vcpus) this.counts.push({ reads: 0, writes: 0 });
    this.#vcpu = vcpu;
  }
  protected override tally(): Witness {
    return this.counts[this.#vcpu()] as Witness;
  }
}
