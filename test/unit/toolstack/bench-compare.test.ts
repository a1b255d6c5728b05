// SPDX-License-Identifier: GPL-2.0-only
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { BASELINE_SCHEMA, compareRatios, parseBaseline } from '../../../bench/compare.ts';
import { PEER_NAMES } from '../../../src/peers/names.ts';
import { MEASUREMENTS } from '../../../src/toolstack/bench/bench.ts';
import { VERSUS_LOOPS } from '../../../src/toolstack/bench/versus.ts';

it('a ratio that grew by more than the tolerance is lost', () => {
  const rows = compareRatios({ a: 10, b: 10, c: 10 }, { a: 11.4, b: 11.6, c: 5 }, 0.15);
  expect(rows.map(({ name, lost }) => [name, lost])).toEqual([
    ['a', false],
    ['b', true],
    ['c', false],
  ]);
  expect(rows[1]?.change).toBeCloseTo(0.16);
});

it('what only one of the two has is not compared', () => {
  expect(compareRatios({ a: 1 }, { b: 1 }, 0.15)).toEqual([]);
});

it.each(['{', '{}', 'null', '[]', '{"schema":"trapline.bench-baseline/1","ratios":{"a":"1"}}'])(
  'refuses %s',
  (text) => {
    expect(() => parseBaseline(text, 'b.json')).toThrowError(/^b\.json: expected a baseline/);
  },
);

it('the baseline of the repository names measurements that there are', () => {
  const file = new URL('../../../bench/baseline.json', import.meta.url);
  const { schema, ratios } = parseBaseline(readFileSync(file, 'utf8'), 'bench/baseline.json');
  expect(schema).toBe(BASELINE_SCHEMA);
  const own = MEASUREMENTS.map(([name]) => name);
  const beside = VERSUS_LOOPS.flatMap(([loop]) => PEER_NAMES.map((peer) => `${loop}/${peer}`));
  expect(Object.keys(ratios).filter((name) => !beside.includes(name))).toEqual(own);
  // v86 is there on every machine that has the development dependencies.
  const names = VERSUS_LOOPS.map(([loop]) => `${loop}/v86`);
  expect(Object.keys(ratios).filter((name) => name.endsWith('/v86'))).toEqual(names);
});
