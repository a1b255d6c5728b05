// SPDX-License-Identifier: GPL-2.0-only
// Us against peers that are not there: who runs when, what the ratios are, and that a bad peer costs one line.
import { expect, it } from 'vitest';
import type { CountedProgram } from '../../../src/toolstack/bench/programs.ts';
import { MachineSubject } from '../../../src/toolstack/bench/subject.ts';
import {
  type Peer,
  PeerFailure,
  type PeerSlice,
  VERSUS_LOOPS,
  type VersusOptions,
  versus,
} from '../../../src/toolstack/bench/versus.ts';

/** What happened, in order. */
let log: string[];
let open = 0;

type Slice = (rounds: number, program: CountedProgram, slice: number) => PeerSlice;

/** A peer that takes `nsPerUnit`, plus what a slice is told to take. */
function fake(name: string, slice: Slice): Peer {
  return {
    name,
    version: '1',
    answeredBy: 'nobody',
    start: async (program) => {
      let slices = 0;
      open++;
      return {
        run: async (rounds) => {
          log.push(name);
          return slice(rounds, program, slices++);
        },
        [Symbol.dispose]: () => {
          open--;
        },
      };
    },
  };
}

function steady(name: string, nsPerUnit: number): Peer {
  return fake(name, (rounds, { roundUnits, roundAccesses }) => ({
    ns: rounds * roundUnits * nsPerUnit,
    accesses: rounds * roundAccesses,
  }));
}

function run(more: Partial<VersusOptions>) {
  log = [];
  open = 0;
  return versus({
    ours: steady('trapline', 10),
    peers: [],
    absent: [],
    wanted: (name) => name.startsWith('in/'),
    timeMs: 40,
    hooks: { signal: new AbortController().signal, tick: () => undefined },
    warmUpMs: 40,
    ...more,
  });
}

it('each round runs one slice of each, ours first', async () => {
  const result = await run({ peers: [steady('slow', 20), steady('fast', 1)] });
  expect(log.slice(-120)).toEqual(
    Array.from({ length: 40 }, () => ['trapline', 'slow', 'fast']).flat(),
  );
  expect(result.results.map(({ name, median }) => [name, median])).toEqual([
    ['in/trapline', 10],
    ['in/slow', 20],
    ['in/fast', 1],
  ]);
  expect(result.ratios).toEqual([
    { name: 'in/slow', median: 0.5, low: 0.5, high: 0.5, samples: 40 },
    { name: 'in/fast', median: 10, low: 10, high: 10, samples: 40 },
  ]);
  expect(result.peers.map(({ name, state }) => [name, state])).toEqual([
    ['slow', 'measured'],
    ['fast', 'measured'],
  ]);
  expect(open).toBe(0);
});

it('what slows a whole round down is in no ratio', async () => {
  // The machine gets slower and slower while it measures, for both.
  let slices = 0;
  const drifting = (name: string, ns: number): Peer =>
    fake(name, (rounds, { roundUnits, roundAccesses }) => ({
      ns: rounds * roundUnits * ns * 1.02 ** Math.floor(slices++ / 2),
      accesses: rounds * roundAccesses,
    }));
  const { results, ratios } = await run({
    ours: drifting('trapline', 30),
    peers: [drifting('b', 10)],
    warmUpMs: 0,
  });
  expect((results[1]?.high ?? 0) / (results[1]?.low ?? 1)).toBeGreaterThan(1.5);
  for (const value of [ratios[0]?.low, ratios[0]?.median, ratios[0]?.high]) {
    expect(value).toBeCloseTo(3, 1);
  }
});

it('a slice is as long as its share of the time, whatever a unit costs', async () => {
  const taken = new Map<string, number>();
  const noting = (name: string, nsPerUnit: number): Peer =>
    fake(name, (rounds, { roundUnits, roundAccesses }) => {
      const ns = rounds * roundUnits * nsPerUnit;
      taken.set(name, ns);
      return { ns, accesses: rounds * roundAccesses };
    });
  await run({ ours: noting('trapline', 3), peers: [noting('b', 700)], timeMs: 400 });
  for (const ns of taken.values()) expect(Math.abs(ns / 7.5e6 - 1)).toBeLessThan(0.1);
});

