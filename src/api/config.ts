// SPDX-License-Identifier: GPL-2.0-only
// What an embedder says about a machine, and how it becomes what the layers below take.
import type { InputSource } from '../dm/device.ts';
import type { DeviceFactory } from '../dm/factory.ts';
import { parseIoRange, rangeLength } from '../dm/range.ts';
import { type DeviceSpec, parseDeviceSpec } from '../dm/registry.ts';
import type { LoadOptions } from '../machine/loader.ts';
import type { RevisionName } from '../xen/hvm/revision.ts';

/**
 * A device and where it sits: text as on the command line (`serial`, `counter@0x200-0x207`, `counter@mmio`), a device
 * of your own at its default range, or one at `at`.
 */
export type DevicePlacement =
  | string
  | DeviceFactory
  | { readonly device: DeviceFactory; readonly at: string };

/** What every machine is made of. */
export interface GuestConfig extends LoadOptions {
  /** The name of a guest of the package, a folder with a guest.json, or any file. */
  readonly guest: string;
  /** In place of the guest's own devices of the same name, or besides. Default: none. */
  readonly devices?: readonly DevicePlacement[];
  /** Which Xen the I/O path is. Default: `'exact'`. */
  readonly revision?: RevisionName;
}

/** What `createMachine()` takes. */
export interface MachineConfig extends GuestConfig {
  /** Called with each byte, 0 to 255, that the guest writes to a console. Default: dropped. */
  readonly output?: (byte: number) => void;
  /** Where the guest's input comes from. Default: nothing ever arrives. */
  readonly input?: InputSource;
  /** Keeps the books of every access, for `VirtualMachine.finish()`; text: the file they are written to. Default: false. */
  readonly ledger?: boolean | string;
}

/** @throws HvmError HVM_DEVICE_UNKNOWN, HVM_RANGE */
export function deviceSpecs(placements: readonly DevicePlacement[] = []): DeviceSpec[] {
  return placements.map((placement) => {
    if (typeof placement === 'string') return parseDeviceSpec(placement);
    const { device, at } =
      'create' in placement ? { device: placement, at: placement.defaultRange } : placement;
    const usual = rangeLength(parseIoRange(device.defaultRange, () => 1));
    return { factory: device, range: parseIoRange(at, () => usual) };
  });
}

/** The part of a configuration that the loader takes. */
export function loadOptions(config: GuestConfig): LoadOptions {
  const { guest: _guest, devices: _devices, revision: _revision, ...load } = config;
  return load;
}
