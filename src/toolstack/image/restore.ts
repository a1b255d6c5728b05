// SPDX-License-Identifier: GPL-2.0-only
// From a loaded image to a machine that goes on as if nothing had happened.

import { type DeviceSpec, parseDeviceSpec } from '../../dm/registry.ts';
import { imageFault, type Place } from '../../image/fault.ts';
import { PAGE_BYTES } from '../../image/layout.ts';
import { guestForVcpu, type LoadedGuest } from '../../machine/loaded-guest.ts';
import { Machine } from '../../machine/machine.ts';
import type { MachineOptions } from '../../machine/machine-options.ts';
import { checkMedium } from '../../machine/pc/media.ts';
import { HvmError } from '../../util/errors.ts';
import { Snapshot } from '../snapshot.ts';
import { devicePages } from './epoch.ts';
import { restoreRecords } from './hvm-records.ts';
import { cpuOf, type LoadedImage } from './load.ts';

/** The guest of an image: everything of it but what lies in memory. */
export function guestOfImage({ state }: LoadedImage): LoadedGuest {
  const { guest } = state;
  return {
    name: guest.name,
    path: '',
    format: guest.format,
    manifest: guest.manifest,
    hasManifest: guest.hasManifest,
    memoryBytes: guest.memoryBytes,
    pieces: [],
    entry: { cs: 0, ip: 0, ds: 0, es: 0, ss: 0, sp: 0, ax: 0, dx: 0, flags: 2 },
    blockBase: guest.blockBase,
    pc: state.pc?.config ?? null,
  };
}

/** RAM as the image has it. */
export function ramOf(image: LoadedImage): Uint8Array {
  const ram = new Uint8Array(image.state.guest.memoryBytes);
  for (const [pfn, data] of image.pages) if (data !== null) ram.set(data, pfn * PAGE_BYTES);
  return ram;
}

/** Pages and devices must agree on where memory is. @throws HvmError HVM_IMAGE */
export function checkHoles(image: LoadedImage, devices: readonly DeviceSpec[]): void {
  const { guest, pageIsRam } = image.state;
  const holes = devicePages({ devices, pageIsRam, guest }, guest.memoryBytes);
  for (const [pfn, data] of image.pages) {
    if (holes.has(pfn) === (data === null)) continue;
    throw imageFault(
      image.place,
      `page 0x${pfn.toString(16)} and the devices do not agree on whether it is memory`,
    );
  }
}

/** What a machine wants besides what the image says. */
type MoreOptions = Omit<MachineOptions, 'guest' | 'devices' | 'revision'>;

/**
 * A machine in the image's state, and its snapshot, which the next capture only has to bring up to date.
 * @throws HvmError HVM_IMAGE when the image's parts do not fit each other, or this build
 */
export function restoreMachine(
  image: LoadedImage,
  options: MoreOptions,
): { machine: Machine; snapshot: Snapshot } {
  const { state, place } = image;
  return orMisfit(place, () => {
    const devices = state.devices.map(parseDeviceSpec);
    if (state.vcpus.length > 1) {
      throw imageFault(place, `${state.vcpus.length} vCPUs: one thread runs one, see --threads`);
    }
    checkHoles(image, devices);
    for (const medium of [
      ...(state.pc?.config.floppies ?? []),
      ...(state.pc?.config.disks ?? []),
    ]) {
      if (medium !== null) checkMedium(medium);
    }
    return build(image, 0, devices, options, () => ramOf(image));
  });
}

/**
 * The same of one vCPU of a domain in threads, whose shared memory is already as the image has it.
 * @param options - with the domain's `remote`
 * @throws HvmError HVM_IMAGE
 */
export function restoreVcpu(
  image: LoadedImage,
  vcpu: number,
  devices: readonly DeviceSpec[],
  options: MoreOptions,
): { machine: Machine; snapshot: Snapshot } {
  return orMisfit(image.place, () =>
    build(image, vcpu, devices, options, (machine) => machine.ram.bytes),
  );
}

function build(
  image: LoadedImage,
  vcpu: number,
  devices: readonly DeviceSpec[],
  options: MoreOptions,
  ram: (machine: Machine) => Uint8Array,
): { machine: Machine; snapshot: Snapshot } {
  const guest = guestForVcpu(guestOfImage(image), vcpu);
  const machine = new Machine({ ...options, guest, devices, revision: image.state.revision });
  try {
    return { machine, snapshot: fill(machine, image, vcpu, ram(machine)) };
  } catch (error) {
    machine[Symbol.dispose]();
    throw error;
  }
}

/** @throws what `make` throws; what the image's own content brings about as a refusal of the image */
export function orMisfit<T>(place: Place, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof HvmError && misfit(error.code)
      ? imageFault(place, `cannot be restored: ${error.message}`, error)
      : error;
  }
}

/** What the image's own content can bring about; everything else is the host's. */
function misfit(code: string): boolean {
  return (
    code.startsWith('HVM_DEVICE_') ||
    code.startsWith('HVM_RANGE') ||
    code === 'HVM_MEMORY' ||
    code === 'HVM_CPU'
  );
}

function fill(machine: Machine, image: LoadedImage, id: number, ram: Uint8Array): Snapshot {
  const { state, place } = image;
  const vcpu = state.vcpus[id];
  if (vcpu === undefined) throw imageFault(place, `no vCPU ${id}`);
  if (machine.remote === null && state.servers.length !== machine.servers.length) {
    throw imageFault(
      place,
      `state of ${state.servers.length} ioreq servers: expected ${machine.servers.length}`,
    );
  }
  const snapshot = new Snapshot(machine);
  snapshot.ram.set(ram);
  snapshot.cpu = cpuOf(image, id);
  snapshot.charged = vcpu.charged;
  snapshot.irq = vcpu.irq;
  snapshot.injected = vcpu.injected;
  snapshot.icount = vcpu.icount;
  snapshot.interrupts = state.interrupts;
  snapshot.nextTick = vcpu.nextTick;
  snapshot.pciCf8 = vcpu.pciCf8;
  snapshot.pageIsRam = state.pageIsRam;
  snapshot.verdict = state.verdict;
  snapshot.unclaimed = vcpu.unclaimed;
  snapshot.pc = state.pc?.platform ?? null;
  state.servers.forEach(({ devices }, i) => {
    snapshot.servers[i] = { devices };
  });
  snapshot.restore(machine);
  snapshot.inStep(machine);
  machine.setWitnesses(vcpu.witnesses);
  const problem = restoreRecords(machine, image.records);
  if (problem !== null) throw imageFault(place, problem);
  if (machine.cpu.icount + vcpu.charged !== vcpu.icount) {
    throw imageFault(place, 'the instruction count is not that of the saved CPU');
  }
  return snapshot;
}