const bad: [string, Slice, string][] = [
  [
    'dies in a slice',
    (rounds, { roundAccesses }, slice) => {
      if (slice === 30) throw new PeerFailure('it ended (SIGSEGV)');
      return { ns: 1e5 * rounds, accesses: rounds * roundAccesses };
    },
    'in: it ended (SIGSEGV)',
  ],
  [
    'does not make its accesses',
    (rounds, { roundAccesses }) => ({ ns: 1e5 * rounds, accesses: (rounds - 2) * roundAccesses }),
    'in: -64 accesses were answered in 1 rounds; expected 64',
  ],
];
it.each(bad)('one that %s is a line, and the others are measured', async (_what, slice, reason) => {
  const peers = [fake('bad', slice), steady('good', 5)];
  const wanted = (name: string): boolean => /^(in|out)\//.test(name);
  const result = await run({ peers, wanted });
  expect(result.peers[0]).toMatchObject({ name: 'bad', state: 'failed', reason });
  expect(result.peers[1]).toMatchObject({ name: 'good', state: 'measured', reason: null });
  expect(result.ratios.map(({ name }) => name)).toEqual(['in/good', 'out/good']);
  expect(open).toBe(0);
});

it('one that does not start is a line', async () => {
  const peer: Peer = {
    ...steady('bad', 1),
    start: () => Promise.reject(new PeerFailure('it ended (127)')),
  };
  const result = await run({ peers: [peer] });
  expect(result.peers[0]).toMatchObject({ state: 'failed', reason: 'in: it ended (127)' });
  expect([result.results, result.ratios, open]).toEqual([[], [], 0]);
});

it('our own part may not fail', async () => {
  const ours = fake('trapline', () => {
    throw new PeerFailure('it ended (1)');
  });
  await expect(run({ ours, peers: [steady('b', 1)] })).rejects.toThrow(
    'our own part, in: it ended',
  );
  expect(open).toBe(0);
});

it('accesses that nobody counts are not checked', async () => {
  const blind = fake('blind', (rounds) => ({ ns: 100 * rounds, accesses: null }));
  expect((await run({ peers: [blind] })).peers[0]?.state).toBe('measured');
});

it('the mean over all loops without I/O is there when all of them are', async () => {
  const peers = [steady('half', 20)];
  const all = await run({ peers, wanted: () => true });
  expect(all.ratios.map(({ name }) => name)).toEqual([
    ...VERSUS_LOOPS.map(([loop]) => `${loop}/half`),
    'loop/half',
  ]);
  expect(all.ratios.at(-1)?.median).toBeCloseTo(0.5, 10);
  const some = await run({ peers, wanted: (name) => name.startsWith('loop/alu') });
  expect(some.ratios.map(({ name }) => name)).toEqual(['loop/alu/half', 'loop/alu-short/half']);
});

it('absent ones are named, with what would make them present', async () => {
  const absent = [{ name: 'gone', why: 'no gone on PATH', install: 'apt-get install gone' }];
  const result = await run({ absent });
  expect(result.peers).toEqual([
    {
      name: 'gone',
      state: 'absent',
      version: null,
      answeredBy: null,
      reason: 'no gone on PATH',
      install: 'apt-get install gone',
    },
  ]);
  expect(log).toEqual([]);
});

it('stopped in the middle it gives the loops that are complete, and ends everybody', async () => {
  const abort = new AbortController();
  const stopping = fake('b', (rounds, { name, roundAccesses }, slice) => {
    if (name === 'mmioRead' && slice === 20) abort.abort();
    return { ns: 1e5 * rounds, accesses: rounds * roundAccesses };
  });
  const hooks = { signal: abort.signal, tick: () => undefined };
  const { results } = await run({ peers: [stopping], wanted: () => true, hooks });
  expect(results.map(({ name }) => name)).toEqual(['in/trapline', 'in/b', 'out/trapline', 'out/b']);
  expect(open).toBe(0);
});

it.each(VERSUS_LOOPS)('%s: we make the accesses that a round is said to have', (_loop, program) => {
  using subject = new MachineSubject(program, 'server');
  const accesses = (): number =>
    subject.machine.counts().reduce((sum, { reads, writes }) => sum + reads + writes, 0);
  subject.run(program.roundUnits);
  const before = accesses();
  const done = subject.run(20 * program.roundUnits);
  const share = done / program.roundUnits / 20;
  const made = (accesses() - before) / share;
  expect(Math.abs(made - 20 * program.roundAccesses)).toBeLessThanOrEqual(program.roundAccesses);
});
