// SPDX-License-Identifier: GPL-2.0-only
// What a device author needs, and what a machine needs to place devices.
export { type Attachment, Bus, refuseOverlap } from './bus.ts';
export {
  type Device,
  type DeviceContext,
  type DeviceState,
  type DeviceWitness,
  type HighWord,
  type InputSource,
  type IoSize,
  NO_INPUT,
  RegisterDevice,
  type Suspendable,
  silentContext,
  VERDICTS,
  type Verdict,
} from './device.ts';
export type { DeviceFactory } from './factory.ts';
export { InlineServer } from './inline-server.ts';
export { type OffsetRange, PublishedRegister } from './published.ts';
export {
  formatIoRange,
  type IoRange,
  type IoSpace,
  parseIoRange,
  rangeLength,
  rangesOverlap,
} from './range.ts';
export { type DeviceSpec, listDevices, parseDeviceSpec, registerDevice } from './registry.ts';
export type { AccessEvent, AccessObserver } from './request.ts';
export { DeviceServer, type ServerConnection, type ServerState } from './server.ts';
