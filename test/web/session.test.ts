// SPDX-License-Identifier: GPL-2.0-only
// Steps of a PC that is looked at through a page: one instruction each, wherever it was paused, also in the middle of
// a HLT. No browser, no waiting: the clock and the pauses are the test's own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { chooseDevices } from '../../src/machine/choose-devices.ts';
import { loadGuest } from '../../src/machine/loader.ts';
import { Machine } from '../../src/machine/machine.ts';
import { IoLines } from '../../src/web/io-lines.ts';
import { WebSession } from '../../src/web/session.ts';

const folder = mkdtempSync(join(tmpdir(), 'trapline-session-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** sti; again: hlt; inc ax; jmp again */
const SLEEPER = [0xfb, 0xf4, 0x40, 0xeb, 0xfc];

/** The instruction counts shown when paused after so many slices, and after each of three steps. */
async function countsAround(slices: number): Promise<number[]> {
  const image = join(folder, 'sleeper.img');
  const sector = new Uint8Array(512);
  sector.set(SLEEPER);
  sector.set([0x55, 0xaa], 510);
  writeFileSync(image, sector);
  const lines = new IoLines();
  const guest = loadGuest(image, { machine: 'pc' });
  using machine = new Machine({ guest, devices: chooseDevices(guest, []), trace: lines });
  if (machine.pc === null) throw new Error('a boot sector runs on a PC');
  const stop = new AbortController();
  const counts: number[] = [];
  let shown = '';
  let ms = 0;
  let ticks = 0;
  using session = new WebSession(machine, machine.pc, lines, {
    signal: stop.signal,
    clock: { nowMs: () => ms },
    tick: () => {
      ms += 20;
      if (++ticks === slices) session.button('pause');
      return undefined;
    },
    // Only a pause rests: the host's clock is ahead of the guest's.
    idle: (_ms, then) => {
      counts.push(Number(/^paused, (\d+) instructions/.exec(shown)?.[1]));
      if (counts.length < 4) session.button('step');
      else stop.abort();
      then();
    },
  });
  session.server.send = (kind, data) => {
    if (kind === 'state') shown = String(data);
  };
  await session.run();
  return counts;
}

test('a step is one instruction, wherever the guest was paused', async () => {
  for (const slices of [1, 2, 80, 81, 82]) {
    const [at = 0, ...after] = await countsAround(slices);
    expect(after, `paused at ${at}`).toEqual([at + 1, at + 2, at + 3]);
  }
});
