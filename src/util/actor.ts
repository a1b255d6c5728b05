// SPDX-License-Identifier: GPL-2.0-only
// Who takes turns on the vCPU's thread: types only. Drivers decide the order.

/** Holds when the waiting actor may go on. Free of effects: a driver may ask as often as it likes. */
export type WaitFor = () => boolean;

/**
 * A cold path cut into indivisible steps: every yield is a place where others may run.
 * Yielding a `WaitFor` means not runnable until it holds; yielding undefined means runnable at once.
 */
export type Steps<T = void> = Generator<WaitFor | undefined, T, undefined>;

/** One participant: the vCPU, the toolstack, a device model's server. */
export interface Actor {
  readonly id: number;
  /** `vcpu0`, `toolstack`, `server:counter`. */
  readonly name: string;
  runnable(): boolean;
  /** One indivisible step. Only called while `runnable()`. */
  step(): void;
}
