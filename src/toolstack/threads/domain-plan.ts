// SPDX-License-Identifier: GPL-2.0-only
// What a domain in threads is to consist of: its guest, its devices in the order of their servers, and who serves them.

import { type DeviceProcessOptions, parseServedDevice } from '../../dm/process/spec.ts';
import type { DeviceSpec } from '../../dm/registry.ts';
import { chooseDevices } from '../../machine/choose-devices.ts';
import { guestForVcpu, type LoadedGuest } from '../../machine/loaded-guest.ts';
import { loadGuest } from '../../machine/loader.ts';
import { deviceLabel } from '../../machine/servers.ts';
import { serverPlan } from '../../machine/threads/device-host.ts';
import { withProcesses } from '../../machine/threads/process-plan.ts';
import { HvmError } from '../../util/errors.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import type { GuestSetup } from '../guest-setup.ts';
import type { LoadedImage } from '../image/load.ts';
import { checkHoles, guestOfImage, orMisfit } from '../image/restore.ts';

export interface PlanOptions extends GuestSetup {
  vcpus: number;
  /** Devices served by other processes; in place of the guest's own of the same name, or besides. */
  processes?: readonly DeviceProcessOptions[];
  /** Goes on from an image: guest, devices, revision and the number of vCPUs are its own. */
  from?: LoadedImage | null;
}

/** What a threaded domain is made of. */
export interface ThreadedOptions extends PlanOptions {
  seed: number;
  /** Of vCPU 0; of others, see `ledgerPathOf()`. */
  ledgerPath: string | null;
  /** Looks before a thread sleeps. */
  spins: number;
  /** A device model that is silent for so long counts as dead. */
  answerTimeoutMs: number;
  /** URLs of modules that register devices, for every thread. */
  modules: readonly string[];
  measure: boolean;
  /** Main file of the device models' threads, in place of ours: tests have device models that misbehave. */
  deviceMain?: URL;
  output?: (byte: number) => void;
  /**
   * vCPU 0 shuts the domain down by itself, every so many instructions (null: not before the last) and at the last one
   * (null: what the guest's manifest says). Absent: nobody but the toolstack does.
   */
  pauses?: { every: number | null; last: number | null } | null;
  /** Its checkpoints go into images; with `fsync`, ledger files wait for the disk before. Absent: they do not. */
  images?: { fsync: boolean } | null;
}

export interface DomainPlan {
  guest: LoadedGuest;
  /** All of them, in order. */
  devices: readonly DeviceSpec[];
  revision: RevisionName;
  vcpus: number;
  servers: readonly {
    name: string;
    /** `name@range`. */
    devices: readonly string[];
    /** null: a thread of ours. */
    process: DeviceProcessOptions | null;
  }[];
}

/** @throws HvmError for a guest or devices that cannot be, HVM_IMAGE for an image whose parts do not fit */
export function planDomain(options: PlanOptions): DomainPlan {
  const { from = null, processes = [] } = options;
  if (from !== null) return planOfImage(from, processes);
  const guest = loadGuest(options.guest, options.load);
  const { vcpus } = options;
  const most = guest.manifest.vcpus;
  if (!(Number.isInteger(vcpus) && vcpus >= 1 && vcpus <= most)) {
    throw new HvmError(
      'HVM_USAGE',
      `${vcpus} vCPUs: guest '${guest.name}' is written for ${most === 1 ? 'one' : `1 to ${most}`}`,
    );
  }
  guestForVcpu(guest, vcpus - 1);
  const { asked, processOf } = withProcesses(options.devices, processes);
  const devices = chooseDevices(guest, asked);
  return planOf(guest, devices, options.revision, vcpus, processOf);
}

function planOfImage(image: LoadedImage, processes: readonly DeviceProcessOptions[]): DomainPlan {
  const { state, place } = image;
  return orMisfit(place, () => {
    const { asked, processOf } = withProcesses([], processes);
    const served = asked.map(({ factory, range }) => deviceLabel(factory.name, range));
    const stray = served.find((label) => !state.devices.includes(label));
    if (stray !== undefined) {
      const has = state.devices.join(', ') || 'none';
      throw new HvmError('HVM_USAGE', `device process of ${stray}: the image's devices are ${has}`);
    }
    const devices = state.devices.map(parseServedDevice);
    checkHoles(image, devices);
    const guest = guestOfImage(image);
    return planOf(guest, devices, state.revision, state.vcpus.length, processOf);
  });
}

function planOf(
  guest: LoadedGuest,
  devices: readonly DeviceSpec[],
  revision: RevisionName,
  vcpus: number,
  processOf: (labels: readonly string[]) => DeviceProcessOptions | null,
): DomainPlan {
  const servers = serverPlan(devices).map((s) => ({ ...s, process: processOf(s.devices) }));
  return { guest, devices, revision, vcpus, servers };
}
