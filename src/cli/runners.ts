// SPDX-License-Identifier: GPL-2.0-only
// Joins the commands to what they run: the host's clock, its timer and its terminal are given here.
import { explore } from '../explore/explorer.ts';
import { replay } from '../explore/replay.ts';
import { runMatrix } from '../toolstack/exactness/matrix.ts';
import { race } from '../toolstack/race.ts';
import { runGuest } from '../toolstack/run.ts';
import { stress } from '../toolstack/stress.ts';
import { stressThreads } from '../toolstack/threads/stress-threads.ts';
import { hostClock } from '../util/clock.ts';
import { RunMeter } from '../util/measure.ts';
import { serve } from '../web/serve.ts';
import type { ExactnessRunner } from './commands/exactness.ts';
import type { ExploreRunner } from './commands/explore.ts';
import type { RaceRunner } from './commands/race.ts';
import type { ReplayRunner } from './commands/replay.ts';
import type { RunRunner } from './commands/run.ts';
import type { ServeRunner } from './commands/serve.ts';
import type { StressRunner } from './stress-request.ts';
import { TerminalInput } from './terminal-input.ts';

export const host = {
  clock: hostClock,
  idle: (ms: number, then: () => void): void => {
    setTimeout(then, ms);
  },
};

const meter = (): RunMeter => new RunMeter(host.clock);

export const runRunner: RunRunner = async (request, hooks) => {
  if (hooks.seated) return await runGuest(request, { ...host, ...hooks });
  using input = new TerminalInput(process.stdin);
  return await runGuest(request, { ...host, ...hooks, input, lineInput: input.line });
};

export const serveRunner: ServeRunner = (request, hooks) => serve(request, { ...host, ...hooks });

export const stressRunner: StressRunner = (request, hooks) => {
  const options = { ...request, meter: request.measure ? meter() : null };
  const watch = { ...host, ...hooks };
  const { threads } = options;
  return threads === null ? stress(options, watch) : stressThreads({ ...options, threads }, watch);
};

export const raceRunner: RaceRunner = (request, hooks) =>
  race({ ...request, meter: request.measure ? meter : null }, { ...host, ...hooks });

export const exactnessRunner: ExactnessRunner = async (request, hooks) => {
  const result = await runMatrix(request, { ...host, ...hooks });
  const ended = result.interrupted ? 'interrupted' : 'success';
  return { ...result, outcome: result.failuresTotal > 0 ? 'failure' : ended };
};

export const exploreRunner: ExploreRunner = (request, hooks) =>
  explore(request, { ...host, ...hooks });

export const replayRunner: ReplayRunner = replay;
