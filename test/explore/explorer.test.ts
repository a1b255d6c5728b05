// SPDX-License-Identifier: GPL-2.0-only
// What a search has to find, and what it must not: the race, what the fix left open, and nothing in our own revision.
import { describe, expect, it, vi } from 'vitest';
import { explore } from '../../src/explore/explorer.ts';
import { formatState, parseState } from '../../src/explore/resume.ts';
import { parseSchedule } from '../../src/explore/schedule.ts';
import { tell } from '../../src/explore/tell.ts';
import { options, scenario, WATCH } from './helpers.ts';

// Many runs each, on a machine that may have other work.
vi.setConfig({ testTimeout: 120_000 });

describe('depth first', () => {
  it.each(['exact', 'fixed'] as const)('counter, %s: complete and clean', async (revision) => {
    const report = await explore(options(scenario('counter', revision, 3, 2)), WATCH);
    expect(report).toMatchObject({ stop: 'complete', complete: true, violationsTotal: 0 });
    expect(report.violations).toEqual([]);
    expect(report.schedules).toBeGreaterThan(500);
    expect(report.states).toBeGreaterThan(5000);
    expect(report.state).toBeNull();
  });

  it('counter before the fix: the race, in at most 8 events, and gone with the fix', async () => {
    const world = scenario('counter', 'before-b7e0d8978810', 3, 2);
    const report = await explore(options(world), WATCH);
    expect(report.complete).toBe(false);
    const [violation] = report.violations;
    expect(violation?.findings.map((f) => f.invariant)).toContain('exactly-once');
    expect(violation?.minimal).toBe(true);
    expect(violation?.told.turns).toBeLessThanOrEqual(8);
    expect(violation?.told).toMatchObject({ preemptions: 1, misfits: 0 });
    expect(violation?.told.scenario).toMatchObject({ ios: 1, checkpoints: 1 });
    expect(violation?.fixed?.scenario.revision).toBe('fixed');
    expect(violation?.fixed?.findings).toEqual([]);
    // The lanes hold the moment at which books and world part.
    expect(violation?.told.story?.events.map((e) => e.mark)).toContain('parts');
  });

  it('rmw-ledger: what the fix left open is found in fixed, and is not in exact', async () => {
    const fixed = await explore(options(scenario('rmw-ledger', 'fixed', 4, 2)), WATCH);
    const [violation] = fixed.violations;
    expect(violation?.findings.map((f) => f.invariant)).toContain('exactly-once');
    expect(violation?.fixed?.scenario.revision).toBe('exact');
    expect(violation?.fixed?.findings).toEqual([]);
    const bounds = { preemptions: 2, schedules: null, timeMs: null };
    const exact = await explore(options(scenario('rmw-ledger', 'exact', 4, 2), { bounds }), WATCH);
    expect(exact).toMatchObject({ complete: true, violationsTotal: 0 });
  });

  it('keeps going when it is told to, and counts every schedule that breaks something', async () => {
    const world = scenario('counter', 'before-b7e0d8978810', 1, 1);
    const report = await explore(options(world, { keepGoing: true }), WATCH);
    expect(report.complete).toBe(true);
    expect(report.violationsTotal).toBeGreaterThan(report.violations.length);
  });
});

it('a schedule that was found breaks the same when it is told again', async () => {
  const world = scenario('write-ledger', 'before-b7e0d8978810', 3, 2);
  const report = await explore(options(world), WATCH);
  const found = report.violations[0];
  const { choices } = parseSchedule(found?.found ?? '');
  expect(tell(world, choices).findings).toEqual(found?.findings);
});

describe('going on from a state', () => {
  it('a search in pieces counts what one in one go counts', async () => {
    const world = scenario('counter', 'exact', 2, 1);
    const whole = await explore(options(world), WATCH);
    let from = null;
    let pieces = 0;
    for (;;) {
      const schedules: number =
        (from === null ? 0 : (from as { schedules: number }).schedules) + 20;
      const bounds = { preemptions: 3, schedules, timeMs: null };
      const part = await explore(options(world, { bounds, from }), WATCH);
      pieces++;
      if (part.complete) {
        const { schedules: s, pruned, states } = part;
        expect([s, pruned, states]).toEqual([whole.schedules, whole.pruned, whole.states]);
        break;
      }
      expect(part.stop).toBe('schedules');
      const state = part.state;
      if (state === null) throw new Error('no state');
      from = parseState(formatState('id', state), 'id', 'file');
    }
    expect(pieces).toBeGreaterThan(3);
  });

  it.each([
    ['', 'not the state'],
    ['[]', 'its format'],
    ['{"format":"trapline.explore-state/2","identity":"id"}', 'damaged'],
    [
      '{"format":"trapline.explore-state/2","identity":"id","schedules":1,"pruned":0,"stack":[[]],"keys":"","visits":""}',
      'damaged',
    ],
    [
      '{"format":"trapline.explore-state/2","identity":"id","schedules":1,"pruned":0,"stack":[[99]],"keys":"","visits":""}',
      'damaged',
    ],
    [
      '{"format":"trapline.explore-state/2","identity":"id","schedules":1,"pruned":0,"stack":[[0]],"keys":"AA==","visits":"AA=="}',
      'damaged',
    ],
    ['{"format":"trapline.explore-state/2","identity":"other"}', 'another search'],
  ])('refuses %j', (text, why) => {
    expect(() => parseState(text, 'id', 'some-file')).toThrow(why);
  });
});

describe('drawn', () => {
  it.each(['random', 'pct'] as const)(
    '%s finds the race, the same way for the same seed',
    async (strategy) => {
      const world = scenario('counter', 'before-b7e0d8978810', 3, 2);
      const bounds = { preemptions: 3, schedules: 5000, timeMs: null };
      const one = await explore(options(world, { strategy, bounds, seed: 7 }), WATCH);
      const two = await explore(options(world, { strategy, bounds, seed: 7 }), WATCH);
      expect(one.stop).toBe('violation');
      expect(one.violations[0]?.told.turns).toBeLessThanOrEqual(8);
      expect(two.schedules).toBe(one.schedules);
      expect(two.violations[0]?.found).toBe(one.violations[0]?.found);
    },
  );

  it.each(['random', 'pct'] as const)(
    '%s draws many different schedules, and finds nothing in exact',
    async (strategy) => {
      const bounds = { preemptions: 3, schedules: 2000, timeMs: null };
      const report = await explore(
        options(scenario('counter', 'exact', 3, 2), { strategy, bounds }),
        WATCH,
      );
      expect(report).toMatchObject({
        stop: 'schedules',
        complete: false,
        schedules: 2000,
        violationsTotal: 0,
      });
    },
  );
});
