// SPDX-License-Identifier: GPL-2.0-only
// Campaigns: a pure function of seeds, however they are divided, killed and resumed. Kills need dist/.
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildFiles } from '../../src/cli/build.ts';
import { buildIdentity, identityOf } from '../../src/toolstack/campaign/identity.ts';
import type { CampaignDocument } from '../../src/toolstack/campaign/shapes.ts';
import { StateFile } from '../../src/toolstack/campaign/state-file.ts';
import { stateHeader } from '../../src/toolstack/campaign/state-format.ts';
import type { StressReport } from '../../src/toolstack/stress-report.ts';
import { Random } from '../../src/util/random.ts';
import {
  campaign,
  MAIN,
  memory,
  merged,
  type Part,
  resume,
  runSeed,
  SMALL,
  UNFIXED,
} from '../helpers/campaign.ts';

const folder = mkdtempSync(join(tmpdir(), 'trapline-campaign-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string): string => join(folder, name);

function save(name: string, document: CampaignDocument): string {
  writeFileSync(file(name), JSON.stringify(document));
  return file(name);
}

const seeds = { first: 3, last: 26 };
const WHOLE: Part = { seeds, shard: null };

describe.each([
  ['nothing wrong', SMALL],
  ['violations', UNFIXED],
])('with %s', (what, options) => {
  let undisturbed: string;
  beforeAll(async () => {
    undisturbed = merged([save(`whole ${what}`, await campaign(WHOLE, memory(), options))]);
  }, 60_000);

  it('the result of a seed does not depend on those before it', async () => {
    const { determined } = await campaign(WHOLE, memory(), options);
    for (const { seed, digest } of [...determined.results].reverse()) {
      const alone = await campaign(
        { seeds: { first: seed, last: seed }, shard: null },
        memory(),
        options,
      );
      expect(alone.determined.results[0]?.digest).toBe(digest);
    }
    expect(new Set(determined.results.map(({ digest }) => digest)).size).toBe(24);
  }, 60_000);

  it.each([1, 2, 3, 7])(
    '%d shards merge to the undisturbed run, byte for byte',
    async (count) => {
      const paths: string[] = [];
      for (let index = 1; index <= count; index++) {
        const part = { seeds, shard: { index, count } };
        const report = await campaign(part, memory(), options);
        // Every second one by its report, the others by their state files.
        const name = `${what} ${index} of ${count}`;
        if (index % 2 === 0) paths.push(save(name, report));
        else {
          await resume(file(name), part, options);
          paths.push(file(name));
        }
      }
      expect(merged(paths)).toBe(undisturbed);
      expect(merged([...paths].reverse())).toBe(undisturbed);
      // Everything twice counts once.
      expect(merged([...paths, ...paths, paths[0] as string])).toBe(undisturbed);
    },
    60_000,
  );

  it('neighbouring ranges merge to one', async () => {
    const halves = [
      { first: 3, last: 10 },
      { first: 11, last: 26 },
    ];
    const paths: string[] = [];
    for (const half of halves) {
      const report = await campaign({ seeds: half, shard: null }, memory(), options);
      paths.push(save(`${what} half ${half.first}`, report));
    }
    expect(merged(paths)).toBe(undisturbed);
  });

  it('a file cut off anywhere is resumed to the same', async () => {
    const part = { seeds: { first: 3, last: 6 }, shard: null };
    const reports = new Map<number, StressReport>();
    for (const seed of [3, 4, 5, 6]) reports.set(seed, await runSeed(options, seed));
    const again = (seed: number): StressReport => reports.get(seed) as StressReport;
    const full = file(`full ${what}`);
    await resume(full, part, options, again);
    const bytes = readFileSync(full);
    const expected = merged([full]);
    const cut = file(`cut ${what}`);
    const ends = [...bytes.keys()].filter((at) => bytes[at] === 10);
    expect(ends).toHaveLength(5);
    const places = new Set([0, 1, ...ends.flatMap((end) => [end - 1, end, end + 1])]);
    for (let at = 0; at < bytes.length; at += 151) places.add(at);
    for (const at of places) {
      writeFileSync(cut, bytes.subarray(0, at));
      const whole = ends.filter((end) => end < at).length;
      const report = await resume(cut, part, options, again);
      expect(report.measured).toMatchObject({ seedsBefore: Math.max(whole - 1, 0), ended: 'done' });
      expect(readFileSync(cut).equals(bytes), `cut at ${at}`).toBe(true);
    }
    expect(merged([cut])).toBe(expected);
  }, 60_000);
});

/** One shard as a process of its own. */
function shard(index: number, path: string, revision: string, checkpoints = 500) {
  const child = spawn(
    process.execPath,
    [
      MAIN,
      ...['stress', 'counter', '--seeds', '1-80', '--shard', `${index}/2`, '--revision', revision],
      ...['--checkpoints', String(checkpoints), '--resume', path, '--json'],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  child.stdout.resume();
  const closed = new Promise<number | string | null>((resolve) =>
    child.once('close', (code, signal) => resolve(signal ?? code)),
  );
  return { child, closed };
}

const size = (path: string): number => (existsSync(path) ? statSync(path).size : 0);

it('two shards killed again and again, and resumed, merge to the undisturbed run', async () => {
  const random = new Random(20);
  const undisturbed = [file('kept-1'), file('kept-2')];
  for (const [i, path] of undisturbed.entries()) {
    expect(await shard(i + 1, path, 'exact').closed).toBe(0);
  }
  const killed = [file('killed-1'), file('killed-2')];
  let kills = 0;
  const rough = async (index: number, path: string): Promise<void> => {
    for (let round = 0; ; round++) {
      const before = size(path);
      const { child, closed } = shard(index, path, 'exact');
      let over = false;
      void closed.then(() => {
        over = true;
      });
      // Four kills, each after some progress, at a moment that falls anywhere into a seed or its line.
      if (round < 4) {
        const lines = random.below(3);
        let grown = before;
        for (let seen = 0; seen <= lines && !over; ) {
          await new Promise((resolve) => setImmediate(resolve));
          if (size(path) > grown) {
            grown = size(path);
            seen++;
          }
        }
        await new Promise((resolve) => setTimeout(resolve, random.below(12)));
        child.kill('SIGKILL');
      }
      const end = await closed;
      if (end === 'SIGKILL') kills++;
      else {
        expect(end).toBe(0);
        return;
      }
    }
  };
  await Promise.all(killed.map((path, i) => rough(i + 1, path)));
  expect(kills).toBeGreaterThanOrEqual(4);
  expect(merged(killed)).toBe(merged(undisturbed));
  const { outcome, determined } = JSON.parse(merged(killed)) as CampaignDocument;
  expect(outcome).toBe('success');
  expect(determined.totals).toMatchObject({ seeds: 80, checkpoints: 40_000, lost: 0 });
}, 120_000);

it('Ctrl-C keeps what is finished; the seed under way is run again', async () => {
  const path = file('interrupted');
  const { child, closed } = shard(1, path, 'exact');
  await expect.poll(() => size(path), { timeout: 120_000, interval: 5 }).toBeGreaterThan(2000);
  child.kill('SIGINT');
  expect(await closed).toBe(130);
  expect(readFileSync(path, 'utf8').endsWith('}\n')).toBe(true);
  const first = size(path);
  const copy = file('interrupted-copy');
  copyFileSync(path, copy);
  expect(await shard(1, path, 'exact').closed).toBe(0);
  expect(size(path)).toBeGreaterThan(first);
  expect(readFileSync(path).subarray(0, first).equals(readFileSync(copy))).toBe(true);
}, 60_000);

it('a second writer is refused while the first one lives, also in another process', async () => {
  const path = file('busy');
  const first = shard(1, path, 'exact', 30_000);
  await expect.poll(() => size(path), { timeout: 120_000, interval: 5 }).toBeGreaterThan(0);
  expect(await shard(1, path, 'exact', 30_000).closed).toBe(2);
  first.child.kill('SIGKILL');
  expect(await first.closed).toBe('SIGKILL');
  // It did no harm, and the file is free again.
  const options = { ...SMALL, checkpoints: 30_000 };
  const part = { seeds: { first: 1, last: 80 }, shard: { index: 1, count: 2 } };
  const built = identityOf(
    buildIdentity({ ...buildFiles(), program: dirname(dirname(MAIN)) }),
    options,
    true,
  );
  const store = new StateFile(path, stateHeader({ campaign: built, ...part }));
  store[Symbol.dispose]();
}, 60_000);

it('violations of a killed shard count once', async () => {
  const path = file('unfixed');
  const { child, closed } = shard(2, path, 'before-b7e0d8978810');
  await expect.poll(() => size(path), { timeout: 120_000, interval: 1 }).toBeGreaterThan(800);
  child.kill('SIGKILL');
  await closed;
  expect(await shard(2, path, 'before-b7e0d8978810').closed).toBe(1);
  const { determined, outcome } = JSON.parse(merged([path])) as CampaignDocument;
  expect(outcome).toBe('failure');
  expect(determined.totals.outcomes).toEqual({ failure: 40 });
  expect(determined.missing.count).toBe(40);
  for (const { reproduce, seed } of determined.results) {
    expect(reproduce).toContain(`--seed ${seed} `);
  }
}, 60_000);
