// SPDX-License-Identifier: GPL-2.0-only
// What a decision is: where the vCPU stands, who could go on, and who chooses.
import { POINT_NAMES, type PointName } from '../xen/common/points.ts';
import type { RunEnd } from './invariants.ts';
import type { Finding } from './observer.ts';

/** Places of decisions: the preemption points, and three outside the port. */
export const PLACES: readonly string[] = [...POINT_NAMES, 'exit', 'enter', 'idle'];
export const EXIT: number = POINT_NAMES.length;
export const ENTER: number = EXIT + 1;
export const IDLE: number = ENTER + 1;
export const PLACE_OF: ReadonlyMap<PointName, number> = new Map(
  POINT_NAMES.map((name, i) => [name, i]),
);

/** Several actors could go on. The arrays are reused. */
export interface Decision {
  /** Its number in this run, from 0. */
  n: number;
  /** Index into PLACES: where the vCPU stands. */
  place: number;
  /** Who ran last. */
  current: number;
  /** Who can go on, the default first; `count` of them. */
  readonly options: number[];
  count: number;
  /** Whether choosing another one than `current` takes something from it that could go on. */
  preempting: boolean;
  /** Preemptions so far. */
  preemptions: number;
}

/** What a chooser may ask of the run under way. */
export interface RunSoFar {
  readonly findings: readonly Finding[];
  /** The state at the decision under way, whoever ran last. */
  stateKey(): number;
}

/** Chooses. Throwing `CUT` ends the run. */
export type Chooser = (decision: Decision, run: RunSoFar) => number;

/** Thrown to end a run whose rest is known; nothing of it is looked at. */
export const CUT: { readonly name: 'cut' } = { name: 'cut' };

/** A run from the start to its end. */
export interface RunResult {
  end: RunEnd['why'] | 'cut';
  decisions: number;
  preemptions: number;
}

/** Hears who makes which step; for stories. */
export interface StepListener {
  /** Before actor `actor` goes on, at decision or forced step. */
  turn(actor: number, place: number): void;
  stepped?(actor: number): void;
}
