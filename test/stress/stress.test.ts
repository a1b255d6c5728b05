// SPDX-License-Identifier: GPL-2.0-only
// The heart: without the fix a real guest under checkpoint loses or repeats an access, with it none does.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkLedger } from '../../src/ledger/checker.ts';
import { loadGuest } from '../../src/machine/loader.ts';
import type { Watch } from '../../src/toolstack/limits.ts';
import { stress } from '../../src/toolstack/stress.ts';
import type { StressOptions, StressReport } from '../../src/toolstack/stress-report.ts';
import { windowsOf } from '../../src/toolstack/windows.ts';
import { ManualClock } from '../../src/util/clock.ts';
import type { RevisionName } from '../../src/xen/hvm/revision.ts';

const folder = mkdtempSync(join(tmpdir(), 'trapline-stress-'));
afterAll(() => rmSync(folder, { recursive: true }));

const watch: Watch = {
  signal: new AbortController().signal,
  tick: () => undefined,
  clock: new ManualClock(),
  idle: (_ms, then) => then(),
};

function run(
  guest: string,
  revision: RevisionName,
  checkpoints: number,
  more: Partial<StressOptions> = {},
): Promise<StressReport> {
  return stress(
    {
      guest,
      load: {},
      devices: [],
      revision,
      seed: 1,
      checkpoints,
      maxInstructions: null,
      timeoutMs: null,
      ledgerPath: null,
      ...more,
    },
    watch,
  );
}

const GUESTS = ['counter', 'mmio-counter', 'rep-counter', 'write-ledger', 'rmw-ledger'];

describe('with everything closed (exact)', () => {
  it.each(GUESTS)('%s sees every access exactly once, in every window', async (guest) => {
    const checkpoints = guest === 'rep-counter' ? 6_000 : 12_000;
    const report = await run(guest, 'exact', checkpoints);
    expect(report).toMatchObject({
      outcome: 'success',
      checkpoints,
      lost: 0,
      duplicated: 0,
      violations: [],
      reproduce: null,
    });
    const { issued, answered, retired } = report.accesses;
    expect(issued).toBeGreaterThan(checkpoints / 4);
    expect([answered, retired]).toEqual([issued, issued]);
    const kinds = loadGuest(guest).manifest.windows;
    expect(Object.keys(report.windows).sort()).toEqual(windowsOf(kinds).sort());
    for (const hits of Object.values(report.windows))
      expect(hits).toBeGreaterThan(checkpoints / 12);
  });
});

describe('with the fix of Xen', () => {
  it.each(GUESTS.filter((g) => g !== 'rmw-ledger'))('%s loses nothing', async (guest) => {
    const report = await run(guest, 'fixed', 4_000);
    expect(report).toMatchObject({ outcome: 'success', lost: 0, duplicated: 0, violations: [] });
  });

  it('rmw-ledger is still issued twice: an instruction with two accesses, as in Xen', async () => {
    const report = await run('rmw-ledger', 'fixed', 4_000);
    expect(report.outcome).toBe('failure');
    expect(report.duplicated).toBeGreaterThan(0);
    expect(report.violations[0]?.kind).toBe('duplicate-issue');
  });
});

describe('without the fix', () => {
  it.each(GUESTS)('%s is caught losing or repeating an access', async (guest) => {
    const report = await run(guest, 'before-b7e0d8978810', 4_000);
    expect(report.outcome).toBe('failure');
    expect(report.duplicated).toBeGreaterThan(0);
    const [first] = report.violations;
    expect(first?.kind).toBe('duplicate-issue');
    expect(first?.identity).not.toBeNull();
    expect(['sent', 'checked', 'answered', 'in-flight', 'rep-element']).toContain(
      first?.checkpoint?.window,
    );
    expect(report.reproduce).toContain(`trapline stress ${guest} --revision before-b7e0d8978810`);
  });

  it('the counter itself notices: a value is missing', async () => {
    const report = await run('counter', 'before-b7e0d8978810', 4_000);
    expect(report.verdict).toBe('failure');
    expect(report.lost).toBeGreaterThan(0);
    expect(report.violations.map((v) => v.kind)).toContain('guest-log');
  });

  it('the first violation comes again, 100 times out of 100', async () => {
    const first = await run('counter', 'before-b7e0d8978810', 4_000, { seed: 35 });
    const asked = Number(/--checkpoints (\d+)/.exec(first.reproduce ?? '')?.[1]);
    for (let i = 0; i < 100; i++) {
      const again = await run('counter', 'before-b7e0d8978810', asked, { seed: 35 });
      expect({ ...again, checkpointsAsked: first.checkpointsAsked }).toEqual(first);
    }
  });

  it('no seed of the first 60 goes without a violation, and both windows of the race are among them', async () => {
    const windows = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const report = await run('counter', 'before-b7e0d8978810', 500, { seed });
      expect(report.outcome).toBe('failure');
      windows.add(report.violations[0]?.checkpoint?.window ?? 'none');
    }
    expect([...windows].sort()).toEqual(['checked', 'sent']);
  });
});

describe('the ledger on disk', () => {
  it('agrees with the run, with and without violations', async () => {
    for (const revision of ['exact', 'before-b7e0d8978810'] as const) {
      const ledgerPath = join(folder, `${revision}.jsonl`);
      const report = await run('rep-counter', revision, 200, { ledgerPath });
      const check = await checkLedger(ledgerPath);
      expect(check.chain).toBe('intact');
      expect(check.accesses).toEqual(report.accesses);
      expect(check.duplicated).toBe(report.duplicated);
      expect(check.ok).toBe(revision === 'exact');
    }
  });

  it('is the same file for the same run', async () => {
    const paths = ['a', 'b'].map((name) => join(folder, `${name}.jsonl`));
    for (const ledgerPath of paths) await run('rmw-ledger', 'exact', 300, { ledgerPath });
    const [a, b] = paths.map((path) => readFileSync(path, 'utf8'));
    expect(a).toBe(b);
    expect((a ?? '').length).toBeGreaterThan(10_000);
  });
});
