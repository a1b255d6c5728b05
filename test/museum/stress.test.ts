// SPDX-License-Identifier: GPL-2.0-only
// Every exhibit with its guest on the real CPU under checkpoints: something breaks with it, nothing without.
import { describe, expect, it } from 'vitest';
import { MUSEUM } from '../../src/toolstack/museum/index.ts';
import { CHECKPOINTS, stressBug } from '../helpers/museum.ts';

/** What shows each: the kind of the first violation. */
const SHOWN: Record<string, string> = {
  c07b16fd6e: 'guest-verdict',
  '2e0b545b84': 'guest-verdict',
  b7e0d8978810: 'duplicate-issue',
  da20c93108: 'saved-state',
  '522a2f3c5c': 'saved-state',
  '60a56dc006': 'guest-verdict',
  '378d31ab3e': 'guest-verdict',
  '9c9384d6d8': 'saved-state',
  '0c0cbf72cf': 'guest-log',
  bac0999325: 'guest-log',
  '2248727b1d': 'duplicate-issue',
  'rmw-repeat': 'duplicate-issue',
  'emulated-in': 'duplicate-issue',
  'ins-mmio': 'duplicate-issue',
  'save-unpaused': 'saved-state',
  'naive-stop': 'duplicate-issue',
};

describe.each(MUSEUM)('bug $id in $guest', (bug) => {
  it('is found', async () => {
    const report = await stressBug(bug);
    expect([report.outcome, report.violations[0]?.kind]).toEqual(['failure', SHOWN[bug.id]]);
    expect(report.checkpoints).toBeLessThan(20);
    expect(report.reproduce).toContain(`trapline stress ${bug.guest} --bug ${bug.id} --seed 1`);
  });

  it('is silent without', async () => {
    const report = await stressBug(bug, true);
    expect({ outcome: report.outcome, violations: report.violations }).toEqual({
      outcome: 'success',
      violations: [],
    });
    expect(report.checkpoints).toBe(CHECKPOINTS);
  });
});
