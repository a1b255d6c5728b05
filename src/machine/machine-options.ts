// SPDX-License-Identifier: GPL-2.0-only
// What a machine is made of.
import type { MachineCpu } from '../cpu/machine-cpu.ts';
import type { DeviceContext, InputSource } from '../dm/device.ts';
import type { DeviceSpec } from '../dm/registry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { GuestRam } from '../mem/guest-ram.ts';
import type { Points } from '../xen/common/points.ts';
import type { Tracer } from '../xen/common/trace.ts';
import type { RevisionName, XenRevision } from '../xen/hvm/revision.ts';
import type { LoadedGuest } from './loaded-guest.ts';
import type { RemoteServers } from './threads/remote-servers.ts';

export interface MachineOptions {
  guest: LoadedGuest;
  /** In order; ranges must not overlap. */
  devices: readonly DeviceSpec[];
  /** By name, or with single switches turned. */
  revision?: RevisionName | XenRevision;
  /** One byte the guest writes to a console. */
  output?: (byte: number) => void;
  input?: InputSource;
  /** Where COM1 of a PC goes, if not where the console does. */
  line?: Partial<DeviceContext>;
  /** Books of every device access; none: not kept. */
  ledger?: Ledger | null;
  /** What lands at the preemption points; nothing unless given. */
  points?: Points;
  /** Hears the port's events besides the ledger. */
  trace?: Tracer | null;
  /** False: every access takes the ordinary way, step by step. For comparing the two; there is no other difference. */
  straight?: boolean;
  /** False: every access leaves the guest, whatever its device declares. For comparing the two. */
  posted?: boolean;
  /** Virtual time for devices, in ns; one per instruction unless given. */
  nowNs?: () => number;
  /** In place of the addon's. @param vcpu - whose */
  cpu?: (ram: GuestRam, vcpu: number) => MachineCpu;
  /** On this thread, 1 unless given. Those above 0 run copies of the guest (`guestForVcpu`) and have no interrupts. */
  vcpus?: number;
  /** The domain's device models, and its other vCPUs, are in other threads: this machine is one of its vCPUs. */
  remote?: RemoteServers | null;
}
