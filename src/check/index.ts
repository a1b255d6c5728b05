// SPDX-License-Identifier: GPL-2.0-only
// The public names of `trapline/check`: is a device model one? Loads no addon.
export {
  type CheckFailure,
  type CheckOptions,
  type CheckReport,
  checkDevice,
  formatCheck,
} from './check-device.ts';
export type { DeviceRules, Example, RegisterRule } from './rules.ts';
