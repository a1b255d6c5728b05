// SPDX-License-Identifier: GPL-2.0-only
// A small history for the pages: one access that went twice, in as few events as show every kind of row.
import type { LaneEvent, LaneStory } from '../../../src/ledger/lanes.ts';
import type { RacePageData } from '../../../src/report/race-page.ts';
import type { StressPageData } from '../../../src/report/stress-page.ts';
import type { Measured } from '../../../src/util/measure.ts';

export function event(more: Partial<LaneEvent>): LaneEvent {
  return {
    from: 'vcpu',
    to: null,
    label: 'label',
    text: 'What happens.',
    xen: '',
    state: null,
    mark: null,
    parts: null,
    ledger: null,
    ...more,
  };
}

export const told: LaneStory = {
  about: 'again',
  checkpoint: 7,
  access: 'read of 4 bytes from port 0x200',
  omitted: 0,
  events: [
    event({
      from: 'vcpu',
      to: 'device',
      label: 'READY',
      xen: 'hvm_send_ioreq',
      state: { slot: 'READY', latch: 'READY', deferring: true, stopping: false },
    }),
    event({
      from: 'toolstack',
      to: 'vcpu',
      label: 'suspend',
      mark: 'shutdown',
      state: { slot: 'READY', latch: 'READY', deferring: true, stopping: true },
    }),
    event({
      label: 'forgotten',
      mark: 'parts',
      parts: { books: 'Nothing was sent.', world: 'It was sent.' },
      state: { slot: 'READY', latch: 'NONE', deferring: true, stopping: true },
    }),
    event({
      from: 'device',
      label: 'gives 1',
      mark: 'first',
      ledger: { stage: 'issued', first: 3, last: 3 },
    }),
    event({
      from: 'device',
      label: 'gives 2',
      mark: 'again',
      ledger: { stage: 'issued', first: 7, last: 9 },
    }),
  ],
};

export const measured: Measured = {
  rate: { bucketMs: 100, counts: [10, 20, 30], elapsedMs: 290 },
  latency: {
    total: 111,
    minNs: 1000,
    maxNs: 70_000,
    buckets: [
      { fromNs: 1024, toNs: 2048, count: 100 },
      { fromNs: 2048, toNs: 4096, count: 10 },
      { fromNs: 65_536, toNs: 131_072, count: 1 },
    ],
  },
};

export const stressed: StressPageData = {
  outcome: 'failure',
  revision: 'before-b7e0d8978810',
  guest: 'counter',
  seed: 1,
  checkpoints: 60,
  checkpointsAsked: 10_000,
  instructions: 1234,
  accesses: { issued: 111, answered: 111, retired: 110 },
  lost: 1,
  duplicated: 1,
  violations: [
    { kind: 'duplicate-issue', message: 'issued again', checkpoint: { n: 7, window: 'sent' } },
    { kind: 'guest-verdict', message: 'the guest itself reports failure', checkpoint: null },
  ],
  violationsTotal: 2,
  reproduce: 'trapline stress counter --seed 1',
  windows: { 'before-send': 40, sent: 20 },
  verdict: 'failure',
  crash: null,
  threads: false,
  deviceModels: [],
  story: told,
  measured,
  durationMs: 290,
  checkpointsPerSecond: 207,
};

const side = {
  revision: 'fixed',
  checkpoints: 60,
  accesses: 111,
  lost: 0,
  duplicated: 0,
  values: [1, 2, 3],
  expected: null,
  got: null,
  windows: { sent: 60 },
  story: told,
  measured,
};

export const raced: RacePageData = {
  guest: 'counter',
  seed: 1,
  without: {
    ...side,
    revision: 'before-b7e0d8978810',
    lost: 1,
    duplicated: 1,
    expected: 3,
    got: 4,
  },
  with: side,
  durationMs: 12,
};
