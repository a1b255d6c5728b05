// SPDX-License-Identifier: GPL-2.0-only
// One schedule, run again and told: its steps, the lanes of the instruction it breaks, what it breaks.
import type { LaneStory } from '../ledger/lanes.ts';
import type { RunResult } from './decision.ts';
import { makeArena } from './make-arena.ts';
import { narrated, type Step } from './narrator.ts';
import type { Finding } from './observer.ts';
import type { Scenario } from './scenario.ts';
import { type Choice, Replay } from './schedule.ts';
import type { Reference } from './undisturbed.ts';

export interface Told {
  scenario: Scenario;
  end: RunResult['end'];
  preemptions: number;
  decisions: number;
  findings: Finding[];
  steps: Step[];
  /** Turns up to the last step with which something was found broken; all, if nothing was. */
  turns: number;
  story: LaneStory | null;
  /** Choices that did not fit. */
  misfits: number;
}

/**
 * Runs `choices` once. What does not fit is left out and counted.
 * @param reference - of the guest; recorded unless given
 */
export function tell(scenario: Scenario, choices: readonly Choice[], reference?: Reference): Told {
  const { arena, narrator } = narrated((trace) => makeArena(scenario, reference, undefined, trace));
  using it = arena;
  it.hashing = false;
  narrator.begin();
  const replay = new Replay(choices);
  const { end, preemptions, decisions } = it.run(replay.choose);
  const { steps, story } = narrator;
  // Of a run that goes round and round, the round that breaks something first is enough.
  if (end !== 'unending' || steps.every(({ broken }) => broken.length === 0)) narrator.finish();
  const last = steps.findLastIndex(({ broken }) => broken.length > 0);
  return {
    scenario,
    end,
    preemptions,
    decisions,
    findings: it.findings.map((f) => ({ ...f })),
    steps: steps.slice(),
    turns: (last < 0 ? steps.at(-1) : steps[last])?.turn ?? 0,
    story: story.lanes,
    misfits: replay.misfits + replay.left,
  };
}
