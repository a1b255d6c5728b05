// SPDX-License-Identifier: GPL-2.0-only
// Counts an actor's turns: a turn lasts until another actor goes on.
import type { Arena } from './arena.ts';
import type { StepListener } from './decision.ts';
import { VCPU } from './scenario.ts';

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
