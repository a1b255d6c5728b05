// SPDX-License-Identifier: GPL-2.0-only
// Somebody at the machine's keyboard and screen, who acts at given instruction counts: the same in every run.
import type { Machine } from './machine.ts';

export interface Operator {
  /** Instruction count at which `act()` is to be called. */
  readonly next: number;
  /** The vCPU is between two instructions and `next` is reached. Sets `next` further. */
  act(machine: Machine): void;
  /** Nothing is left to be done: the run may end. */
  readonly done: boolean;
  /** What did not happen, in a sentence; null: all is well. */
  readonly failed: string | null;
}
