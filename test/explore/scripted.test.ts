// SPDX-License-Identifier: GPL-2.0-only
// The scripted CPU in place of the real one: the same searches, schedule by schedule, and the same counterexamples.
import { describe, expect, it, vi } from 'vitest';
import { explore } from '../../src/explore/explorer.ts';
import { recordReference } from '../../src/explore/reference.ts';
import { replay } from '../../src/explore/replay.ts';
import { parseSchedule } from '../../src/explore/schedule.ts';
import { tell } from '../../src/explore/tell.ts';
import { REVISION_NAMES } from '../../src/xen/hvm/revision.ts';
import { options, scenario, searchAll, WATCH } from './helpers.ts';

// Many runs each, on a machine that may have other work.
vi.setConfig({ testTimeout: 120_000 });

const GUESTS = ['counter', 'mmio-counter', 'write-ledger', 'rmw-ledger'];
/** With string instructions, downward and over pages, from ports and from memory. */
const STRINGS = ['outs-batch', 'down-counter', 'page-batch', 'ins-mmio', 'fault-batch'];

describe.each(GUESTS)('%s', (guest) => {
  it.each(REVISION_NAMES)('%s: as many schedules and states, and the same broken', (revision) => {
    const real = scenario(guest, revision, 2, 1);
    expect(searchAll({ ...real, cpu: 'scripted' }, 2)).toEqual(searchAll(real, 2));
  });

  it('a counterexample of one CPU is one on the other, in every event', async () => {
    const revision = guest === 'rmw-ledger' ? 'fixed' : 'before-b7e0d8978810';
    const world = scenario(guest, revision, 3, 2);
    const found = await explore(options({ ...world, cpu: 'scripted' }), WATCH);
    const violation = found.violations[0];
    if (violation === undefined) throw new Error('nothing found');
    const { choices } = parseSchedule(violation.schedule);
    const small = { ...violation.told.scenario };
    const [one, other] = (['scripted', 'real'] as const).map(
      (cpu) => replay({ ...small, cpu }, choices, 3).told,
    );
    expect(other?.findings).toEqual(violation.told.findings);
    expect(other?.steps).toEqual(one?.steps);
  });
});

it('the list holds every access of an instruction', () => {
  const { scripts } = recordReference(scenario('rmw-ledger', 'exact', 2, 0));
  const first = scripts[0]?.[0];
  expect(first?.accesses).toMatchObject([
    { is_pio: false, dir: 1, size: 4, gpa: 0xd1000 },
    { is_pio: false, dir: 0, size: 4, gpa: 0xd1000, data: 1 },
  ]);
});

it.each(STRINGS)('%s: as many schedules and states, step by step the same', (guest) => {
  const real = scenario(guest, 'exact', 1, 1);
  const scripted = { ...real, cpu: 'scripted' as const };
  expect(searchAll(scripted, 1)).toEqual(searchAll(real, 1));
  const { steps } = tell(real, []);
  expect(tell(scripted, []).steps).toEqual(steps);
  expect(steps.length).toBeGreaterThan(3);
});
