// SPDX-License-Identifier: GPL-2.0-only
// `npm run bench:explore`: how many runs of a search fit into a second, on both CPUs; CPU time of the process. Each row
// has a process of its own, as a search has: what the engine learnt from another world is measured for nobody.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable } from '../src/cli/format.ts';
import { Dfs } from '../src/explore/dfs.ts';
import { makeArena } from '../src/explore/make-arena.ts';
import { processClock } from '../src/util/clock.ts';
import { formatCount } from '../src/util/quantity.ts';

const { values } = parseArgs({
  options: {
    time: { type: 'string', default: '3000' },
    json: { type: 'boolean', default: false },
    /** Of this program itself: measures this row only, as JSON. */
    row: { type: 'string' },
  },
});
const timeMs = Number(values.time);
if (!(timeMs > 0)) {
  process.stderr.write(`--time '${values.time}': expected milliseconds above 0\n`);
  process.exit(2);
}

/** Size of the scenario: accesses, checkpoints, bound on preemptions. */
const SIZES = [
  [3, 2, 3],
  [1, 1, 2],
] as const;

interface Row {
  name: string;
  /** Runs per second, those cut short included. */
  runs: number;
  /** Runs per second that went to their end. */
  schedules: number;
}

function measure(cpu: 'real' | 'scripted', size: (typeof SIZES)[number], prune: boolean): Row {
  const [ios, checkpoints, preemptions] = size;
  using arena = makeArena({
    guest: 'counter',
    load: {},
    devices: [],
    revision: 'exact',
    cpu,
    ios,
    checkpoints,
  });
  arena.hashing = prune;
  let runs = 0;
  let schedules = 0;
  let dfs = new Dfs(preemptions, prune);
  const slice = (ms: number): number => {
    const startMs = processClock.nowMs();
    let nowMs = startMs;
    while (nowMs - startMs < ms) {
      for (let i = 0; i < 100; i++) {
        if (arena.run(dfs.choose, dfs.shared).end !== 'cut') schedules++;
        runs++;
        // Complete: from the beginning, with nothing known.
        if (!dfs.next()) dfs = new Dfs(preemptions, prune);
      }
      nowMs = processClock.nowMs();
    }
    return nowMs - startMs;
  };
  slice(timeMs);
  runs = schedules = 0;
  const seconds = slice(timeMs) / 1000;
  const how = prune ? 'states met before cut short' : 'every order to its end';
  return {
    name: `counter, ${cpu}, ${size.join('/')}, ${how}`,
    runs: runs / seconds,
    schedules: schedules / seconds,
  };
}

const CELLS = (['real', 'scripted'] as const).flatMap((cpu) =>
  SIZES.flatMap((size) => [true, false].map((prune) => ({ cpu, size, prune }))),
);

if (values.row !== undefined) {
  const cell = CELLS[Number(values.row)];
  if (cell === undefined) throw new Error(`--row ${values.row}: below ${CELLS.length}`);
  process.stdout.write(JSON.stringify(measure(cell.cpu, cell.size, cell.prune)));
  process.exit(0);
}
const self = fileURLToPath(import.meta.url);
const rows = CELLS.map((_, i): Row => {
  const args = [self, '--time', values.time, '--row', String(i)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Row;
});
if (values.json) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
else {
  const cells = rows.map(({ name, runs, schedules }) => [
    name,
    formatCount(Math.round(runs)),
    formatCount(Math.round(schedules)),
  ]);
  const head = ['accesses/checkpoints/preemptions', 'runs/s', 'to the end/s'];
  process.stdout.write(`${formatTable([head, ...cells], { right: [1, 2] })}\n`);
}
