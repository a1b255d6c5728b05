// SPDX-License-Identifier: GPL-2.0-only
// Why a run is over, in words.
import type { Machine } from '../machine/machine.ts';
import type { Stop } from '../machine/run-loop.ts';
import type { RunEnd } from './invariants.ts';

/** @param finished - the guest has done all that was asked for */
export function howItEnded(
  stop: Stop,
  machine: Machine,
  finished: boolean,
): [why: RunEnd['why'], detail: string] {
  const { domain: d, vcpu: v, verdict } = machine;
  switch (stop) {
    case 'crashed':
      return ['crashed', d.crashed?.reason ?? 'no reason recorded'];
    case 'verdict':
      return ['verdict', `the guest reports ${verdict}`];
    case 'halted':
    case 'dead':
      return ['halted', 'the guest has halted'];
    case 'deadline':
      return finished
        ? ['done', '']
        : ['unending', 'the guest goes on and on without finishing its accesses'];
    default: {
      const waits = v.blocked_in_xen
        ? 'it waits for a device model that has nothing to do'
        : 'it is paused';
      return ['stuck', `the vCPU does not go on: ${waits}`];
    }
  }
}
