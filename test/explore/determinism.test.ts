// SPDX-License-Identifier: GPL-2.0-only
// Every schedule twice: the same in every event; and the comparison sees one that is not.
import { expect, it, vi } from 'vitest';
import { Arena } from '../../src/explore/arena.ts';
import { Twice } from '../../src/explore/determinism.ts';
import { explore } from '../../src/explore/explorer.ts';
import { replay } from '../../src/explore/replay.ts';
import { parseSchedule } from '../../src/explore/schedule.ts';
import { options, scenario, WATCH } from './helpers.ts';

// Many runs each, on a machine that may have other work.
vi.setConfig({ testTimeout: 120_000 });

it.each(['counter', 'rmw-ledger', 'rep-counter'])(
  '%s: every schedule is the same twice',
  async (guest) => {
    const bounds = { preemptions: 2, schedules: null, timeMs: null };
    const once = await explore(options(scenario(guest, 'exact', 2, 1), { bounds }), WATCH);
    const twice = await explore(
      options(scenario(guest, 'exact', 2, 1), { bounds, determinism: true }),
      WATCH,
    );
    expect(twice.complete).toBe(true);
    expect(twice.schedules).toBe(once.schedules);
    expect(twice.determinism?.compared).toBe(twice.schedules + twice.pruned);
    expect(twice.determinism?.events).toBeGreaterThan(1000);
  },
);

it('a device that answers differently the second time is noticed', () => {
  using arena = new Arena(scenario('counter', 'exact', 2, 0));
  const first = arena.world.machine.servers[0]?.bus.attachments[0]?.device;
  if (first === undefined) throw new Error('no device');
  let reads = 0;
  const read = first.read.bind(first);
  first.read = (...args) => read(...args) + (reads++ === 3 ? 100 : 0);
  const twice = new Twice();
  expect(() => twice.run(arena, (d) => d.options[0] as number)).toThrow(
    'the same schedule gave two runs',
  );
});

it('a counterexample is the same a thousand times', () => {
  const { choices } = parseSchedule('t1:counter:before-b7e0d8978810:1.1:c0.it');
  const { told, same } = replay(scenario('counter', 'before-b7e0d8978810', 1, 1), choices, 1000);
  expect(same).toBe(1000);
  expect(told.findings.map((f) => f.invariant)).toContain('exactly-once');
});
