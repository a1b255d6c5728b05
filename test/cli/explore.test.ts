// SPDX-License-Identifier: GPL-2.0-only
// `trapline explore` and `trapline replay`: text, documents, exit codes, files, wrong usage.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { errorSchema } from '../../src/cli/error-schema.ts';
import { exploreSchema, replaySchema } from '../../src/cli/explore-schemas.ts';
import { cli } from '../helpers/cli.ts';

vi.setConfig({ testTimeout: 60_000 });

const folder = mkdtempSync(join(tmpdir(), 'trapline-explore-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SMALL = ['explore', 'counter', '--ios', '2', '--checkpoints', '1', '--preemptions', '2'];
const RACE = ['explore', 'counter', '--revision', 'before-b7e0d8978810'];
const STRING = 't1:counter:before-b7e0d8978810:1.1:c0.it';

describe('trapline explore', () => {
  it('says that a search is complete, and ends with 0', async () => {
    const { code, out, err } = await cli(SMALL);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('complete: no order within these bounds breaks anything');
    expect(out).toMatch(/schedules {2}[\d,]+ to the end, [\d,]+ cut short in a known state\n/);
  });

  it('prints a counterexample in at most 8 events, and ends with 1', async () => {
    const { code, out } = await cli(RACE);
    expect(code).toBe(1);
    expect(out).toContain('broken: exactly-once');
    expect(out).toMatch(
      /the smallest there is: 1 access, 1 checkpoint, 1 preemption, [1-8] events\n/,
    );
    expect(out).toMatch(/ 3\. toolstack \(the vCPU stands at \w+\): domain_shutdown\(SUSPEND\)\n/);
    expect(out).toContain('with revision fixed, the same choices: nothing is broken');
    expect(out).toMatch(/again: trapline replay t1:counter:before-b7e0d8978810:1\.1:\S+\n/);
  });

  it('gives one document with --json', async () => {
    const { code, out } = await cli([...RACE, '--json']);
    expect(code).toBe(1);
    const document = exploreSchema.parse(JSON.parse(out));
    expect(document).toMatchObject({ outcome: 'failure', complete: false, violationsTotal: 1 });
    const [violation] = document.violations;
    expect(violation?.told.events).toBeLessThanOrEqual(8);
    const again = await cli([...(violation?.replay.split(' ').slice(1) ?? []), '--json']);
    expect(again.code).toBe(1);
    expect(replaySchema.parse(JSON.parse(again.out)).told).toEqual(violation?.told);
  });

  it('goes on from a state file, which is gone once the search is complete', async () => {
    const state = join(folder, 'search.json');
    const whole = JSON.parse((await cli([...SMALL, '--json'])).out);
    const first = await cli([...SMALL, '--state', state, '--schedules', '20', '--json']);
    expect(first.code).toBe(4);
    expect(JSON.parse(first.out)).toMatchObject({ outcome: 'limit', stop: 'schedules' });
    expect(existsSync(state)).toBe(true);
    const other = await cli(['explore', 'counter', '--state', state]);
    expect(other.code).toBe(2);
    expect(other.err).toContain('another search');
    const second = JSON.parse((await cli([...SMALL, '--state', state, '--json'])).out);
    expect(second.complete).toBe(true);
    for (const name of ['schedules', 'pruned', 'states']) expect(second[name]).toBe(whole[name]);
    expect(existsSync(state)).toBe(false);
  });

  it.each([
    [['explore', 'counter', '--strategy', 'random', '--schedules', '50'], 0],
    [['explore', 'counter', '--strategy', 'pct', '--schedules', '50', '--determinism'], 0],
    [[...SMALL, '--schedules', '10'], 4],
    [[...SMALL, '--time', '1ms'], 4],
  ])('%j ends with %i', async (args, code) => {
    expect((await cli(args)).code).toBe(code);
  });

  const broken = join(folder, 'broken.json');
  writeFileSync(broken, '{"format": 1');
  it.each([
    [['explore', 'hello', '--device', 'counter@0x300-0x307', '--ios', '0'], "--ios '0'"],
    [['explore', 'loop'], 'accesses no device'],
    [[...SMALL, '--state', broken], 'not the state of a search'],
    [[...SMALL, '--state', folder], 'cannot'],
    [[...SMALL, '--strategy', 'pct', '--state', broken], 'only dfs'],
    [['explore', 'counter', '--strategy', 'bfs'], 'bfs'],
  ])('refuses %j', async (args, why) => {
    const { code, err } = await cli(args);
    expect(code).toBe(2);
    expect(err).toContain(why);
    expect(err.trim().split('\n')).toHaveLength(1);
  });

  it('writes a page', async () => {
    const file = join(folder, 'page.html');
    await cli([...RACE, '--report', file]);
    expect(readFileSync(file, 'utf8')).toContain('The same choices, put right');
  });
});

describe('trapline replay', () => {
  it('prints every step with the state after it', async () => {
    const { code, out } = await cli(['replay', STRING]);
    expect(code).toBe(1);
    expect(out).toContain('3. toolstack, the vCPU at do_io_return');
    expect(out).toContain('slot RESP_READY, io_req READY, deferring, shutting down');
    expect(out).toContain('broken: exactly-once');
  });

  it('runs it often, and compares', async () => {
    const { code, out } = await cli(['replay', STRING, '--times', '500']);
    expect(code).toBe(1);
    expect(out).toContain('run 500 times, 500 of them the same in every event');
  });

  it('with the fix nothing is broken', async () => {
    const { code, out } = await cli(['replay', STRING, '--revision', 'fixed']);
    expect(code).toBe(0);
    expect(out).toContain('nothing is broken');
  });

  it.each([
    ['nonsense', "format 'nonsense'"],
    ['t1:counter:fixed:1.1:zzzzt', 'not possible'],
    ['t1:counter:fixed:1.1:09', 'not possible'],
    ['t1:no-such-guest:fixed:1.1:', 'no-such-guest'],
  ])('refuses %j', async (string, why) => {
    const { code, out } = await cli(['replay', string, '--json']);
    expect(code).toBe(2);
    expect(errorSchema.parse(JSON.parse(out)).message).toContain(why);
  });
});
