// SPDX-License-Identifier: GPL-2.0-only
// docs/exactness.md names the families and numbers of cells there are, and its sums are right.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { matrixCells } from '../../src/toolstack/exactness/cells.ts';

const page = readFileSync(
  fileURLToPath(new URL('../../docs/exactness.md', import.meta.url)),
  'utf8',
);
/** Rows of the table of families: name and numbers. */
const rows = page
  .slice(page.indexOf('| Family |'), page.indexOf('| Place of the stop |'))
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .slice(1)
  .map((line) => line.split('|').slice(1, -1))
  .map(([name = '', ...numbers]) => ({
    name: name.trim().replaceAll('*', ''),
    numbers: numbers.map((text) => Number(text.replace(/[ ,*]/g, ''))),
  }));

test('the document has one row for each family, with its number of cells: npm run exactness:doc', () => {
  const cells = new Map<string, number>();
  for (const { family } of matrixCells(false)) cells.set(family, (cells.get(family) ?? 0) + 1);
  const named = rows.slice(0, -1).map(({ name, numbers }) => [name, numbers[0]]);
  expect(Object.fromEntries(named)).toEqual(Object.fromEntries(cells));
  expect(named).toHaveLength(cells.size);
});

test('its last row is the sum, and there are no failures', () => {
  const total = rows.at(-1);
  expect(total?.name).toBe('all');
  const sums = rows
    .slice(0, -1)
    .reduce<number[]>((sum, { numbers }) => numbers.map((n, i) => n + (sum[i] ?? 0)), []);
  expect(total?.numbers).toEqual(sums);
  expect(total?.numbers.at(-1)).toBe(0);
  expect(total?.numbers[3]).toBeGreaterThan(5000);
});

test('every family is explained', () => {
  for (const { name } of rows.slice(0, -1)) expect(page).toContain(`**${name}**`);
});
