// SPDX-License-Identifier: GPL-2.0-only
// Which guest, with which devices, on which Xen: whatever is then done with it.
import type { DeviceSpec } from '../dm/registry.ts';
import type { LoadOptions } from '../machine/loader.ts';
import type { RevisionName } from '../xen/hvm/revision.ts';

export interface GuestSetup {
  guest: string;
  load: LoadOptions;
  /** In place of the guest's own of the same name, or besides. */
  devices: readonly DeviceSpec[];
  /** Of no matter with a bug of the museum, which has its own. */
  revision: RevisionName;
}
