// SPDX-License-Identifier: GPL-2.0-only
// How a device is announced: its name, where it sits unless told otherwise, and how to make one.
import type { Device, DeviceContext } from './device.ts';

export interface DeviceFactory {
  /** Lower-case letters, digits and '-': the name on the command line. */
  readonly name: string;
  /** One line for `list devices`. */
  readonly summary: string;
  /** `0x200-0x207`, or `mmio:0xd0000-0xd0fff`. */
  readonly defaultRange: string;
  /** Where it sits when asked for as `name@mmio`; absent if it has no memory form by default. */
  readonly defaultMmioRange?: string;
  /** It is a host bridge at ports CF8h to CFFh: it is asked for PCI configuration space. */
  readonly pciConfiguration?: boolean;
  /** A new device in its state after power-on. */
  create(context: DeviceContext): Device;
}
