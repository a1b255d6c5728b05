// SPDX-License-Identifier: GPL-2.0-only
// Kicks from a second thread, at moments nobody chooses: whatever lands, the cell ends as undisturbed.
import { expect, test } from 'vitest';
import { Kicker } from '../../src/cpu/kicker.ts';
import { matrixCells } from '../../src/toolstack/exactness/cells.ts';
import { differs } from '../../src/toolstack/exactness/compare.ts';
import { runMatrix } from '../../src/toolstack/exactness/matrix.ts';
import { runTrial, type Setup } from '../../src/toolstack/exactness/trial.ts';
import { watch } from './watch.ts';

const EXACT: Setup = { revision: 'exact' };
/** Kicks that have to land inside a cell, and runs until it is given up. */
const WANTED = 100;
const MOST_RUNS = 20_000;

test('cells under kicks end as undisturbed, and kicks land inside', async () => {
  // Long ones and ones of several accesses, of every family.
  const cells = matrixCells(false).filter((_, i) => i % 113 === 0);
  const plain = cells.map((cell) => runTrial(cell, EXACT));
  await using kicker = await Kicker.start();
  kicker.awake = true;
  let inside = 0;
  let runs = 0;
  while (inside < WANTED && runs < MOST_RUNS) {
    for (const [i, cell] of cells.entries()) {
      const found = runTrial(cell, EXACT, { kicker });
      const wanted = plain[i];
      if (wanted === undefined) throw new Error('no run');
      expect([cell.name, differs(found, wanted)]).toEqual([cell.name, null]);
      inside += found.kicksInside;
      runs++;
    }
  }
  kicker.awake = false;
  expect(inside).toBeGreaterThanOrEqual(WANTED);
}, 120_000);

test('asked for by name, the matrix runs nothing else', async () => {
  const asked = {
    filter: 'rep ins 4 count 100, 16-bit',
    stop: 'thread kick',
    full: false,
  } as const;
  const result = await runMatrix({ ...asked, threadRuns: 20 }, watch);
  expect(result.combinations).toBe(0);
  expect(result.thread).toMatchObject({ runs: 20, failures: 0 });
  expect(result.failures).toEqual([]);
});

test('a fault that only kicks show is caught, and named', async () => {
  // Whoever is kicked has lost a count.
  const setup: Setup = {
    revision: 'exact',
    machine: ({ cpu }) => {
      const run = cpu.run.bind(cpu);
      cpu.run = () => {
        const exit = run();
        if (exit === 6) cpu.charge(1);
        return exit;
      };
    },
  };
  const asked = { cell: 'rep ins 1 count 100, 32-bit', stop: 'thread kick', full: false } as const;
  const result = await runMatrix({ ...asked, threadRuns: 300, setup }, watch);
  expect(result.thread.failures).toBeGreaterThan(0);
  expect(result.failures[0]?.stop).toBe('thread kick');
  expect(result.failures[0]?.reproduce).toBe(
    "trapline exactness --cell 'rep ins 1 count 100, 32-bit' --stop 'thread kick'",
  );
}, 60_000);
