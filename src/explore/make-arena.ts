// SPDX-License-Identifier: GPL-2.0-only
// An arena for any scenario: for the scripted CPU, the guest's accesses are recorded first.
import type { Tracer } from '../xen/common/trace.ts';
import { Arena } from './arena.ts';
import { INVARIANTS, type Invariant } from './invariants.ts';
import { recordScript } from './record-script.ts';
import type { Scenario } from './scenario.ts';

/** @throws HvmError as `Arena` and `recordScript` do */
export function makeArena(
  scenario: Scenario,
  invariants: readonly Invariant[] = INVARIANTS,
  trace: ((arena: Arena) => Tracer) | null = null,
): Arena {
  const script = scenario.cpu === 'scripted' ? recordScript(scenario) : null;
  return new Arena(scenario, invariants, trace, script);
}
