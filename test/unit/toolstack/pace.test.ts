// SPDX-License-Identifier: GPL-2.0-only
// Real time for a PC, on a clock that only this test moves.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { PcClock } from '../../../src/machine/pc/clock.ts';
import type { Watch } from '../../../src/toolstack/limits.ts';
import { Pace } from '../../../src/toolstack/pace.ts';
import { runGuest } from '../../../src/toolstack/run.ts';

/** A host whose time passes while it is waited for, and by `busyMs` between two looks. */
class Host implements Watch {
  now = 5000;
  waitedMs = 0;
  readonly signal = new AbortController().signal;
  readonly clock = { nowMs: (): number => this.now };
  readonly #busyMs: number;

  constructor(busyMs: number) {
    this.#busyMs = busyMs;
  }
  tick(): undefined {
    this.now += this.#busyMs;
  }
  idle(ms: number, then: () => void): void {
    this.now += ms;
    this.waitedMs += ms;
    then();
  }
  get watch(): Watch {
    const { signal, clock } = this;
    return {
      ...{ signal, clock },
      tick: () => this.tick(),
      idle: (ms, then) => this.idle(ms, then),
    };
  }
}

describe('the pace of a guest', () => {
  const guest = { ms: 0, nowNs: () => guest.ms * 1e6 };
  const paced = (host: Host): Pace => new Pace(guest as unknown as PcClock, host.watch);

  test('waits as long as the guest is ahead', async () => {
    guest.ms = 0;
    const host = new Host(0);
    const pace = paced(host);
    for (const ms of [10, 20, 500]) {
      guest.ms = ms;
      await pace.keep();
      expect(host.now - 5000).toBe(ms);
    }
  });

  test('does not wait for a guest that is behind, nor for next to nothing', async () => {
    guest.ms = 100;
    const host = new Host(0);
    const pace = paced(host);
    host.now += 50;
    guest.ms += 51;
    await pace.keep();
    expect(host.waitedMs).toBe(0);
  });

  test('does not catch up with a host that was away for long', async () => {
    guest.ms = 0;
    const host = new Host(0);
    const pace = paced(host);
    host.now += 10_000;
    await pace.keep();
    // Of the ten seconds it makes good a fifth of one, then it is on time again.
    guest.ms = 300;
    await pace.keep();
    expect(host.waitedMs).toBe(100);
  });
});

describe('run --time real', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-pace-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const image = join(folder, 'halt.img');
  const sector = new Uint8Array(512);
  // sti; again: hlt; jmp again
  sector.set([0xfb, 0xf4, 0xeb, 0xfd]);
  sector.set([0x55, 0xaa], 510);
  writeFileSync(image, sector);

  const run = async (host: Host, realTime: boolean): Promise<number> => {
    const script = [{ kind: 'wait', ns: 3e9 }] as const;
    const report = await runGuest(
      {
        guest: image,
        load: { machine: 'pc', memoryBytes: 0x200000, pc: { script } },
        ...{ devices: [], revision: 'exact', maxInstructions: null, timeoutMs: null },
      },
      { ...host.watch, output: () => {}, realTime },
    );
    expect(report.outcome).toBe('success');
    // Three seconds of the guest's, at 100 ns an instruction, and the way to its first look.
    expect(report.instructions).toBe(30_000_000);
    return host.now - 5000;
  };

  test("takes as long as the guest's time, and the guest does the same as ever", async () => {
    const host = new Host(0);
    const tookMs = await run(host, true);
    expect(tookMs).toBeGreaterThan(2980);
    expect(tookMs).toBeLessThanOrEqual(3000);
  });

  test('a busy host takes longer and waits less', async () => {
    const host = new Host(12);
    expect(await run(host, true)).toBeGreaterThan(3000);
    expect(host.waitedMs).toBeLessThan(300);
  });

  test('virtual time waits for nothing', async () => {
    const host = new Host(0);
    expect(await run(host, false)).toBe(0);
    expect(host.waitedMs).toBe(0);
  });
});
