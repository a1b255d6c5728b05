// SPDX-License-Identifier: GPL-2.0-only
// Runs a benchmark: what we take by ourselves, then us beside the other monitors of this machine.
import { fileURLToPath } from 'node:url';
import { findPeers } from '../peers/find.ts';
import { startLines } from '../peers/line-peer.ts';
import { PEER_NAMES } from '../peers/names.ts';
import { rateAll } from '../toolstack/bench/bench.ts';
import {
  OURS,
  type Peer,
  VERSUS_LOOPS,
  type VersusResult,
  versus,
} from '../toolstack/bench/versus.ts';
import { processClock } from '../util/clock.ts';
import { version } from './build.ts';
import type { RunHooks } from './command.ts';
import type { BenchRequest, BenchResult } from './commands/bench.ts';

const CHILD = fileURLToPath(new URL('./bench-child.js', import.meta.url));

const ours: Peer = {
  name: OURS,
  version: version(),
  answeredBy: 'a device model in TypeScript behind an ioreq server, in the same thread',
  start: (_program, loop) => startLines(process.execPath, [CHILD, loop]),
};

async function againstPeers(request: BenchRequest, hooks: RunHooks): Promise<VersusResult> {
  const { name, timeMs, v86 } = request;
  const wanted = (candidate: string): boolean => name === null || candidate.includes(name);
  // Nobody is looked for, and nothing compiled, that is not measured.
  const names = PEER_NAMES.filter(
    (peer) =>
      request.peers.includes(peer) && VERSUS_LOOPS.some(([loop]) => wanted(`${loop}/${peer}`)),
  );
  using found = await findPeers(names, { v86, signal: hooks.signal });
  const { peers, absent } = found;
  return await versus({ ours, peers, absent, wanted, timeMs, hooks });
}

/** @returns beside the result: each measurement of our own divided by the yardstick beside it */
export async function rateBench(
  request: BenchRequest,
  hooks: RunHooks,
): Promise<{ result: BenchResult; yardstick: Record<string, number> }> {
  const { ratios: yardstick, ...own } = await rateAll(processClock, request, hooks);
  const { peers, results, ratios } = await againstPeers(request, hooks);
  const result = {
    ...own,
    peers,
    versus: { results, ratios },
    ratios: Object.fromEntries(ratios.map(({ name, median }) => [name, median])),
  };
  return { result, yardstick };
}

/** The runner of `trapline bench`. */
export async function benchRunner(request: BenchRequest, hooks: RunHooks): Promise<BenchResult> {
  const { result } = await rateBench(request, hooks);
  return result;
}
