// SPDX-License-Identifier: GPL-2.0-only
// Runs that go on from the middle of the one before are the runs that start from the beginning: the same search twice,
// run by run, with and without saved places; for every museum bug, its cure, and the further actors, on both CPUs.
import { expect, it, vi } from 'vitest';
import type { Arena } from '../../src/explore/arena.ts';
import { Dfs } from '../../src/explore/dfs.ts';
import { INVARIANTS, type Invariant } from '../../src/explore/invariants.ts';
import { makeArena } from '../../src/explore/make-arena.ts';
import type { Scenario } from '../../src/explore/scenario.ts';
import { Recording } from '../../src/explore/schedule.ts';
import { MUSEUM } from '../../src/toolstack/museum/index.ts';
import { scenario } from './helpers.ts';

// Many runs each, on a machine that may have other work.
vi.setConfig({ testTimeout: 120_000 });

/** One search, run by run. */
class Walk {
  readonly arena: Arena;
  /** Decisions that the chooser was asked for. */
  asked = 0;
  readonly #dfs: Dfs;
  readonly #saves: boolean;
  readonly #recording = new Recording();

  constructor(of: Scenario, preemptions: number, prune: boolean, saves: boolean) {
    this.arena = makeArena(of);
    this.arena.hashing = prune;
    this.#dfs = new Dfs(preemptions, prune);
    this.#saves = saves;
  }

  /** All that can be told of the next run. */
  run(): unknown {
    const { arena } = this;
    const dfs = this.#dfs;
    const shared = this.#saves ? dfs.shared : null;
    const recorded = this.#recording.of(dfs.choose, shared ?? 0);
    const result = arena.run((decision, it) => {
      this.asked++;
      return recorded(decision, it);
    }, shared);
    // Where a place is saved, the CPU is given its answer at once, elsewhere with its next entry.
    const { machine, history, ledger } = arena.world;
    const { vcpus } = machine;
    if (result.end !== 'cut') for (const { regs } of vcpus) regs.settle();
    return {
      result,
      choices: this.#recording.choices.map(({ n, actor }) => [n, actor]),
      history: history.key(),
      findings: [...arena.findings],
      books: ledger.checker.report(),
      icounts: result.end === 'cut' ? null : vcpus.map(({ cpu }) => cpu.icount),
      counts: machine.counts(),
    };
  }
  next(): boolean {
    return this.#dfs.next();
  }
}

/** @returns decisions asked for with saved places, and without */
function compare(
  of: Scenario,
  preemptions: number,
  prune: boolean,
  most = 1500,
): [asked: number, all: number] {
  const short = new Walk(of, preemptions, prune, true);
  const whole = new Walk(of, preemptions, prune, false);
  using _a = short.arena;
  using _b = whole.arena;
  for (let runs = 0; runs < most; runs++) {
    expect(short.run()).toEqual(whole.run());
    const more = whole.next();
    expect(short.next()).toBe(more);
    if (!more) break;
  }
  return [short.asked, whole.asked];
}

it.each(MUSEUM.map((bug) => [bug.id, bug] as const))('%s, and its cure', (_id, bug) => {
  const world = { ...scenario(bug.guest, bug.base, 3, 2), bug };
  for (const cpu of ['real', 'scripted'] as const) {
    for (const prune of [true, false]) {
      compare({ ...world, cpu }, 2, prune, 400);
      compare({ ...world, cpu, revision: bug.cure, bug: null }, 2, prune, 400);
    }
  }
});

it.each([
  ['counter', 'exact', { kills: 1 }],
  ['irq-counter', 'exact', { irqs: 2 }],
  ['smp-counter', 'exact', { vcpus: 2 }],
  ['smp-counter', 'before-b7e0d8978810', { vcpus: 2, kills: 1 }],
] as const)('%s, %s, %j', (guest, revision, extras) => {
  const world = { ...scenario(guest, revision, 2, 1), ...extras };
  for (const prune of [true, false]) compare(world, 2, prune);
});

it.each(['counter', 'mmio-counter', 'rep-counter', 'rmw-ledger', 'write-ledger'])(
  '%s: most of the way is not made again',
  (guest) => {
    const [asked, all] = compare(scenario(guest, 'exact', 4, 2), 2, true, 3000);
    expect(asked).toBeLessThan(all * 0.75);
  },
);

/** Counts the instructions of a run. @param marks - whether it says how it is brought back; @param over - of each run */
function counting(marks: boolean, over: (begun: number) => void): Invariant {
  let begun = 0;
  const mark = () => {
    const at = begun;
    return () => {
      begun = at;
    };
  };
  return {
    name: 'counts',
    meaning: 'counts the instructions of a run',
    create: () => ({
      reset: () => {
        begun = 0;
      },
      ...(marks ? { mark } : {}),
      begun: () => {
        begun++;
      },
      ended: () => over(begun),
    }),
  };
}

/** What a counting monitor says of each run. */
function walk(marks: boolean, saves: boolean): { counts: number[]; asked: number } {
  const counts: number[] = [];
  let asked = 0;
  const dfs = new Dfs(2);
  const counter = counting(marks, (begun) => counts.push(begun));
  using arena = makeArena(scenario('counter', 'exact', 3, 1), undefined, [...INVARIANTS, counter]);
  do {
    arena.run(
      (decision, it) => {
        asked++;
        return dfs.choose(decision, it);
      },
      saves ? dfs.shared : null,
    );
  } while (dfs.next());
  return { counts, asked };
}

it('a monitor is brought back to where it was', () => {
  const short = walk(true, true);
  const whole = walk(true, false);
  expect(short.counts).toEqual(whole.counts);
  expect(short.asked).toBeLessThan(whole.asked);
});

it('a monitor that cannot be brought back makes every run start from the beginning', () => {
  expect(walk(false, true)).toEqual(walk(false, false));
});
