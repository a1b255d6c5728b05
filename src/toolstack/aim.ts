// SPDX-License-Identifier: GPL-2.0-only
// Where the next checkpoint of a session is to land: a window drawn from those that the guest has, waited for, and given
// up for another one if the guest does not come by.
import type { Machine } from '../machine/machine.ts';
import type { RunLoop } from '../machine/run-loop.ts';
import type { Random } from '../util/random.ts';
import { instructionsOf } from './undisturbed/undisturbed.ts';
import type { WindowDriver, WindowName } from './windows.ts';

/** Instructions after which a window that was not passed is given up for another one. */
const PATIENCE = 20_000;
/** A PC in HLT is waited for at most so long, some ticks of its clock, and looked at so often. */
const LONGEST_WAIT = 2_000_000;
const IDLE_STEP = 50_000;
/** How often in a row a window may be missed before the guest counts as having none. */
const MISSES = 8;
/** So many passages of a place may be let go. */
const MOST_SKIPPED = 3;

export class Aim {
  /** Drawn last. */
  window: WindowName = 'between-instructions';
  /** Instruction count at which the guest is looked at, whether it came by or not. */
  deadline = 0;
  readonly #machine: Machine;
  readonly #loop: RunLoop;
  readonly #driver: WindowDriver;
  readonly #random: Random;
  readonly #spacing: number;
  readonly #between: number;
  readonly #misses = new Map<WindowName, number>();
  #windows: WindowName[];
  #armedAt = { icount: 0, skipped: 0 };

  /**
   * @param windows - the guest's
   * @param spacing - a PC is given as many instructions to come by
   * @param between - a shutdown between instructions lands after at most so many
   */
  constructor(
    parts: { machine: Machine; loop: RunLoop; driver: WindowDriver; random: Random },
    windows: readonly WindowName[],
    spacing: number,
    between: number,
  ) {
    this.#machine = parts.machine;
    this.#loop = parts.loop;
    this.#driver = parts.driver;
    this.#random = parts.random;
    this.#windows = [...windows];
    this.#spacing = spacing;
    this.#between = between;
  }

  /** Draws a window and how many passages of it to let go by. */
  draw(): void {
    const random = this.#random;
    const { cpu, pc } = this.#machine;
    this.window = random.pick(this.#windows);
    const { icount } = cpu;
    if (this.window === 'between-instructions') {
      this.deadline = icount + 1 + random.below(this.#between);
      return;
    }
    this.#armedAt = { icount: instructionsOf(this.#machine), skipped: this.#loop.skipped };
    this.deadline = icount + (pc === null ? PATIENCE : Math.max(1, this.#spacing));
    this.#driver.arm(this.window, random.below(MOST_SKIPPED));
  }

  /** What a PC in HLT skips costs nothing: it may come by with the next tick. */
  mayCome(): boolean {
    const machine = this.#machine;
    if (machine.pc === null) return false;
    const now = instructionsOf(machine);
    const passed = now - this.#armedAt.icount;
    const executed = passed - (this.#loop.skipped - this.#armedAt.skipped);
    if (executed >= this.#spacing || passed >= LONGEST_WAIT) return false;
    this.deadline = now + IDLE_STEP;
    return true;
  }

  /**
   * The guest did not come by: it may be busy otherwise, or have no such instruction.
   * @returns whether it is to be stopped where it is; else another window is drawn
   */
  missed(): boolean {
    this.#driver.disarm();
    // A PC has all kinds of them, but not always.
    if (this.#machine.pc !== null) {
      this.window = 'between-instructions';
      return true;
    }
    const misses = (this.#misses.get(this.window) ?? 0) + 1;
    this.#misses.set(this.window, misses);
    if (misses >= MISSES) this.#windows = this.#windows.filter((w) => w !== this.window);
    this.draw();
    return false;
  }

  /** The shutdown lands. */
  hit(): void {
    this.#misses.delete(this.window);
  }
}
