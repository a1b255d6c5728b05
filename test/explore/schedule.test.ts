// SPDX-License-Identifier: GPL-2.0-only
// Schedules as strings: there and back, and nothing else is taken for one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ACTORS } from '../../src/explore/scenario.ts';
import { formatSchedule, parseSchedule } from '../../src/explore/schedule.ts';
import { isHvmError } from '../../src/util/errors.ts';
import { REVISION_NAMES } from '../../src/xen/hvm/revision.ts';

const schedules = fc.record({
  guest: fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' }),
  revision: fc.constantFrom(...REVISION_NAMES),
  bug: fc.constant(null),
  ios: fc.integer({ min: 1, max: 1000 }),
  checkpoints: fc.integer({ min: 0, max: 100 }),
  extras: fc.record({
    vcpus: fc.integer({ min: 1, max: 4 }),
    kills: fc.integer({ min: 0, max: 9 }),
    irqs: fc.integer({ min: 0, max: 9 }),
  }),
  choices: fc
    .uniqueArray(
      fc.record({ n: fc.nat(100_000), actor: fc.integer({ min: 0, max: ACTORS - 1 }) }),
      {
        selector: (c) => c.n,
      },
    )
    .map((all) => all.sort((a, b) => a.n - b.n)),
});

describe('a schedule', () => {
  it('is the same after printing and reading', () => {
    fc.assert(
      fc.property(schedules, (s) => void expect(parseSchedule(formatSchedule(s))).toEqual(s)),
    );
  });

  it('is one word of printable characters', () => {
    fc.assert(fc.property(schedules, (s) => void expect(formatSchedule(s)).toMatch(/^[!-~]+$/)));
  });

  it.each([
    ['', "format ''"],
    ['t2:counter:fixed:1.1:', "format 't2'"],
    ['t1:counter:fixed:1.1', '4 parts'],
    ['t1::fixed:1.1:', 'no guest'],
    ['t1:%zz:fixed:1.1:', "guest '%zz'"],
    ['t1:counter:fixd:1.1:', "revision 'fixd'"],
    ['t1:counter:fixed:0.1:', "size '0.1'"],
    ['t1:counter:fixed:9999.1:', "size '9999.1'"],
    ['t1:counter:fixed:1.101:', "size '1.101'"],
    ['t1:counter:fixed:1.1:5', "choice '5'"],
    ['t1:counter:fixed:1.1:5t.5t', "choice '5t'"],
    ['t1:counter:fixed:1.1:5t.3t', "choice '3t'"],
    ['t1:counter:fixed:1.1:5z', "choice '5z'"],
    [`t1:counter:fixed:1.1:${'1t.'.repeat(10_000)}`, 'characters'],
  ])('is not %j', (text, why) => {
    expect(() => parseSchedule(text)).toThrow(why);
  });

  it('anything else is refused with a usage error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseSchedule(`t1:${text}`);
        } catch (error) {
          expect(isHvmError(error) && error.code).toBe('HVM_USAGE');
        }
      }),
    );
  });
});
