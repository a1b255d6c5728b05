// SPDX-License-Identifier: GPL-2.0-only
// A saved state must be one that the guest could have been in: it is restored into another machine, and goes on there as
// the undisturbed guest does. A defect is put in that nothing else can see.
import { expect, it, vi } from 'vitest';
import { Dfs } from '../../src/explore/dfs.ts';
import { explore } from '../../src/explore/explorer.ts';
import { INVARIANTS } from '../../src/explore/invariants.ts';
import { makeArena } from '../../src/explore/make-arena.ts';
import { findBug } from '../../src/toolstack/museum/index.ts';
import { options, scenario, WATCH } from './helpers.ts';

// Many runs each, on a machine that may have other work.
vi.setConfig({ testTimeout: 120_000 });

/** A toolstack that saves the devices before it asks the domain to stop: what they serve until then is lost on them. */
const seeded = {
  ...findBug('naive-stop'),
  id: 'devices-first',
  guest: 'counter',
  base: 'exact' as const,
  change: {},
  faults: { savesDevicesFirst: true },
};

it.each(['real', 'scripted'] as const)(
  '%s CPU: devices saved too early are found by it, and by nothing else',
  async (cpu) => {
    const world = { ...scenario('counter', 'exact', 2, 1), cpu, bug: seeded };
    const [violation] = (await explore(options(world), WATCH)).violations;
    expect(violation?.findings.map((f) => f.invariant)).toEqual(['restored-state']);
    expect(violation?.told.findings[0]?.message).toContain('device model counter sees a read');
    expect(violation?.fixed?.findings).toEqual([]);

    const others = INVARIANTS.filter(({ name }) => name !== 'restored-state');
    expect(others).toHaveLength(INVARIANTS.length - 1);
    using arena = makeArena(world, undefined, others);
    const dfs = new Dfs(1);
    do {
      arena.run(dfs.choose);
      expect(arena.findings).toEqual([]);
    } while (dfs.next());
  },
);

it.each(['counter', 'rmw-ledger', 'down-counter', 'ballooned', 'irq-counter'])(
  '%s, exact: every checkpoint goes on elsewhere',
  async (guest) => {
    const irqs = guest === 'irq-counter' ? 1 : 0;
    const world = { ...scenario(guest, 'exact', 2, 1), irqs };
    const bounds = { preemptions: 1, schedules: null, timeMs: null };
    const report = await explore(options(world, { bounds }), WATCH);
    expect(report).toMatchObject({ complete: true, violationsTotal: 0 });
  },
);
