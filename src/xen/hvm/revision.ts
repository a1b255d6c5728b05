// SPDX-License-Identifier: GPL-2.0-only
// Named behaviours of the I/O path: Xen before the fix, Xen with it, and ours, which goes on from there.
// Every difference is one switch with one reason, and each switch is tested in one place.

import { type DefectName, NO_DEFECTS } from './defects.ts';

/** What a switch changes, and why. */
export const SWITCHES = {
  io_suspended_flag: {
    origin: 'Xen commit b7e0d8978810',
    reason:
      'An I/O counts as not done only if its send was refused, not because a shutdown was requested ' +
      'after it was sent; otherwise the device model sees the access twice.',
  },
  deferral_spans_instruction: {
    origin: 'ours: instructions with several accesses',
    reason:
      'A shutdown deferral lasts until the instruction has retired, so a later access of the same ' +
      'instruction is never refused, nothing is issued twice, and a domain is not called shut down ' +
      'while registers or memory are incomplete. It is taken before anybody acts on an access, so ' +
      'handlers inside the monitor act under it as well.',
  },
  pio_answers_cached: {
    origin: 'ours: INS from a device port to device memory',
    reason:
      'Answers of port accesses are kept while their instruction needs further accesses, like those ' +
      'of MMIO, so INS from a device port to device memory completes instead of crashing the domain.',
  },
  destroyed_server_answers_ones: {
    origin: 'ours: a server destroyed under a request',
    reason:
      'Destroying a server with a request in flight wakes the vCPU, which reads all ones, instead of ' +
      'leaving it blocked for good.',
  },
  refused_broadcast_repeated: {
    origin: 'ours: broadcasts during a shutdown',
    reason:
      'A broadcast that a shutdown refused is sent after the domain was resumed, to the servers that ' +
      'did not get it, instead of being dropped.',
  },
  emulated_in_retires: {
    origin: 'ours: IN run by the emulator',
    reason:
      'IN run by the emulator without a completion of its own finishes in the emulator, which moves ' +
      'RIP; completed as an intercepted IN it would repeat for ever, one device read per round.',
  },
  mmio_cache_grows: {
    origin: 'ours, as Xen commit 23d60dbb04 and later',
    reason:
      'An instruction may make more than three distinct MMIO accesses; the fixed table would refuse ' +
      'the fourth after the first three have reached the device.',
  },
  unbufferable_refused: {
    origin: 'ours, as Xen commit 2e0b545b84',
    reason:
      'A request that a buffered ring cannot hold is refused, so that it goes to the device model the ' +
      'ordinary way, instead of being reported as sent and dropped.',
  },
  rep_split_element_alone: {
    origin: 'ours: REP MOVS and STOS at the end of a device',
    reason:
      'An element that lies over the end of a page of device memory is split like one without REP; ' +
      'as the head of a batch no device claims it whole, so reads are not made and writes are lost.',
  },
} as const satisfies Record<string, { origin: string; reason: string }>;

export type SwitchName = keyof typeof SWITCHES;

/** The names users give. */
export type RevisionName = 'before-b7e0d8978810' | 'fixed' | 'exact';

export type XenRevision = Readonly<Record<SwitchName, boolean>> &
  Readonly<Record<DefectName, boolean>> & {
    readonly name: RevisionName;
    /** One sentence for lists and help. */
    readonly reason: string;
  };

const XEN_4_14_5 = {
  io_suspended_flag: false,
  deferral_spans_instruction: false,
  pio_answers_cached: false,
  destroyed_server_answers_ones: false,
  refused_broadcast_repeated: false,
  emulated_in_retires: false,
  mmio_cache_grows: false,
  unbufferable_refused: false,
  rep_split_element_alone: false,
} as const satisfies Record<SwitchName, boolean>;

export const REVISIONS: Readonly<Record<RevisionName, XenRevision>> = {
  'before-b7e0d8978810': {
    name: 'before-b7e0d8978810',
    reason: 'Xen 4.14.5 as released: a shutdown that lands just after a send repeats the access.',
    ...XEN_4_14_5,
    ...NO_DEFECTS,
  },
  fixed: {
    name: 'fixed',
    reason: 'Xen 4.14.5 with commit b7e0d8978810 and nothing else.',
    ...XEN_4_14_5,
    ...NO_DEFECTS,
    io_suspended_flag: true,
  },
  exact: {
    name: 'exact',
    reason: 'The fix, and every other way closed in which Xen repeats, loses or drops an access.',
    io_suspended_flag: true,
    deferral_spans_instruction: true,
    pio_answers_cached: true,
    destroyed_server_answers_ones: true,
    refused_broadcast_repeated: true,
    emulated_in_retires: true,
    mmio_cache_grows: true,
    unbufferable_refused: true,
    rep_split_element_alone: true,
    ...NO_DEFECTS,
  },
};

export const REVISION_NAMES: readonly RevisionName[] = ['before-b7e0d8978810', 'fixed', 'exact'];

/** Whether `name` is a revision's. */
export function isRevisionName(name: string): name is RevisionName {
  return Object.hasOwn(REVISIONS, name);
}

/** Single switches turned away from a revision: what makes a museum bug of it. */
export type RevisionChange = Readonly<Partial<Record<SwitchName | DefectName, boolean>>>;

/** The revision `name` with single switches turned. */
export function revisionWith(name: RevisionName, change: RevisionChange): XenRevision {
  return { ...REVISIONS[name], ...change };
}
