// SPDX-License-Identifier: GPL-2.0-only
// What a stress run is asked for, and what it reports.
import type { StageCounts } from '../ledger/events.ts';
import type { LaneStory } from '../ledger/lanes.ts';
import type { Violation } from '../ledger/violations.ts';
import type { Measured } from '../util/measure.ts';
import { revisionLabel } from './museum/index.ts';
import type { SessionOptions } from './session.ts';
import type { ThreadsOptions } from './threads/threads-options.ts';
import type { EndReport } from './undisturbed/undisturbed.ts';

/** What a stress run is asked for. */
export interface StressOptions extends SessionOptions {
  /** Not null: every actor is a thread, see threads/stress-threads.ts. */
  threads?: ThreadsOptions | null;
  checkpoints: number;
  /** Instructions; null: no bound. */
  maxInstructions: number | null;
  timeoutMs: number | null;
}

/** A violation of the ledger, or one that another witness saw: then it is about no single access. */
export interface StressViolation {
  kind: string;
  class: string;
  identity: Violation['identity'];
  firstSeq: number | null;
  seq: number;
  checkpoint: { n: number; window: string } | null;
  message: string;
}

export type StressOutcome =
  | 'success'
  | 'failure'
  | 'crashed'
  | 'limit'
  | 'skip'
  | 'error'
  | 'interrupted';

export interface StressReport {
  outcome: StressOutcome;
  revision: string;
  guest: string;
  seed: number;
  /** Taken. */
  checkpoints: number;
  checkpointsAsked: number;
  instructions: number;
  accesses: StageCounts;
  lost: number;
  duplicated: number;
  violations: StressViolation[];
  violationsTotal: number;
  reproduce: string | null;
  windows: Record<string, number>;
  verdict: 'success' | 'skip' | 'error' | 'failure' | null;
  crash: { reason: string } | null;
  /** vCPUs, device models and toolstack were threads: the run cannot be repeated. */
  threads: boolean;
  /** Device models that were given up. */
  deviceModels: { server: number; why: string }[];
  /** Of a failure: the instruction it is about. */
  story: LaneStory | null;
  /** How far the script of a PC has come; null: there is none. */
  script: ScriptProgress | null;
  /** The end beside that of an undisturbed run; null: not compared. */
  end: EndComparison | null;
  /** By the clock, so different in each run; null: not asked for. */
  measured: Measured | null;
}

export interface ScriptProgress {
  steps: number;
  /** Those of them that are over. */
  done: number;
}

export interface EndComparison {
  /** Instructions completed where the two were compared. */
  instructions: number;
  /** Device accesses of the whole run, each compared with its counterpart. */
  accesses: number;
  /** Screen, memory, registers, devices, output and accesses; each difference is a violation. */
  identical: boolean;
}

/** A comparison without its differences: they are violations. */
export function comparisonOf({ instructions, accesses, differences }: EndReport): EndComparison {
  return { instructions, accesses, identical: differences.length === 0 };
}

/** What is known of a run before it began. */
export function emptyReport(options: StressOptions, guest: string): StressReport {
  return {
    outcome: 'success',
    revision: revisionLabel(options.revision, options.bug),
    guest,
    seed: options.seed,
    checkpoints: 0,
    checkpointsAsked: options.checkpoints,
    instructions: 0,
    accesses: { issued: 0, answered: 0, retired: 0 },
    lost: 0,
    duplicated: 0,
    violations: [],
    violationsTotal: 0,
    reproduce: null,
    windows: {},
    verdict: null,
    crash: null,
    threads: false,
    deviceModels: [],
    story: null,
    script: null,
    end: null,
    measured: null,
  };
}
