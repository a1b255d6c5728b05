// SPDX-License-Identifier: GPL-2.0-only
// `npm run bench:check` against doctored baselines: with real measurements of one loop, and with invented ones.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BASELINE_SCHEMA } from '../../../bench/compare.ts';
import { benchMain } from '../../../bench/run.ts';
import type { rateBench } from '../../../src/cli/bench-runner.ts';
import { ROOT } from '../../helpers/markdown.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-check-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function baseline(ratios: Record<string, number>): string {
  const file = join(folder, 'baseline.json');
  writeFileSync(file, JSON.stringify({ schema: BASELINE_SCHEMA, environment: {}, ratios }));
  return file;
}

/** Measurements by name, one after the other each time it is asked for; which were asked for. */
function invented(values: Record<string, number[]>) {
  const asked: (string | null)[] = [];
  const rate: typeof rateBench = async ({ name }) => {
    asked.push(name);
    const found = Object.entries(values).filter(([key]) => name === null || key === name);
    const ratios = Object.fromEntries(found.map(([key, list]) => [key, list.shift() ?? 0]));
    const none = { method: '', results: [], stages: [], peers: [] };
    const result = { ...none, versus: { results: [], ratios: [] }, ratios };
    return { result, yardstick: {} };
  };
  return { asked, rate };
}

async function check(args: readonly string[], rate?: typeof rateBench) {
  const said: string[] = [];
  const code = await benchMain(args, (text) => said.push(text), rate);
  return { code, text: said.join('\n') };
}

it('a real loop is lost against a baseline far below it, and not against one above', async () => {
  const args = ['loop/alu-short', '--peers', 'none', '--time', '40', '--compare'];
  const lost = await check([...args, baseline({ 'loop/alu-short': 1e-6 })]);
  expect(lost.code).toBe(1);
  expect(lost.text).toContain('LOST');
  expect(lost.text).toContain('1 of 1 ratios grew by more than 15 %');
  const kept = await check([...args, baseline({ 'loop/alu-short': 1e6 })]);
  expect(kept.code).toBe(0);
  expect(kept.text).toContain('no ratio of 1 grew by more than 15 %');
}, 60_000);

it('a ratio to a peer that grew by 16 % is lost after five looks', async () => {
  const { asked, rate } = invented({
    'in/v86': [1.16, 1.17, 1.16, 1.2, 1.16],
    'out/v86': [1.14],
  });
  const file = baseline({ 'in/v86': 1, 'out/v86': 1 });
  expect(await check(['--compare', file], rate)).toMatchObject({ code: 1 });
  expect(asked).toEqual([null, 'in/v86', 'in/v86', 'in/v86', 'in/v86']);
});

it('one that only seemed lost is not', async () => {
  const { asked, rate } = invented({ 'in/v86': [1.5, 1.1] });
  expect(await check(['--compare', baseline({ 'in/v86': 1 })], rate)).toMatchObject({ code: 0 });
  expect(asked).toEqual([null, 'in/v86']);
});

it('what cannot be measured again stays lost', async () => {
  const { rate } = invented({ 'in/v86': [2] });
  const once: typeof rateBench = async (request, hooks) => {
    const rated = await rate(request, hooks);
    if (request.name !== null) rated.result.ratios = {};
    return rated;
  };
  expect(await check(['--compare', baseline({ 'in/v86': 1 })], once)).toMatchObject({ code: 1 });
});

it('a baseline that shares no name with the run is refused', async () => {
  const { rate } = invented({ 'in/v86': [1] });
  await expect(check(['--compare', baseline({ 'in/other': 1 })], rate)).rejects.toThrow(
    'has no ratio that was measured here',
  );
});

it('writes a baseline that it can compare with; a mean over loops is not in it', async () => {
  const file = join(folder, 'new.json');
  const { rate } = invented({ 'in/v86': [1, 1], 'loop/v86': [2, 9] });
  expect(await check(['--baseline', file], rate)).toMatchObject({ code: 0 });
  expect(JSON.parse(readFileSync(file, 'utf8')).ratios).toEqual({ 'in/v86': 1 });
  expect(await check(['--compare', file], rate)).toMatchObject({ code: 0 });
});

it('npm run bench:check compares with the baseline of the repository', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(scripts['bench:check']).toBe(
    'node scripts/run-tool.mjs bench/main.ts --compare bench/baseline.json',
  );
});

it.each([
  [['--peers', 'bochs'], "--peers 'bochs': expected all, none, or some of v86,"],
  [['--peers', 'v86,v86'], "--peers 'v86,v86': expected"],
  [['--time', '0'], "--time '0': expected a number above 0"],
  [['--compare', '/nowhere/x.json'], '--compare: cannot read /nowhere/x.json'],
])('%j is refused before anything is measured', async (args, message) => {
  await expect(check(args)).rejects.toThrow(message);
});
