// SPDX-License-Identifier: GPL-2.0-only
// The story: one guest and one seed, without the fix until a value is lost, then with it through the same places.
import type { LaneStory } from '../ledger/lanes.ts';
import type { Measured, RunMeter } from '../util/measure.ts';
import type { RevisionName } from '../xen/hvm/revision.ts';
import { Limits, type Watch } from './limits.ts';
import { CheckpointSession } from './session.ts';
import type { StoryEvent } from './story.ts';
import { judge, takeCheckpoints } from './stress.ts';
import type { StressOptions, StressOutcome } from './stress-report.ts';

const GUEST = 'counter';

export interface RaceOptions {
  seed: number;
  checkpoints: number;
  /** A meter for each side; none: not measured. */
  meter?: (() => RunMeter) | null;
}

/** One side of the race. */
export interface RaceSide {
  revision: string;
  outcome: StressOutcome;
  checkpoints: number;
  accesses: number;
  lost: number;
  duplicated: number;
  values: number[];
  expected: number | null;
  got: number | null;
  events: StoryEvent[];
  windows: Record<string, number>;
  /** The same events as `events` and more, for a chart. */
  story: LaneStory | null;
  /** By the clock, so different in each run; null: not asked for. */
  measured: Measured | null;
}

export interface RaceReport {
  guest: string;
  seed: number;
  without: RaceSide;
  with: RaceSide;
}

/** Runs both sides. The second one tells what happened at the checkpoint at which the first one lost. */
export async function race(options: RaceOptions, watch: Watch): Promise<RaceReport> {
  const without = await side(options, 'before-b7e0d8978810', 0, watch);
  const fixed = await side(options, 'fixed', without.at, watch);
  return { guest: GUEST, seed: options.seed, without: without.side, with: fixed.side };
}

async function side(
  options: RaceOptions,
  revision: RevisionName,
  keepAt: number,
  watch: Watch,
): Promise<{ side: RaceSide; at: number }> {
  const asked: StressOptions = {
    guest: GUEST,
    load: {},
    devices: [],
    revision,
    seed: options.seed,
    checkpoints: options.checkpoints,
    maxInstructions: null,
    timeoutMs: null,
    ledgerPath: null,
    meter: options.meter?.() ?? null,
  };
  using session = new CheckpointSession(asked);
  session.story.keepAt = keepAt;
  const limits = new Limits(watch, null, null);
  // What the guest had read around the same place.
  let values: number[] = [];
  if (keepAt > 0) {
    await takeCheckpoints(session, Math.min(keepAt + 4, options.checkpoints), limits, watch);
    values = session.log.recent.slice();
  }
  const end = await takeCheckpoints(session, options.checkpoints, limits, watch);
  const report = judge(session, asked, end);
  const { gap } = session.log;
  return {
    at: session.story.brokenAt,
    side: {
      revision,
      outcome: report.outcome,
      checkpoints: report.checkpoints,
      accesses: report.accesses.issued,
      lost: report.lost,
      duplicated: report.duplicated,
      values: keepAt > 0 ? values : session.log.recent.slice(),
      expected: gap?.expected ?? null,
      got: gap?.got ?? null,
      events: session.story.told,
      windows: report.windows,
      story: session.story.lanes,
      measured: report.measured,
    },
  };
}
