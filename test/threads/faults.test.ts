// SPDX-License-Identifier: GPL-2.0-only
// A few hundred device-model faults, as `npm run faults` injects them: nothing unexpected, nothing leaked, and a fault
// that may not have its outcome is reported.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { judgeFault } from './fault-judge.ts';
import { drawFault, FAULT_KINDS } from './fault-plan.ts';

const tool = fileURLToPath(new URL('../../scripts/run-tool.mjs', import.meta.url));

function faults(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [tool, 'test/threads/faults.ts', ...args], {
    encoding: 'utf8',
    timeout: 240_000,
  });
}

describe('npm run faults', () => {
  it('250 faults at random: every outcome is allowed, nothing is left behind', () => {
    const { status, stdout, stderr } = faults('--count', '250', '--seed', '3');
    expect(stdout, stderr).toContain('nothing unexpected');
    expect(stdout).not.toContain('leaked');
    expect(status).toBe(0);
    for (const kind of FAULT_KINDS) expect(stdout).toContain(`\n${kind} `);
  }, 250_000);

  it('refuses what it does not know', () => {
    const { status, stderr } = faults('--kind', 'sleeps');
    expect(status).toBe(2);
    expect(stderr).toContain("--kind 'sleeps': expected one of dies, hangs");
  }, 60_000);
});

describe('the judge', () => {
  const plan = drawFault(1, 1);
  const result = {
    outcome: 'goes on',
    reason: null,
    sent: 3,
    ledgers: [],
    touched: null,
    failed: [],
    problems: [],
  } as const;

  it('does not let a device model die unnoticed', () => {
    expect(judgeFault({ ...plan, kind: 'dies' }, { ...result, problems: [] })).toEqual([
      "outcome 'goes on' is not allowed",
    ]);
    expect(
      judgeFault({ ...plan, kind: 'dies' }, { ...result, outcome: 'all ones', problems: [] }),
    ).toEqual(['the death was not noticed']);
  });

  it("does not take a crash for a reason that is not Xen's", () => {
    expect(
      judgeFault(
        { ...plan, kind: 'bad-state' },
        { ...result, outcome: 'crash', reason: 'it did not work', problems: [] },
      ),
    ).toEqual(["crash for a reason that is not Xen's: it did not work"]);
  });

  it('draws the same fault for the same numbers', () => {
    expect(drawFault(7, 1234)).toEqual(drawFault(7, 1234));
    expect(new Set(Array.from({ length: 400 }, (_, n) => drawFault(1, n).kind)).size).toBe(
      FAULT_KINDS.length,
    );
  });
});
