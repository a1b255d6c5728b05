// SPDX-License-Identifier: GPL-2.0-only
// Which devices a guest gets: its manifest's, and those asked for in their place or besides.
import type { DeviceSpec } from '../dm/registry.ts';
import { parseDeviceSpec } from '../dm/registry.ts';
import type { LoadedGuest } from './loaded-guest.ts';
import { deviceLabel } from './servers.ts';

/**
 * The guest's own devices, and those asked for. One in the same place as the guest's own of that name replaces that
 * one; any other replaces all of its name, or comes besides.
 * @throws HvmError HVM_DEVICE_UNKNOWN, HVM_RANGE for a manifest that names what cannot be
 */
export function chooseDevices(guest: LoadedGuest, asked: readonly DeviceSpec[]): DeviceSpec[] {
  const own = guest.manifest.devices.map(parseDeviceSpec);
  const label = ({ factory, range }: DeviceSpec): string => deviceLabel(factory.name, range);
  const places = new Set(own.map(label));
  const replaced = new Set<string>();
  for (const spec of asked) {
    const { name } = spec.factory;
    if (places.has(label(spec))) replaced.add(label(spec));
    else for (const mine of own) if (mine.factory.name === name) replaced.add(label(mine));
  }
  return [...own.filter((mine) => !replaced.has(label(mine))), ...asked];
}
