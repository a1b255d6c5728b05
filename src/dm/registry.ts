// SPDX-License-Identifier: GPL-2.0-only
// Devices by name: 'counter@0x200-0x207' to a device in its place; the list for help.
import { HvmError } from '../util/errors.ts';
import { suggest } from '../util/suggest.ts';
import { BUILTIN_DEVICES } from './builtin.ts';
import type { DeviceFactory } from './factory.ts';
import { type IoRange, type IoSpace, parseIoRange, rangeLength } from './range.ts';

/** A device and the range it is wanted at. */
export interface DeviceSpec {
  readonly factory: DeviceFactory;
  readonly range: IoRange;
}

const NAME = /^[a-z][a-z0-9-]*$/;
const registered = new Map<string, DeviceFactory>();

/**
 * Makes a device available under its name, everywhere in this process.
 * @returns takes it back
 * @throws HvmError HVM_DEVICE_DUPLICATE when the name is taken
 * @throws HvmError HVM_USAGE when the name is not lower-case letters, digits and '-'
 * @throws HvmError HVM_RANGE when a default range is malformed
 */
export function registerDevice(factory: DeviceFactory): () => void {
  const { name } = factory;
  if (!NAME.test(name)) {
    throw new HvmError(
      'HVM_USAGE',
      `device name '${name}': expected lower-case letters, digits and '-'`,
    );
  }
  if (registered.has(name)) {
    throw new HvmError('HVM_DEVICE_DUPLICATE', `device '${name}' is registered already`);
  }
  parseIoRange(factory.defaultRange, () => 1);
  if (factory.defaultMmioRange !== undefined) parseIoRange(factory.defaultMmioRange, () => 1);
  registered.set(name, factory);
  return () => {
    if (registered.get(name) === factory) registered.delete(name);
  };
}

for (const factory of BUILTIN_DEVICES) registerDevice(factory);

/** Every device there is, in order of registration. */
export function listDevices(): readonly DeviceFactory[] {
  return [...registered.values()];
}

/**
 * Reads `name`, `name@0x200`, `name@0x200-0x207`, `name@mmio`, `name@mmio:0xd0000-0xd0fff`.
 * Without a range the device sits at its default; a start alone keeps its usual length.
 * @throws HvmError HVM_DEVICE_UNKNOWN with the nearest name
 * @throws HvmError HVM_RANGE when the range is malformed or leaves its space
 */
export function parseDeviceSpec(text: string): DeviceSpec {
  const at = text.indexOf('@');
  const name = at < 0 ? text : text.slice(0, at);
  const factory = registered.get(name);
  if (factory === undefined) {
    const names = [...registered.keys()];
    const near = suggest(name, names);
    throw new HvmError(
      'HVM_DEVICE_UNKNOWN',
      `no device '${name}': ${near === null ? `expected one of ${names.join(', ')}` : `did you mean '${near}'?`}`,
      { details: { name, known: names, suggestion: near } },
    );
  }
  if (at < 0) return { factory, range: parseIoRange(factory.defaultRange, () => 1) };
  const where = text.slice(at + 1);
  if (where === 'mmio') return { factory, range: mmioDefault(factory) };
  return { factory, range: parseIoRange(where, (space) => usualLength(factory, space)) };
}

function mmioDefault(factory: DeviceFactory): IoRange {
  const range = [factory.defaultRange, factory.defaultMmioRange].find((r) =>
    r?.startsWith('mmio:'),
  );
  if (range === undefined) {
    throw new HvmError(
      'HVM_RANGE',
      `device '${factory.name}' has no default memory range: expected ${factory.name}@mmio:<start>-<end>`,
    );
  }
  return parseIoRange(range, () => 1);
}

function usualLength(factory: DeviceFactory, space: IoSpace): number {
  for (const text of [factory.defaultRange, factory.defaultMmioRange]) {
    if (text === undefined) continue;
    const range = parseIoRange(text, () => 1);
    if (range.space === space) return rangeLength(range);
  }
  return rangeLength(parseIoRange(factory.defaultRange, () => 1));
}
