// SPDX-License-Identifier: GPL-2.0-only
// Brings a machine that runs to a standstill, captures it, and lets it go on.
import type { Machine } from '../../machine/machine.ts';
import type { RunLoop, Stop } from '../../machine/run-loop.ts';
import { domain_shutdown } from '../../xen/common/domain.ts';
import { SHUTDOWN_suspend } from '../../xen/public/sched.ts';
import { checkpoint } from '../checkpoint.ts';
import type { Snapshot } from '../snapshot.ts';

/**
 * One checkpoint where the machine is.
 * @param whilePaused - with everything standing still
 * @returns null, or why it could not be brought to a standstill
 */
export function suspend(
  machine: Machine,
  loop: RunLoop,
  snapshot: Snapshot,
  whilePaused: () => void,
): Stop | null {
  const { stopAtVerdict } = loop;
  loop.stopAtVerdict = false;
  try {
    domain_shutdown(machine.domain, SHUTDOWN_suspend);
    const stop = loop.run();
    if (stop !== 'shutdown') return stop;
    checkpoint(machine, snapshot, whilePaused);
    return null;
  } finally {
    loop.stopAtVerdict = stopAtVerdict;
  }
}
