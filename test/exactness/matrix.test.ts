// SPDX-License-Identifier: GPL-2.0-only
// A part of the matrix in every test run: every family of cells, every kind of stop.
import { expect, test } from 'vitest';
import { matrixCells, runMatrix, sample } from '../../src/toolstack/exactness/matrix.ts';
import { runTrial } from '../../src/toolstack/exactness/trial.ts';
import type { RevisionName } from '../../src/xen/hvm/revision.ts';
import { watch } from './watch.ts';

test('stopped anywhere, every form leaves what the undisturbed run leaves', async () => {
  const result = await runMatrix({ filter: null, stop: null, full: false, every: 17 }, watch);
  expect(result.failures).toEqual([]);
  expect(result.failuresTotal).toBe(0);
  expect(result.combinations).toBeGreaterThan(1000);
  expect(Object.keys(result.stops)).toHaveLength(9);
  expect(new Set(result.cells.map((c) => c.family)).size).toBe(7);
}, 60_000);

test('a failure names one stop, and that stop can be asked for', async () => {
  const asked = { filter: 'rep ins 1 count 3, 16-bit', stop: 'step 4 restore', full: true };
  const result = await runMatrix(asked, watch);
  expect(result.combinations).toBe(1);
  expect(result.failures).toEqual([]);
});

test('cells take turns in which of their places are sampled', () => {
  expect(sample(2, 3, 0)).toEqual([0, 1]);
  const seen = new Set<number>();
  for (let turn = 0; turn < 40; turn++) for (const at of sample(20, 2, turn)) seen.add(at);
  expect(seen.size).toBe(20);
});

/** Names of the cells of the given forms whose undisturbed run has an access that no device was asked for. */
function lostBy(revision: RevisionName, form: RegExp): string[] {
  return matrixCells(false)
    .filter((cell) => form.test(cell.name))
    .filter((cell) => runTrial(cell, { revision }, null).fields.unclaimed !== 0)
    .map((cell) => cell.name);
}

test('every access of every cell reaches a device', () => {
  expect(lostBy('exact', /./)).toEqual([]);
}, 60_000);

test('without rep_split_element_alone a run that begins on the edge of a device reaches none', () => {
  const lost = lostBy('fixed', /^rep (movs|stos)/);
  for (const name of lost) {
    expect(name).toMatch(/^rep (movs|stos).* [24] (from a device into RAM|over two devices),/);
  }
  expect(lost).toHaveLength(24);
}, 60_000);
