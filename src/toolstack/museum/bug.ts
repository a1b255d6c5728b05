// SPDX-License-Identifier: GPL-2.0-only
// What an exhibit of the bug museum is: a defect, where it is from, what of it is modelled, what it breaks.

import type { XenRevision } from '../../xen/hvm/revision.ts';
import { type RevisionChange, type RevisionName, revisionWith } from '../../xen/hvm/revision.ts';

/** Where a defect is from. */
export type BugOrigin =
  /** Xen had it, and a commit repaired it. */
  | 'repaired'
  /** Observed in Xen with every repair there is. */
  | 'open'
  /** Of those around Xen: a toolstack, an emulator. */
  | 'elsewhere';

/** The promises a defect can break. */
export type BrokenInvariant =
  | 'exactly once'
  | 'response consumed once'
  | 'RIP once'
  | 'a saved state is one the guest could have been in';

/** What is wrong outside the port. */
export interface SessionFaults {
  /** The toolstack saves as soon as the domain is called shut down, and pauses it afterwards. */
  readonly savesUnpaused?: boolean;
  /** The explorer's toolstack saves the devices before it asks the domain to stop, and the rest afterwards. */
  readonly savesDevicesFirst?: boolean;
  /** The emulator, stopped inside an IN or OUT, is back in front of the instruction. */
  readonly stopReplays?: boolean;
}

export interface MuseumBug {
  /** The upstream commit, abbreviated, or a name. */
  readonly id: string;
  /** In full; null for what no commit repaired. */
  readonly commit: string | null;
  /** Of the commit, ISO; null for what no commit repaired. */
  readonly date: string | null;
  readonly origin: BugOrigin;
  readonly title: string;
  /** One paragraph. */
  readonly story: string;
  /** What of it is modelled, exactly. */
  readonly modelled: string;
  readonly notModelled: string;
  /** A guest of the package that meets it. */
  readonly guest: string;
  /** The revision it is put into. */
  readonly base: RevisionName;
  /** Switches turned in `base`; none: `base` has the defect. */
  readonly change: RevisionChange;
  /** The revision in which `guest` is well. */
  readonly cure: RevisionName;
  readonly invariant: BrokenInvariant;
  readonly faults: SessionFaults;
}

/** The behaviour of the monitor with `bug` in it. */
export function revisionOf(bug: MuseumBug): XenRevision {
  return revisionWith(bug.base, bug.change);
}

/** As results name it. */
export function revisionLabel(revision: RevisionName, bug: MuseumBug | null | undefined): string {
  return bug ? `${bug.base} with bug ${bug.id}` : revision;
}
