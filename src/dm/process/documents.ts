// SPDX-License-Identifier: GPL-2.0-only
// The JSON documents of the protocol, read with every field checked.
import { HvmError } from '../../util/errors.ts';
import type { DeviceState, DeviceWitness } from '../device.ts';
import type { ServerState } from '../server.ts';
import { PROTOCOL, PROTOCOL_VERSION, ProtocolError } from './frames.ts';

/** What the monitor hands over. */
export interface SetUp {
  protocol: string;
  version: number;
  server: number;
  name: string;
  vcpus: number;
  page: { bytes: number; slots: number; slotBytes: number; ringEntries: number };
  devices: readonly SetUpDevice[];
}

/** Addresses are numbers up to 2^52 - 1; both ends inclusive. */
export interface SetUpDevice {
  /** `name@range`: key of this device in states and reports. */
  key: string;
  name: string;
  space: 'pio' | 'mmio';
  first: number;
  last: number;
}

/** What a device model reports of one device. */
export interface DeviceReportEntry {
  reads: number;
  writes: number;
  facts: DeviceWitness;
}

/** @throws ProtocolError for anything but one JSON object in UTF-8 */
export function readObject(bytes: Buffer, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new ProtocolError(`${what} is no JSON in UTF-8`);
  }
  if (!isObject(value)) throw new ProtocolError(`${what} is no JSON object`);
  return value;
}

/** @throws ProtocolError when the device model does not speak this version */
export function readHello(bytes: Buffer): void {
  const { protocol, version } = readObject(bytes, 'its HELLO');
  if (protocol === PROTOCOL && version === PROTOCOL_VERSION) return;
  const said = JSON.stringify({ protocol, version }).slice(0, 100);
  throw new ProtocolError(
    `its HELLO says ${said}, expected ${JSON.stringify({ protocol: PROTOCOL, version: PROTOCOL_VERSION })}`,
  );
}

/** @throws ProtocolError for what is not a set-up of this version */
export function readSetUp(bytes: Buffer): SetUp {
  const o = readObject(bytes, 'the SETUP');
  const devices = Array.isArray(o.devices) ? o.devices : [];
  const fits =
    o.protocol === PROTOCOL &&
    o.version === PROTOCOL_VERSION &&
    typeof o.name === 'string' &&
    isCount(o.server) &&
    isCount(o.vcpus) &&
    devices.length > 0 &&
    devices.every(
      (d: unknown) =>
        isObject(d) &&
        typeof d.key === 'string' &&
        typeof d.name === 'string' &&
        (d.space === 'pio' || d.space === 'mmio') &&
        isCount(d.first) &&
        isCount(d.last),
    );
  if (!fits) throw new ProtocolError(`the SETUP is not one of version ${PROTOCOL_VERSION}`);
  return o as unknown as SetUp;
}

/**
 * A saved state: for each device named fields, each a number, a string, a boolean or a list of whole numbers.
 * @throws ProtocolError when a device is missing, too many, or a field is something else
 */
export function readState(bytes: Buffer, keys: readonly string[]): ServerState {
  const o = readObject(bytes, 'its saved state');
  const devices = perDevice(o.devices, keys, 'its saved state');
  for (const [key, state] of Object.entries(devices)) {
    const bad = Object.entries(state).find(([, value]) => !isField(value));
    if (bad !== undefined) {
      throw new ProtocolError(`its saved state: field '${bad[0]}' of ${key} is of no known type`);
    }
  }
  return { devices: devices as Record<string, DeviceState> };
}

/** @throws ProtocolError when a device is missing, too many, or a count is none */
export function readReport(
  bytes: Buffer,
  keys: readonly string[],
): Record<string, DeviceReportEntry> {
  const o = readObject(bytes, 'its report');
  const devices = perDevice(o.devices, keys, 'its report');
  const all: Record<string, DeviceReportEntry> = {};
  for (const [key, { reads, writes, facts }] of Object.entries(devices)) {
    const plain =
      isObject(facts) && Object.values(facts).every((f) => isField(f) && !Array.isArray(f));
    if (!isCount(reads) || !isCount(writes) || !plain) {
      throw new ProtocolError(`its report of ${key}: expected reads, writes and facts`);
    }
    all[key] = { reads, writes, facts: facts as DeviceWitness };
  }
  return all;
}

/** For the state that is to be restored. @throws HvmError HVM_DEVICE_STATE when it is too large */
export function stateBytes(state: ServerState, most: number): Buffer {
  const bytes = Buffer.from(JSON.stringify(state), 'utf8');
  if (bytes.length <= most) return bytes;
  throw new HvmError('HVM_DEVICE_STATE', `a state of ${bytes.length} bytes, expected ${most}`);
}

function perDevice(
  value: unknown,
  keys: readonly string[],
  what: string,
): Record<string, Record<string, unknown>> {
  const devices = isObject(value) ? value : {};
  const fits =
    Object.keys(devices).length === keys.length &&
    keys.every((key) => Object.hasOwn(devices, key) && isObject(devices[key]));
  if (!fits) throw new ProtocolError(`${what} is not of ${keys.join(', ')}`);
  return devices as Record<string, Record<string, unknown>>;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isField(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((item) => Number.isSafeInteger(item));
  return typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value);
}
