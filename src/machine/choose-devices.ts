// SPDX-License-Identifier: GPL-2.0-only
// Which devices a guest gets: its manifest's, and those asked for in their place or besides.
import type { DeviceSpec } from '../dm/registry.ts';
import { parseDeviceSpec } from '../dm/registry.ts';
import type { LoadedGuest } from './loader.ts';

/**
 * The guest's own devices; one that is asked for by name replaces the guest's own of that name, or comes besides.
 * @throws HvmError HVM_DEVICE_UNKNOWN, HVM_RANGE for a manifest that names what cannot be
 */
export function chooseDevices(guest: LoadedGuest, asked: readonly DeviceSpec[]): DeviceSpec[] {
  const names = new Set(asked.map(({ factory }) => factory.name));
  const own = guest.manifest.devices.map(parseDeviceSpec);
  return [...own.filter(({ factory }) => !names.has(factory.name)), ...asked];
}
