// SPDX-License-Identifier: GPL-2.0-only
// Somebody who sits at the machine and looks at its screen, at given instruction counts: the same in every run.
import type { Machine } from './machine.ts';

export interface Operator {
  /** Instruction count at which `act()` is to be called. */
  readonly next: number;
  /** The vCPU is between two instructions and `next` is reached. Sets `next` further. */
  act(machine: Machine): void;
  /** He has left: the run ends. */
  readonly done: boolean;
}
