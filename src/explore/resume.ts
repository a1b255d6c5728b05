// SPDX-License-Identifier: GPL-2.0-only
// A search that was stopped, as text: where it stands, what it has counted, which states it has met.
import { HvmError } from '../util/errors.ts';
import type { Dfs, DfsNode } from './dfs.ts';
import { ACTORS } from './scenario.ts';

/** Plain data: where a depth-first search stands. */
export interface SearchState {
  schedules: number;
  pruned: number;
  stack: number[][];
  /** Keys of states, and their visits (`withVisit`): float64 each, base64. */
  keys: string;
  visits: string;
}

export function saveSearch(dfs: Dfs): SearchState {
  const keys = new Float64Array(dfs.visited.size);
  const visits = new Float64Array(dfs.visited.size);
  let i = 0;
  for (const [key, visit] of dfs.visited) {
    keys[i] = key;
    visits[i++] = visit;
  }
  return {
    schedules: dfs.schedules,
    pruned: dfs.pruned,
    stack: dfs.stack.map(({ left }) => left.slice()),
    keys: Buffer.from(keys.buffer).toString('base64'),
    visits: Buffer.from(visits.buffer).toString('base64'),
  };
}

/** Puts a search where another one stopped. */
export function loadSearch(dfs: Dfs, state: SearchState): void {
  dfs.schedules = state.schedules;
  dfs.pruned = state.pruned;
  dfs.stack.length = 0;
  for (const left of state.stack) dfs.stack.push({ left: left.slice() } satisfies DfsNode);
  const bytes = Buffer.from(state.keys, 'base64');
  const visits = Buffer.from(state.visits, 'base64');
  dfs.visited.clear();
  for (let at = 0; at < bytes.length; at += 8) {
    dfs.visited.set(bytes.readDoubleLE(at), visits.readDoubleLE(at));
  }
}

const FORMAT = 'trapline.explore-state/2';

/** @param identity - everything that decides what is searched, in one line */
export function formatState(identity: string, state: SearchState): string {
  return `${JSON.stringify({ format: FORMAT, identity, ...state })}\n`;
}

/** @throws HvmError HVM_USAGE when it is no state, damaged, or of another search */
export function parseState(text: string, identity: string, file: string): SearchState {
  const refuse = (why: string): never => {
    throw new HvmError('HVM_USAGE', `cannot go on from '${file}': ${why}`, { details: { file } });
  };
  let value: Partial<SearchState & { format: string; identity: string }> = {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) value = parsed;
  } catch {
    refuse('it is not the state of a search; expected a file that --state has written');
  }
  if (value.format !== FORMAT) refuse(`its format is '${value.format}'; expected '${FORMAT}'`);
  if (value.identity !== identity) {
    refuse(`it is of another search, '${value.identity}'; expected '${identity}'`);
  }
  const { schedules, pruned, stack, keys, visits } = value;
  const counts = [schedules, pruned];
  if (
    !counts.every((n) => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0) ||
    !Array.isArray(stack) ||
    stack.length === 0 ||
    !stack.every(
      (left) =>
        Array.isArray(left) &&
        left.length > 0 &&
        left.every((a) => Number.isInteger(a) && a >= 0 && a < ACTORS),
    ) ||
    typeof keys !== 'string' ||
    typeof visits !== 'string' ||
    Buffer.from(keys, 'base64').length % 8 !== 0 ||
    Buffer.from(keys, 'base64').length !== Buffer.from(visits, 'base64').length
  ) {
    refuse('it is damaged: a field is missing or makes no sense');
  }
  return value as SearchState;
}
