// SPDX-License-Identifier: GPL-2.0-only
// The same schedule twice must be the same run: every event with its values, every decision with its choices.
import { BugError } from '../util/errors.ts';
import type { Arena } from './arena.ts';
import { type Chooser, CUT, PLACES, type RunResult } from './decision.ts';
import { Recording, Replay } from './schedule.ts';

/** Runs every schedule a second time and compares. */
export class Twice {
  /** Schedules compared, and events in them. */
  compared = 0;
  events = 0;
  #first: number[] = [];
  #second: number[] = [];
  readonly #recording = new Recording();

  /**
   * @returns the result of the first run; findings are those of the second, which are the same
   * @throws BugError when the runs differ, with the schedule and the first event that does
   */
  run(arena: Arena, chooser: Chooser): RunResult {
    this.#first.length = 0;
    arena.world.history.tape = this.#first;
    const result = arena.run(this.#recording.of(this.#taped(chooser, this.#first)));
    const findings = JSON.stringify(arena.findings);
    const choices = this.#recording.choices.slice();
    this.#second.length = 0;
    arena.world.history.tape = this.#second;
    // A run that was cut short is compared as far as it went.
    const replay = new Replay(choices).choose;
    const again: Chooser = (decision, it) => {
      if (result.end === 'cut' && decision.n === result.decisions) throw CUT;
      return replay(decision, it);
    };
    const second = arena.run(this.#taped(again, this.#second));
    arena.world.history.tape = null;
    this.#compare(
      result.end === second.end && findings === JSON.stringify(arena.findings),
      choices,
    );
    this.compared++;
    this.events += this.#first.length;
    return result;
  }

  #taped(chooser: Chooser, tape: number[]): Chooser {
    return (decision, run) => {
      const chosen = chooser(decision, run);
      tape.push(decision.place, decision.current, decision.count, chosen);
      return chosen;
    };
  }

  #compare(sameEnd: boolean, choices: readonly { n: number; actor: number }[]): void {
    const a = this.#first;
    const b = this.#second;
    let at = 0;
    while (at < a.length && a[at] === b[at]) at++;
    if (at === a.length && a.length === b.length && sameEnd) return;
    const place = PLACES[a[at] ?? -1] ?? '';
    throw new BugError(
      `the same schedule gave two runs: value ${at} of ${a.length} and ${b.length} is ${a[at]} and ${b[at]} ${place}; choices ${JSON.stringify(choices)}`,
    );
  }
}
