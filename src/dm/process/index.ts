// SPDX-License-Identifier: GPL-2.0-only
// The public names of `trapline/device-client`: what a device model in a Node process of its own needs. Loads no addon.
export { HvmError, isHvmError } from '../../util/errors.ts';
export { BUILTIN_DEVICES } from '../builtin.ts';
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
  VERDICTS,
  type Verdict,
} from '../device.ts';
export type { DeviceFactory } from '../factory.ts';
export { type ServeOptions, SOCKET_VARIABLE, serveDevices } from './client.ts';
export { PROTOCOL_VERSION } from './frames.ts';
