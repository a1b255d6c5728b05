// SPDX-License-Identifier: GPL-2.0-only
// Every exhibit of the museum is found by the same search, without a hint; and its cure has nothing to be found.
import { describe, expect, it, vi } from 'vitest';
import { explore } from '../../src/explore/explorer.ts';
import { replay } from '../../src/explore/replay.ts';
import { formatSchedule, parseSchedule } from '../../src/explore/schedule.ts';
import { MUSEUM } from '../../src/toolstack/museum/index.ts';
import { options, scenario, WATCH } from './helpers.ts';

// Many runs each, on a machine that may have other work.
vi.setConfig({ testTimeout: 120_000 });

it('has more than ten exhibits', () => {
  expect(MUSEUM.length).toBeGreaterThan(10);
});

describe.each(MUSEUM.map((bug) => [bug.id, bug] as const))('%s', (_id, bug) => {
  const world = { ...scenario(bug.guest, bug.base, 3, 2), bug };

  it('is found, and its schedule breaks the same on both CPUs, again and again', async () => {
    const report = await explore(options(world), WATCH);
    const [violation] = report.violations;
    if (violation === undefined) throw new Error('nothing found');
    expect(violation.fixed?.findings).toEqual([]);
    const schedule = parseSchedule(violation.schedule);
    expect(schedule.bug).toBe(bug);
    expect(formatSchedule(schedule)).toBe(violation.schedule);
    for (const cpu of ['real', 'scripted'] as const) {
      const { told, same } = replay({ ...violation.told.scenario, cpu }, schedule.choices, 20);
      expect(same).toBe(20);
      // What breaks first is the same; later the guest itself may say so, for which a list has no words.
      expect(told.findings[0]).toEqual(violation.told.findings[0]);
      if (cpu === 'real') expect(told.findings).toEqual(violation.told.findings);
    }
  });

  it('is silent with its cure', async () => {
    const report = await explore(options({ ...world, revision: bug.cure, bug: null }), WATCH);
    expect(report).toMatchObject({ complete: true, violationsTotal: 0 });
  });
});
