// SPDX-License-Identifier: GPL-2.0-only
// An actor's turns: a turn lasts until another actor goes on.
import type { Arena } from './arena.ts';
import type { StepListener } from './decision.ts';
import type { Step, StepState } from './narrator.ts';
import { VCPU } from './scenario.ts';

/** Counts them. */
export class TurnCounter implements StepListener {
  /** Turns so far. */
  turns = 1;
  /** The turn in which something was last found broken; 0: nothing was. */
  broken = 0;
  #actor = VCPU;

  begin(arena: Arena): void {
    this.turns = 1;
    this.broken = 0;
    this.#actor = VCPU;
    arena.world.observer.onFinding = () => {
      this.broken = this.turns;
    };
  }
  turn(actor: number): void {
    if (actor !== this.#actor) this.turns++;
    this.#actor = actor;
  }
}

/** All that one actor did until another one went on. */
export interface Turn {
  n: number;
  actor: string;
  place: string;
  texts: string[];
  /** At its end. */
  state: StepState;
  broken: string[];
}

export function turnsOf(steps: readonly Step[]): Turn[] {
  const turns: Turn[] = [];
  for (const { turn, actor, place, text, state, broken } of steps) {
    const last = turns.at(-1);
    if (last?.n === turn) {
      last.texts.push(text);
      last.state = state;
      last.broken.push(...broken);
    } else turns.push({ n: turn, actor, place, texts: [text], state, broken: [...broken] });
  }
  return turns;
}
