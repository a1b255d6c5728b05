// SPDX-License-Identifier: GPL-2.0-only
// The checkpoint stress run in threads: exact loses nothing, before the fix something is lost, and whatever ends a run
// ends its threads.
import { beforeAll, describe, expect, it } from 'vitest';
import type { StressOptions, StressReport } from '../../src/toolstack/stress-report.ts';
import type { ThreadsOptions } from '../../src/toolstack/threads/threads-options.ts';
import { built, hostWatch, threadCount } from './built.ts';

type StressThreads = typeof import('../../src/toolstack/threads/stress-threads.ts');

let stressThreads: StressThreads['stressThreads'];
let threadsBefore = 0;

function run(
  { vcpus, modules, ...more }: Partial<Omit<StressOptions, 'threads'> & ThreadsOptions>,
  signal?: AbortSignal,
): Promise<StressReport> {
  return stressThreads(
    {
      guest: 'counter',
      load: {},
      devices: [],
      revision: 'exact',
      seed: 1,
      checkpoints: 300,
      maxInstructions: null,
      timeoutMs: 60_000,
      ledgerPath: null,
      threads: {
        vcpus: vcpus ?? 1,
        spins: 50,
        answerTimeoutMs: 20_000,
        modules: modules ?? [],
      },
      ...more,
    },
    hostWatch(signal),
  );
}

beforeAll(async () => {
  ({ stressThreads } = await built<StressThreads>('toolstack/threads/stress-threads'));
  // The first run pays for what stays: compiled code, the addon, pools of threads.
  await run({ checkpoints: 1 });
  threadsBefore = threadCount();
}, 60_000);

const GUESTS: readonly [guest: string, vcpus: number][] = [
  ['counter', 1],
  ['mmio-counter', 1],
  ['rep-counter', 1],
  ['write-ledger', 1],
  ['rmw-ledger', 1],
  ['interrupts', 1],
  // With stand-ins for parts of Xen.
  ['ballooned', 1],
  ['broadcast', 1],
  ['emulated-in', 1],
  ['page-batch', 1],
  ['posted-writes', 1],
  ['smp-counter', 1],
  ['smp-counter', 2],
  ['smp-counter', 3],
  ['smp-counter', 4],
];

describe('exact, in threads', () => {
  it.each(GUESTS)(
    '%s on %d vCPU: nothing lost or repeated, no checkpoint with an access in flight',
    async (guest, vcpus) => {
      const report = await run({ guest, vcpus });
      expect(report).toMatchObject({
        outcome: 'success',
        checkpoints: 300,
        lost: 0,
        duplicated: 0,
        violations: [],
        crash: null,
        deviceModels: [],
        threads: true,
      });
      const landed = Object.values(report.windows).reduce((a, b) => a + b, 0);
      expect(landed).toBe(300 * vcpus);
      expect(threadCount()).toBe(threadsBefore);
    },
    60_000,
  );

  it('lands between instructions and while a request is in flight', async () => {
    const { windows } = await run({ checkpoints: 600 });
    expect(windows['between-instructions']).toBeGreaterThan(0);
    expect(windows['in-flight']).toBeGreaterThan(0);
  }, 60_000);
});

describe('before the fix, in threads', () => {
  it.each([1, 2, 3])(
    'seed %d: an access is lost or repeated',
    async (seed) => {
      const report = await run({
        revision: 'before-b7e0d8978810',
        seed,
        checkpoints: 50_000,
      });
      expect(report.outcome).toBe('failure');
      expect(report.lost + report.duplicated).toBeGreaterThan(0);
      expect(report.checkpoints).toBeLessThan(50_000);
      expect(threadCount()).toBe(threadsBefore);
    },
    90_000,
  );
});

describe('a run comes to its end', () => {
  it.each([
    ['counter', 'success'],
    ['mmio-counter', 'success'],
    ['write-ledger', 'success'],
    ['rep-counter', 'success'],
  ] as const)(
    'when %s gives its verdict',
    async (guest, verdict) => {
      const report = await run({ guest, load: { iterations: 100 }, checkpoints: 1_000_000 });
      expect(report).toMatchObject({ outcome: verdict, verdict, lost: 0, duplicated: 0 });
      expect(report.checkpoints).toBeLessThan(1_000_000);
      expect(threadCount()).toBe(threadsBefore);
    },
    60_000,
  );

  it('when it is interrupted', async () => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 200);
    const report = await run({ checkpoints: 1_000_000 }, abort.signal);
    expect(report).toMatchObject({
      outcome: 'interrupted',
      lost: 0,
      duplicated: 0,
      violations: [],
    });
    expect(report.checkpoints).toBeGreaterThan(0);
    expect(threadCount()).toBe(threadsBefore);
  }, 60_000);

  it('when its time is up', async () => {
    const report = await run({ checkpoints: 1_000_000, timeoutMs: 200 });
    expect(report).toMatchObject({ outcome: 'limit', violations: [] });
  }, 60_000);
});

describe('what cannot be is refused with one error, and leaves no thread', () => {
  it.each([
    [{ guest: 'no-such-guest' }, 'HVM_GUEST_MISSING', /no guest 'no-such-guest'/],
    [{ guest: 'counter', vcpus: 2 }, 'HVM_USAGE', /2 vCPUs: guest 'counter' is written for one/],
    [{ guest: 'smp-counter', vcpus: 5 }, 'HVM_USAGE', /5 vCPUs: .* written for 1 to 4/],
    [
      { modules: [new URL('./no-such-module.js', import.meta.url).href] },
      'HVM_DEVICE_DEAD',
      /device model '(counter|verdict)' does not start: .*no-such-module/,
    ],
  ] as const)('%j', async (more, code, message) => {
    const failure = await run({ ...more } as Parameters<typeof run>[0]).then(
      () => null,
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(threadCount()).toBe(threadsBefore);
  });

  it('a device this process knows and its threads do not', async () => {
    const stranger = {
      factory: {
        name: 'stranger',
        summary: '',
        defaultRange: '0x300',
        create: () => null as never,
      },
      range: { space: 'pio', start: 0x300, end: 0x300 },
    } as const;
    await expect(run({ devices: [stranger] })).rejects.toMatchObject({
      code: 'HVM_DEVICE_DEAD',
      message: expect.stringContaining("no device 'stranger'"),
    });
    expect(threadCount()).toBe(threadsBefore);
  });
});
