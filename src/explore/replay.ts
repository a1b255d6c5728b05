// SPDX-License-Identifier: GPL-2.0-only
// A schedule again: told once, and run as often as asked, every event compared.
import { makeArena } from './make-arena.ts';
import { recordReference } from './reference.ts';
import type { Scenario } from './scenario.ts';
import { type Choice, Replay } from './schedule.ts';
import { type Told, tell } from './tell.ts';

export interface Replayed {
  told: Told;
  /** Runs that were the same in every event, the first included. */
  same: number;
}

export function replay(scenario: Scenario, choices: readonly Choice[], times: number): Replayed {
  const reference = recordReference(scenario);
  const told = tell(scenario, choices, reference);
  if (times === 1) return { told, same: 1 };
  using arena = makeArena(scenario, reference);
  arena.hashing = false;
  const run = (tape: number[]): string => {
    tape.length = 0;
    arena.world.history.tape = tape;
    const { end, decisions } = arena.run(new Replay(choices).choose);
    return JSON.stringify([end, decisions, arena.findings]);
  };
  const first: number[] = [];
  const result = run(first);
  const tape: number[] = [];
  let same = 1;
  for (let i = 1; i < times; i++) {
    const again = run(tape);
    if (again !== result || tape.length !== first.length) continue;
    let at = 0;
    while (at < tape.length && tape[at] === first[at]) at++;
    if (at === tape.length) same++;
  }
  return { told, same };
}
