// SPDX-License-Identifier: GPL-2.0-only
// A part of the matrix in every test run: every family of cells, every kind of stop.
import { expect, test } from 'vitest';
import { matrixCells, selectCells } from '../../src/toolstack/exactness/cells.ts';
import { runMatrix } from '../../src/toolstack/exactness/matrix.ts';
import { parseStop, sample, stopName } from '../../src/toolstack/exactness/stops.ts';
import { runTrial } from '../../src/toolstack/exactness/trial.ts';
import type { RevisionName } from '../../src/xen/hvm/revision.ts';
import { watch } from './watch.ts';

test('stopped anywhere, every form leaves what the undisturbed run leaves', async () => {
  const result = await runMatrix({ stop: null, full: false, every: 41, threadRuns: 0 }, watch);
  expect(result.failures).toEqual([]);
  expect(result.failuresTotal).toBe(0);
  expect(result.combinations).toBeGreaterThan(5000);
  expect(Object.keys(result.stops)).toHaveLength(9);
  const families = new Set(matrixCells(false).map((c) => c.family));
  // A family of few cells falls through the stride: it has a turn of its own.
  const rest = { stop: null, full: false, every: 11, threadRuns: 0, filter: 'pending interrupt: ' };
  const few = await runMatrix(rest, watch);
  expect(few.failures).toEqual([]);
  const run = [...result.cells, ...few.cells];
  expect(new Set(run.map((c) => c.family))).toEqual(families);
  // Most cells are stopped everywhere.
  const whole = result.cells.filter((c) => c.combinations === c.possible);
  expect(whole.length).toBeGreaterThan(0.6 * result.cells.length);
}, 300_000);

test('a failure names one stop, and that stop can be asked for', async () => {
  const stop = parseStop('step 4 restore');
  const result = await runMatrix({ cell: 'rep ins 1 count 3, 16-bit', stop, full: false }, watch);
  expect(result.cells.map((c) => c.name)).toEqual(['rep ins 1 count 3, 16-bit']);
  expect(result.combinations).toBe(1);
  expect(result.possible).toBeGreaterThan(100);
  expect(result.failures).toEqual([]);
});

test('the command that shows a failure again selects exactly its cell and its stop', async () => {
  const setup = { revision: 'before-b7e0d8978810' } as const;
  const asked = { filter: 'in imm8 1, 16-bit', stop: null, full: false, threadRuns: 0, setup };
  const [failure] = (await runMatrix(asked, watch)).failures;
  const [, cell = '', stop = ''] =
    /^trapline exactness --cell '(.*)' --stop '(.*)'$/.exec(failure?.reproduce ?? '') ?? [];
  const again = { cell, stop: parseStop(stop), full: false, setup };
  const result = await runMatrix(again, watch);
  expect(result.cells).toHaveLength(1);
  expect(result.failures).toEqual([failure]);
});

test('cell names are unique: one name is one cell', () => {
  const names = matrixCells(true).map((c) => c.name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.filter((name) => name.includes("'"))).toEqual([]);
});

test('what selects nothing is refused', async () => {
  const full = false;
  expect(() => selectCells({ filter: 'nonsense', full })).toThrow(/--filter 'nonsense'.*families/);
  expect(() => selectCells({ filter: 'count 65535', full })).toThrow(/only with --full/);
  expect(selectCells({ filter: 'count 65535', full: true }).length).toBeGreaterThan(20);
  expect(() => selectCells({ cell: 'in imm8 1, 16bit', full })).toThrow(
    /no cell .*did you mean 'in imm8 1, 16-bit'/,
  );
  const far = parseStop('point 9999 kick');
  await expect(runMatrix({ cell: 'in imm8 1, 16-bit', stop: far, full }, watch)).rejects.toThrow(
    /--stop 'point 9999 kick'.*fewer places/,
  );
});

test('names of stops', () => {
  const stop = { where: 'instruction', index: 3, deed: 'resume' } as const;
  expect(parseStop(stopName(stop))).toEqual(stop);
  expect(parseStop('thread kick')).toBe('thread kick');
  for (const text of ['', 'point', 'point 1', 'point x kick', 'point -1 kick', 'point 1 kick x'])
    expect(() => parseStop(text)).toThrow(/expected one of point, step, instruction/);
});

test('few places: all of them; many: the ends, and cells take turns in between', () => {
  const reach = { all: 10, some: 8 };
  expect(sample(2, reach, 0)).toEqual([0, 1]);
  expect(sample(10, reach, 5)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const seen = new Set<number>();
  for (let turn = 0; turn < 60; turn++) {
    const places = sample(30, reach, turn);
    expect(places).toHaveLength(8);
    expect(new Set(places).size).toBe(8);
    expect(places.slice(0, 2)).toEqual([0, 1]);
    expect(places.slice(-2)).toEqual([28, 29]);
    for (const at of places) seen.add(at);
  }
  expect(seen.size).toBe(30);
});

/** Names of the cells of the given forms whose undisturbed run has an access that no device was asked for. */
function lostBy(revision: RevisionName, form: RegExp): string[] {
  return matrixCells(false)
    .filter((cell) => form.test(cell.name))
    .filter((cell) => runTrial(cell, { revision }).fields.unclaimed !== 0)
    .map((cell) => cell.name);
}

test('every access of every cell reaches a device', () => {
  expect(lostBy('exact', /./)).toEqual([]);
}, 300_000);

test('without rep_split_element_alone a run that begins on the edge of a device reaches none', () => {
  const lost = lostBy('fixed', /^rep (movs|stos).*-bit$/);
  for (const name of lost) {
    expect(name).toMatch(/^rep (movs|stos).* [24] (from a device into RAM|over two devices),/);
  }
  expect(lost).toHaveLength(24);
}, 300_000);
