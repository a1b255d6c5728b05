// SPDX-License-Identifier: GPL-2.0-only
// Who could go on: the actors that a decision is between, in the order of their numbers.
import { FIRST_KILLER, FIRST_SERVER, IRQ_SOURCE, TOOLSTACK } from './scenario.ts';
import type { Seat } from './seat.ts';
import { AT_REST } from './toolstack.ts';
import type { World } from './world.ts';

export class Lineup {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /**
   * @param options - filled from the beginning; what is behind the count that is returned is of earlier decisions
   * @param top - the vCPU whose place it is; null: all are between two calls
   * @returns how many can go on
   */
  fill(options: number[], top: Seat | null): number {
    const { machine, toolstack, killer, irqSource, seats } = this.#world;
    const { servers } = machine;
    let count = 0;
    for (let i = 0; i < seats.length; i++) {
      const seat = seats[i] as Seat;
      if (seat === top || (!seat.active && this.#mayGo(seat))) options[count++] = seat.actor;
    }
    for (let i = 0; i < servers.length; i++) {
      if (servers[i]?.runnable() && killer.alive(i)) options[count++] = FIRST_SERVER + i;
    }
    if (toolstack.enabled()) options[count++] = TOOLSTACK;
    if (irqSource.enabled()) options[count++] = IRQ_SOURCE;
    if (killer.most > 0) {
      for (let i = 0; i < servers.length; i++) {
        if (killer.enabled(i)) options[count++] = FIRST_KILLER + i;
      }
    }
    return count;
  }

  /** Accesses that a vCPU has carried to their end beyond those asked for; below 0: so many are to come. */
  beyond(seat: Seat): number {
    const { ledger, scenario } = this.#world;
    return (ledger.retiredBy[seat.id] ?? 0) - scenario.ios;
  }

  /** A vCPU that has done all it should waits for the others. */
  #mayGo(seat: Seat): boolean {
    if (!seat.canGo()) return false;
    const { toolstack } = this.#world;
    return !seat.parts.vcpu.in_guest || toolstack.at !== AT_REST || this.beyond(seat) < 0;
  }
}

/** Moves `actor` to the front of the first `count` options. @returns whether it is one of them */
export function putFirst(options: number[], count: number, actor: number): boolean {
  let at = 0;
  while (at < count && options[at] !== actor) at++;
  if (at === count) return false;
  for (let k = at; k > 0; k--) options[k] = options[k - 1] as number;
  options[0] = actor;
  return true;
}
