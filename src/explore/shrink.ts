// SPDX-License-Identifier: GPL-2.0-only
// From a schedule that breaks something to the shortest one that does: first all schedules of smaller scenarios, then
// the given one with choices left out.
import type { Arena } from './arena.ts';
import type { Chooser } from './decision.ts';
import { Dfs } from './dfs.ts';
import { makeArena } from './make-arena.ts';
import type { Finding } from './observer.ts';
import type { Scenario } from './scenario.ts';
import { type Choice, Recording, Replay } from './schedule.ts';
import { TurnCounter } from './turns.ts';
import type { Reference } from './undisturbed.ts';

/** Complete runs looked at in one smaller scenario. */
const MOST_RUNS = 4000;

export interface Shrunk {
  scenario: Scenario;
  choices: Choice[];
  preemptions: number;
  /** Turns up to what is broken. */
  turns: number;
  findings: Finding[];
  /** Every schedule with fewer preemptions, accesses or checkpoints was tried: there is no smaller one. */
  minimal: boolean;
}

/** The invariant a shrunk schedule has to break as well: the strongest of those the first one breaks. */
function target(findings: readonly Finding[]): string {
  const names = findings.map(({ invariant }) => invariant);
  return names.includes('exactly-once') ? 'exactly-once' : (names[0] ?? '');
}

function breaks(arena: Arena, invariant: string): boolean {
  return arena.findings.some((f) => f.invariant === invariant);
}

export function shrink(
  scenario: Scenario,
  choices: readonly Choice[],
  preemptions: number,
  findings: readonly Finding[],
  reference?: Reference,
): Shrunk {
  const wanted = target(findings);
  using arena = makeArena(scenario, reference);
  let minimal = true;
  for (let checkpoints = 0; checkpoints <= scenario.checkpoints; checkpoints++) {
    for (let p = 0; p <= preemptions; p++) {
      for (let ios = 1; ios <= Math.min(scenario.ios, 2); ios++) {
        arena.resize(ios, checkpoints);
        const { best, complete } = smallest(arena, p, wanted);
        if (best !== null) return { ...best, minimal };
        minimal &&= complete;
      }
    }
  }
  arena.resize(scenario.ios, scenario.checkpoints);
  return leaveOut(arena, choices, wanted);
}

/** The schedule of the arena's scenario with `preemptions` at most that breaks `wanted` in the fewest turns. */
function smallest(
  arena: Arena,
  preemptions: number,
  wanted: string,
): { best: Omit<Shrunk, 'minimal'> | null; complete: boolean } {
  const { scenario } = arena.world;
  const turns = new TurnCounter();
  arena.listener = turns;
  const dfs = new Dfs(preemptions);
  const recording = new Recording();
  const chooser = recording.of(dfs.choose);
  let best: Omit<Shrunk, 'minimal'> | null = null;
  for (let runs = 0; runs < MOST_RUNS; runs++) {
    recording.choices.length = 0;
    turns.begin(arena);
    const { end, preemptions: used } = arena.run(chooser);
    if (end !== 'cut' && breaks(arena, wanted) && (best === null || turns.broken < best.turns)) {
      best = {
        scenario,
        choices: recording.choices.slice(),
        preemptions: used,
        turns: turns.broken,
        findings: arena.findings.map((f) => ({ ...f })),
      };
    }
    if (!dfs.next()) return { best, complete: true };
  }
  return { best, complete: false };
}

/** Leaves out one choice after another as long as the same is broken. */
function leaveOut(arena: Arena, choices: readonly Choice[], wanted: string): Shrunk {
  const { scenario } = arena.world;
  arena.hashing = false;
  const turns = new TurnCounter();
  arena.listener = turns;
  const recording = new Recording();
  const attempt = (list: readonly Choice[]): Omit<Shrunk, 'minimal'> | null => {
    const chooser: Chooser = recording.of(new Replay(list).choose);
    turns.begin(arena);
    const { preemptions } = arena.run(chooser);
    if (!breaks(arena, wanted)) return null;
    const findings = arena.findings.map((f) => ({ ...f }));
    return {
      scenario,
      choices: recording.choices.slice(),
      preemptions,
      turns: turns.broken,
      findings,
    };
  };
  let best = attempt(choices);
  for (let i = 0; best !== null && i < best.choices.length; ) {
    const without: Choice[] = best.choices.filter((_, k) => k !== i);
    const shorter = attempt(without);
    if (shorter !== null && shorter.choices.length < best.choices.length) best = shorter;
    else i++;
  }
  const found = best ?? {
    scenario,
    choices: choices.slice(),
    preemptions: 0,
    turns: 0,
    findings: [],
  };
  return { ...found, minimal: false };
}
