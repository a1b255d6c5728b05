// SPDX-License-Identifier: GPL-2.0-only
// What tells a run loop when something happens by itself, in instructions of the CPU.

export interface TimeSource {
  /** Instruction count at which `reached()` has something to do; MAX_SAFE_INTEGER: never. */
  readonly next: number;
  /** Whether an access of a device can move `next`; else only `reached()` and `restore()` do. */
  readonly isMoved: boolean;
  /** The count has come to `icount`. */
  reached(icount: number): void;
  /** A whole number, for a saved state. */
  save(): number;
  restore(state: number): void;
}
