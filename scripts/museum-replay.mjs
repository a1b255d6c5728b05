// SPDX-License-Identifier: GPL-2.0-only
// `npm run museum:replay`: the counterexample of every museum bug, and of what else the explorer finds, replayed many
// times on both CPUs, each in a fresh process; every run must be the same in every event and break the same.
// Arguments: --times N (10,000), and ids of bugs, if not all of them are wanted.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CannotRun, isMain, ROOT } from './lib.mjs';
import { setUp } from './setup.mjs';

/** Searches without a bug that find something: the race, what the fix left open, and what the further actors show. */
const OTHERS = [
  ['counter', '--revision', 'before-b7e0d8978810'],
  ['rmw-ledger', '--revision', 'fixed'],
  ['counter', '--revision', 'fixed', '--kills', '1'],
  ['smp-counter', '--revision', 'before-b7e0d8978810', '--vcpus', '2'],
];
const CPUS = ['real', 'scripted'];

function document(args, codes) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'dist/cli/main.js'), ...args, '--json', '--quiet'],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (!codes.includes(status) || stdout === '')
    throw new CannotRun(`trapline ${args.join(' ')}: exit code ${status}: ${stderr}`, 1);
  return JSON.parse(stdout);
}

/** Names of broken invariants, the first to break first: later ones may be the guest's own words, of which a list has none. */
const broken = (findings) => findings.map((f) => f.invariant);

/**
 * The counterexample of one search, on both CPUs.
 * @param args of `trapline explore`
 * @returns `{ schedule, runs: [{ cpu, same, broken, seconds }] }`
 */
export function replayBoth(args, times) {
  const { violations } = document(['explore', ...args], [1]);
  const [{ schedule, told }] = violations;
  const runs = CPUS.map((cpu) => {
    const it = document(['replay', schedule, '--cpu', cpu, '--times', String(times)], [0, 1]);
    return { cpu, same: it.same, broken: broken(it.told.findings), seconds: it.durationMs / 1000 };
  });
  return { schedule, found: broken(told.findings), runs };
}

/** Whether every run was the same, and broke what the search found, the same first. */
export function holds({ found, runs }, times) {
  return runs.every((run) => run.same === times && run.broken[0] === found[0]);
}

if (isMain(import.meta.url)) {
  CannotRun.orExit(() => {
    const { values, positionals } = parseArgs({
      options: { times: { type: 'string', default: '10000' } },
      allowPositionals: true,
    });
    const times = Number(values.times);
    if (!Number.isInteger(times) || times < 1)
      throw new CannotRun(`--times '${values.times}': expected a whole number above 0`, 2);
    setUp();
    const ids =
      positionals.length > 0 ? positionals : document(['bugs'], [0]).bugs.map(({ id }) => id);
    const searches = ids.map((id) => ['--bug', id]);
    if (positionals.length === 0) searches.push(...OTHERS);
    let good = true;
    for (const args of searches) {
      const result = replayBoth(args, times);
      const fine = holds(result, times);
      good &&= fine;
      const cells = result.runs.map(
        ({ cpu, same, seconds, broken: names }) =>
          `${cpu} ${same} of ${times} in ${seconds.toFixed(1)} s${fine ? '' : ` (${names.join(', ')})`}`,
      );
      process.stdout.write(
        `${fine ? 'same' : 'DIFFERS'}  ${result.schedule}  ${result.found.join(', ')}: ${cells.join('; ')}\n`,
      );
    }
    if (!good) throw new CannotRun('not every counterexample is the same on both CPUs', 1);
  });
}
