// SPDX-License-Identifier: GPL-2.0-only
// The exhaustive search: counts that can be worked out by hand, and pruning that loses nothing.
import { describe, expect, it, vi } from 'vitest';
import { REVISION_NAMES } from '../../src/xen/hvm/revision.ts';
import { scenario, searchAll } from './helpers.ts';

// Many runs each, on a machine that may have other work.
vi.setConfig({ testTimeout: 120_000 });

describe('pinned counts: one IN, no checkpoint', () => {
  // Two actors. The device model can go on from the notification on: the vCPU then passes three points (send_notify,
  // send_return, do_io_return) and blocks. The device model makes six steps: it hears of the request, takes it, asks the
  // device, puts the data into the slot, sets RESP_READY, signals.
  it.each([
    // Only the vCPU, then only the device model, then only the vCPU.
    [0, 1],
    // The device model goes first at one of the three points, and ends before it is taken off: 3 more.
    [1, 1 + 3],
    // It is taken off again after one to five of its six steps: 3 times 5 more.
    [2, 1 + 3 + 15],
    // And goes on at a later one of the three points: 5 for each of the 3 pairs.
    [3, 1 + 3 + 15 + 15],
    // And is taken off once more: of six steps, two cuts with something before, between and behind: 10 for each pair.
    [4, 1 + 3 + 15 + 15 + 30],
    // And goes on at the third point: 10.
    [5, 1 + 3 + 15 + 15 + 30 + 10],
    // And is taken off a third time: three cuts, again 10. That is all there is.
    [6, 1 + 3 + 15 + 15 + 30 + 10 + 10],
    [7, 1 + 3 + 15 + 15 + 30 + 10 + 10],
  ])('%i preemptions: %i schedules', (preemptions, count) => {
    for (const revision of ['fixed', 'before-b7e0d8978810'] as const) {
      const found = searchAll(scenario('counter', revision, 1, 0), preemptions, false);
      expect(found).toEqual({ schedules: count, pruned: 0, states: 0, broken: [] });
    }
  });

  it('without preemptions the toolstack has two places: while the vCPU waits, and once it is woken', () => {
    const found = searchAll(scenario('counter', 'exact', 1, 1), 0, false);
    // The third schedule is the one in which no checkpoint is taken.
    expect(found.schedules).toBe(3);
  });
});

describe('pruning', () => {
  it.each([
    ['counter', 1, 1, 2],
    ['counter', 2, 1, 1],
    ['mmio-counter', 1, 1, 2],
    ['rmw-ledger', 2, 1, 1],
    ['write-ledger', 1, 1, 2],
    ['rep-counter', 1, 1, 1],
  ] as const)(
    '%s, %i accesses, %i checkpoints, %i preemptions: the same is broken',
    (guest, ios, checkpoints, preemptions) => {
      for (const revision of REVISION_NAMES) {
        const world = scenario(guest, revision, ios, checkpoints);
        const all = searchAll(world, preemptions, false);
        const some = searchAll(world, preemptions, true);
        // Behind a violation nothing is searched, so single invariants are compared, not sets of them.
        const names = (sets: string[]): string[] => [...new Set(sets.join().split(','))].sort();
        expect(names(some.broken)).toEqual(names(all.broken));
        expect(some.schedules).toBeLessThanOrEqual(all.schedules);
        expect(some.schedules + some.pruned).toBeLessThan(all.schedules + 1);
      }
    },
  );
});
