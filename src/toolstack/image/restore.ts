// SPDX-License-Identifier: GPL-2.0-only
// From a loaded image to a machine that goes on as if nothing had happened.

import { parseDeviceSpec } from '../../dm/registry.ts';
import { imageFault } from '../../image/fault.ts';
import { PAGE_BYTES } from '../../image/layout.ts';
import type { LoadedGuest } from '../../machine/loader.ts';
import { Machine, type MachineOptions } from '../../machine/machine.ts';
import { HvmError } from '../../util/errors.ts';
import { Snapshot } from '../snapshot.ts';
import { encodeCpu } from './cpu-record.ts';
import { devicePages } from './epoch.ts';
import type { LoadedImage } from './load.ts';
import { nativeCpu } from './native-cpu.ts';

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
  };
}

/** RAM as the image has it. */
export function ramOf(image: LoadedImage): Uint8Array {
  const ram = new Uint8Array(image.state.guest.memoryBytes);
  for (const [pfn, data] of image.pages) if (data !== null) ram.set(data, pfn * PAGE_BYTES);
  return ram;
}

/**
 * A machine in the image's state, and its snapshot, which the next capture only has to bring up to date.
 * @param options - what a machine wants besides what the image says
 * @throws HvmError HVM_IMAGE when the image's parts do not fit each other, or this build
 */
export function restoreMachine(
  image: LoadedImage,
  options: Omit<MachineOptions, 'guest' | 'devices' | 'revision'>,
): { machine: Machine; snapshot: Snapshot } {
  const { state, place } = image;
  const fail = (what: string, cause?: unknown): never => {
    throw imageFault(place, what, cause);
  };
  let machine: Machine;
  try {
    const devices = state.devices.map(parseDeviceSpec);
    const holes = devicePages(devices, state.guest.memoryBytes);
    for (const [pfn, data] of image.pages) {
      if (holes.has(pfn) === (data === null)) continue;
      fail(`page 0x${pfn.toString(16)} and the devices do not agree on whether it is memory`);
    }
    machine = new Machine({
      ...options,
      guest: guestOfImage(image),
      devices,
      revision: state.revision,
    });
  } catch (error) {
    throw error instanceof HvmError && misfit(error.code)
      ? imageFault(place, `cannot be restored: ${error.message}`, error)
      : error;
  }
  try {
    return { machine, snapshot: fill(machine, image) };
  } catch (error) {
    machine[Symbol.dispose]();
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

function fill(machine: Machine, image: LoadedImage): Snapshot {
  const { state, place } = image;
  if (state.servers.length !== machine.servers.length) {
    throw imageFault(
      place,
      `state of ${state.servers.length} ioreq servers: expected ${machine.servers.length}`,
    );
  }
  const snapshot = new Snapshot(machine);
  snapshot.ram.set(ramOf(image));
  snapshot.cpu = image.cpu;
  snapshot.charged = state.charged;
  snapshot.irq = state.irq;
  snapshot.injected = state.injected;
  snapshot.icount = state.icount;
  snapshot.interrupts = state.interrupts;
  snapshot.nextTick = state.nextTick;
  snapshot.pciCf8 = state.pciCf8;
  snapshot.pageIsRam = state.pageIsRam;
  snapshot.verdict = state.verdict;
  snapshot.unclaimed = state.unclaimed;
  state.servers.forEach(({ devices }, i) => {
    snapshot.servers[i] = { devices };
  });
  snapshot.restore(machine);
  snapshot.inStep(machine);
  machine.setWitnesses(state.witnesses);
  // The registers by name say the same as the opaque state, or one of them is not what was saved.
  if (Buffer.compare(encodeCpu(nativeCpu(machine)), image.cpuRecord) !== 0) {
    throw imageFault(place, 'the CPU record and the saved CPU are not of the same moment');
  }
  if (machine.cpu.icount + state.charged !== state.icount) {
    throw imageFault(place, 'the instruction count is not that of the saved CPU');
  }
  return snapshot;
}
