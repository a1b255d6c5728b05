// SPDX-License-Identifier: GPL-2.0-only
// Accesses that stay in the guest, over the cells of the matrix: nothing is otherwise than when each of them leaves it.
import { expect, test } from 'vitest';
import { matrixCells } from '../../src/toolstack/exactness/cells.ts';
import { runMatrix } from '../../src/toolstack/exactness/matrix.ts';
import { STAYING_STOP } from '../../src/toolstack/exactness/stops.ts';
import { watch } from './watch.ts';

async function staying(filter: string | null, full: boolean, every = 1) {
  const { failures, staying, cells } = await runMatrix(
    { filter, cell: null, full, every, stop: STAYING_STOP },
    watch,
  );
  expect(failures).toEqual([]);
  return { ...staying, cells: cells.length };
}

test('accesses in a row, stopped at every instruction', async () => {
  const { runs, stayed, cells } = await staying('accesses in a row', true);
  expect(cells).toBe(16);
  expect(runs).toBeGreaterThan(16 * 10);
  expect(stayed).toBeGreaterThan(50_000);
}, 120_000);

test.each(['IN and OUT', 'blocks and shadows', 'pending interrupt'])(
  '%s',
  async (family) => {
    const { stayed } = await staying(family, false);
    expect(stayed).toBeGreaterThan(0);
  },
  120_000,
);

test('cells of every family', async () => {
  const { runs, stayed } = await staying(null, false, 17);
  expect(runs).toBeGreaterThan(matrixCells(false).length / 17);
  expect(stayed).toBeGreaterThan(100);
}, 240_000);
