// SPDX-License-Identifier: GPL-2.0-only
// The further actors: the killer of device models, the interrupt source, a second vCPU; what they find, what they must
// not find, and small scenarios whose orders are listed by hand.
import { describe, expect, it, vi } from 'vitest';
import { explore } from '../../src/explore/explorer.ts';
import { replay } from '../../src/explore/replay.ts';
import { formatState, parseState } from '../../src/explore/resume.ts';
import type { Extras, Scenario } from '../../src/explore/scenario.ts';
import { parseSchedule } from '../../src/explore/schedule.ts';
import type { RevisionName } from '../../src/xen/hvm/revision.ts';
import { options, scenario, searchAll, WATCH } from './helpers.ts';

// Many runs each, on a machine that may have other work.
vi.setConfig({ testTimeout: 120_000 });

function world(
  guest: string,
  revision: RevisionName,
  size: readonly [ios: number, checkpoints: number],
  extras: Partial<Extras>,
): Scenario {
  return { ...scenario(guest, revision, ...size), ...extras };
}

const bounds = (preemptions: number) => ({ preemptions, schedules: null, timeMs: null });

describe('pinned counts: one IN, no checkpoint, no preemption', () => {
  it.each([
    // Two places where somebody else may begin: while the vCPU waits (v . d v), and once the device model has answered
    // (v d . v). Whoever has begun goes on as long as it can: to take it off would be a preemption.
    // Two device models may die, the counter's (A) and the verdict's (B), in three steps each; one death is allowed:
    // 1. v d v   2. v A A A v   3. v B B B d v   4. v d A A A v   5. v d B B B v
    ['counter', { kills: 1 }, 5],
    // 1. v d v   2. v i d v   3. v d i v
    ['counter', { irqs: 1 }, 3],
    // Both edges in a row: 1. v d v   2. v i i d v   3. v d i i v
    ['counter', { irqs: 2 }, 3],
    // By what is in the first place: nothing, and in the second nothing, i, A, B, iA, Ai, iB or Bi: 8. i, and then nothing,
    // A or B: 3. B, and then nothing or i: 2. iB or Bi: 2. A, Ai or iA, behind which no device model answers: 3.
    ['counter', { kills: 1, irqs: 1 }, 18],
  ] as const)('%s %j: %i schedules', (guest, extras, count) => {
    const found = searchAll(world(guest, 'exact', [1, 0], extras), 0, false);
    expect(found).toMatchObject({ schedules: count, broken: [] });
  });

  it('two vCPUs, each with a device model of its own', () => {
    // Without preemptions an actor runs until it waits or is done: for vCPU a its send A and its end A', for its device
    // model D; likewise b, B, B', E. D follows A, A' follows D.
    const found = searchAll(world('smp-counter', 'exact', [1, 0], { vcpus: 2 }), 0, false);
    expect(found.broken).toEqual([]);
    expect(found.schedules).toBe(ordersOfTwoPairs());
  });
});

/**
 * Orders of A D A' and B E B', A first: all merges of the two chains that begin with A. The vCPU that ends last
 * needs no choice, and none is counted twice.
 */
function ordersOfTwoPairs(): number {
  const merges = (a: number, b: number): number =>
    a === 0 || b === 0 ? 1 : merges(a - 1, b) + merges(a, b - 1);
  return merges(2, 3);
}

describe('a device model that dies', () => {
  it.each(['counter', 'mmio-counter', 'rmw-ledger', 'write-ledger'])(
    '%s, exact: reads give all ones, every shutdown ends',
    async (guest) => {
      const of = world(guest, 'exact', [1, 1], { kills: 1 });
      const report = await explore(options(of, { bounds: bounds(2) }), WATCH);
      expect(report).toMatchObject({ complete: true, violationsTotal: 0 });
    },
  );

  it('counter, fixed: the vCPU waits for ever, or gets what its request held', async () => {
    const of = world('counter', 'fixed', [1, 1], { kills: 1 });
    const report = await explore(options(of, { bounds: bounds(1), keepGoing: true }), WATCH);
    const names = report.violations.flatMap((v) => v.findings.map((f) => f.invariant));
    expect(names).toContain('no-lost-wake-up');
    expect(names).toContain('shutdown-finishes');
    expect(names).toContain('same-answers');
    for (const { fixed } of report.violations) expect(fixed?.findings).toEqual([]);
  });
});

describe('interrupts', () => {
  it.each(['counter', 'irq-counter'])(
    '%s, exact: none is lost, none taken twice',
    async (guest) => {
      const of = world(guest, 'exact', [2, 1], { irqs: 1 });
      const report = await explore(options(of, { bounds: bounds(1) }), WATCH);
      expect(report).toMatchObject({ complete: true, violationsTotal: 0 });
    },
  );
});

describe('two vCPUs', () => {
  it('exact: a shutdown waits for every deferral, and nothing breaks', async () => {
    const of = world('smp-counter', 'exact', [1, 1], { vcpus: 2 });
    const report = await explore(options(of, { bounds: bounds(1) }), WATCH);
    expect(report).toMatchObject({ complete: true, violationsTotal: 0 });
  });

  it('before the fix: the race, on either CPU, step by step the same', async () => {
    const of = world('smp-counter', 'before-b7e0d8978810', [1, 1], { vcpus: 2 });
    const [violation] = (await explore(options(of, { bounds: bounds(1) }), WATCH)).violations;
    expect(violation?.findings.map((f) => f.invariant)).toContain('exactly-once');
    const { choices } = parseSchedule(violation?.schedule ?? '');
    const small = violation?.told.scenario ?? of;
    const [real, scripted] = (['real', 'scripted'] as const).map((cpu) =>
      replay({ ...small, cpu }, choices, 20),
    );
    expect(real?.same).toBe(20);
    expect(scripted?.same).toBe(20);
    expect(scripted?.told.steps).toEqual(real?.told.steps);
  });
});

const ALL = world('smp-counter', 'exact', [1, 1], { vcpus: 2, kills: 1, irqs: 1 });

describe('all of them at once', () => {
  it('every schedule is the same twice', async () => {
    const report = await explore(options(ALL, { bounds: bounds(0), determinism: true }), WATCH);
    expect(report).toMatchObject({ complete: true, violationsTotal: 0 });
    expect(report.determinism?.compared).toBe(report.schedules + report.pruned);
  });

  it('a search in pieces counts what one in one go counts', async () => {
    const whole = await explore(options(ALL, { bounds: bounds(0) }), WATCH);
    let from = null;
    for (let pieces = 1; ; pieces++) {
      const schedules = pieces * Math.ceil(whole.schedules / 3);
      const part = await explore(
        options(ALL, { bounds: { ...bounds(0), schedules }, from }),
        WATCH,
      );
      if (part.complete) {
        expect([part.schedules, part.pruned, part.states]).toEqual([
          whole.schedules,
          whole.pruned,
          whole.states,
        ]);
        expect(pieces).toBeGreaterThan(1);
        return;
      }
      if (part.state === null) throw new Error('no state');
      from = parseState(formatState('id', part.state), 'id', 'file');
    }
  });

  it.each(['random', 'pct'] as const)('%s draws them, too', async (strategy) => {
    const drawn = { preemptions: 3, schedules: 300, timeMs: null };
    const report = await explore(options(ALL, { strategy, bounds: drawn }), WATCH);
    expect(report).toMatchObject({ stop: 'schedules', violationsTotal: 0 });
  });
});
