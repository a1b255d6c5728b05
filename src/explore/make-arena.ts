// SPDX-License-Identifier: GPL-2.0-only
// An arena for any scenario: what the guest does undisturbed is recorded first, unless it is known.
import type { Tracer } from '../xen/common/trace.ts';
import { Arena } from './arena.ts';
import { INVARIANTS, type Invariant } from './invariants.ts';
import { recordReference } from './reference.ts';
import type { Scenario } from './scenario.ts';
import type { Reference } from './undisturbed.ts';
import type { World } from './world.ts';

/**
 * @param reference - of the same guest, with as many accesses or more
 * @throws HvmError as `Arena` and `recordReference` do
 */
export function makeArena(
  scenario: Scenario,
  reference: Reference = recordReference(scenario),
  invariants: readonly Invariant[] = INVARIANTS,
  trace: ((world: World) => Tracer) | null = null,
): Arena {
  return new Arena(scenario, invariants, trace, reference);
}
