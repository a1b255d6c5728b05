// SPDX-License-Identifier: GPL-2.0-only
// Campaigns in process: the real stress run, the real files, small numbers.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { CampaignStore } from '../../src/toolstack/campaign/campaign.ts';
import { runCampaign } from '../../src/toolstack/campaign/campaign.ts';
import { identityOf } from '../../src/toolstack/campaign/identity.ts';
import { mergeCampaigns } from '../../src/toolstack/campaign/merge.ts';
import type { SeedRange, Shard } from '../../src/toolstack/campaign/seeds.ts';
import type { CampaignDocument, CampaignIdentity } from '../../src/toolstack/campaign/shapes.ts';
import { readSource } from '../../src/toolstack/campaign/sources.ts';
import { StateFile } from '../../src/toolstack/campaign/state-file.ts';
import { type StateHeader, stateHeader } from '../../src/toolstack/campaign/state-format.ts';
import type { Watch } from '../../src/toolstack/limits.ts';
import { stress } from '../../src/toolstack/stress.ts';
import type { StressOptions, StressReport } from '../../src/toolstack/stress-report.ts';
import { ManualClock } from '../../src/util/clock.ts';
import { type HvmErrorCode, isHvmError } from '../../src/util/errors.ts';

export const MAIN: string = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** A clock that stands still and nobody who interrupts. */
export function watchOf(signal: AbortSignal = new AbortController().signal): Watch {
  return { signal, tick: () => undefined, clock: new ManualClock(), idle: (_ms, then) => then() };
}

/** What is run, but for the seed. */
export const SMALL: StressOptions = {
  guest: 'counter',
  load: {},
  devices: [],
  revision: 'exact',
  seed: 0,
  checkpoints: 20,
  maxInstructions: null,
  timeoutMs: null,
  ledgerPath: null,
};

export const UNFIXED: StressOptions = { ...SMALL, revision: 'before-b7e0d8978810' };

export const BUILD: CampaignIdentity['build'] = { version: '0.0.0', digest: 'b'.repeat(64) };

export function identity(options: StressOptions = SMALL): CampaignIdentity {
  return identityOf(BUILD, options, true);
}

export function runSeed(options: StressOptions, seed: number): Promise<StressReport> {
  return stress({ ...options, seed }, watchOf());
}

/** A store without a file. */
export function memory(): CampaignStore {
  return { results: [], append: () => {} };
}

export interface Part {
  seeds: SeedRange;
  shard: Shard | null;
}

/** A campaign, or a part of one; `run` instead of the stress run. */
export function campaign(
  part: Part,
  store: CampaignStore,
  options: StressOptions = SMALL,
  run: (seed: number) => Promise<StressReport> | StressReport = (seed) => runSeed(options, seed),
): Promise<CampaignDocument> {
  return runCampaign(
    { campaign: identity(options), ...part, durationMs: null, failFast: false },
    run,
    store,
    { ...watchOf(), progress: () => {} },
  );
}

export function header(part: Part, options: StressOptions = SMALL): StateHeader {
  return stateHeader({ campaign: identity(options), ...part });
}

/** Runs what is left of a state file's seeds. */
export async function resume(
  path: string,
  part: Part,
  options: StressOptions = SMALL,
  run?: (seed: number) => Promise<StressReport> | StressReport,
): Promise<CampaignDocument> {
  using store = new StateFile(path, header(part, options));
  return await campaign(part, store, options, run);
}

/** The merged report as it is written to a file. */
export function merged(paths: readonly string[]): string {
  return JSON.stringify(mergeCampaigns(paths.map(readSource)), null, 2);
}

export function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}

/** The error that `action` ends with, which is one of ours and has one line. */
export function refusal(action: () => unknown): { code: HvmErrorCode; message: string } {
  try {
    action();
  } catch (error) {
    if (!isHvmError(error)) throw error;
    if (error.message.includes('\n')) throw error;
    return { code: error.code, message: error.message };
  }
  throw new Error('nothing was refused');
}
