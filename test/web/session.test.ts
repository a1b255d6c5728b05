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
import type { Shown } from '../../src/web/shown.ts';
import type { vcpu } from '../../src/xen/common/sched.ts';
import { IOREQ_TYPE_PIO, type ioreq_t, newIoreq } from '../../src/xen/public/hvm_ioreq.ts';

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
  let shown: Shown | null = null as Shown | null;
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
      expect(shown?.phase).toBe('paused');
      counts.push(shown?.instructions ?? Number.NaN);
      if (counts.length < 4) session.button('step');
      else stop.abort();
      then();
    },
  });
  session.server.send = (kind, data) => {
    if (kind === 'state') shown = data as Shown;
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

test('accesses have the names that ports of a PC have; the same again is counted, what nobody claims is told', () => {
  const lines = new IoLines();
  const tell = (fields: Partial<ioreq_t>, handled = true): void => {
    const request = Object.assign(newIoreq(), { size: 1, count: 1, type: IOREQ_TYPE_PIO, dir: 0 });
    lines.internal({} as vcpu, Object.assign(request, fields), handled, 0);
  };
  for (let i = 0; i < 3; i++) tell({ addr: 0x20, data: 0x20 });
  tell({ addr: 0x3d4, data: 0xe, size: 2 });
  tell({ addr: 0x220, data: 0xff, dir: 1 }, false);
  expect(lines.take()).toEqual({
    lines: [
      { verb: 'out', at: '020', name: 'PIC 1 command', value: '20', times: 3, nobody: false },
      { verb: 'out', at: '3d4', name: 'VGA CRTC', value: '000e', times: 1, nobody: false },
      { verb: 'in', at: '220', name: 'Sound Blaster', value: 'ff', times: 1, nobody: true },
    ],
    left: 0,
  });
  for (let i = 0; i < 250; i++) tell({ addr: 0x80, data: i });
  expect(lines.take()).toMatchObject({ lines: { length: 200 }, left: 50 });
  expect(lines.take()).toEqual({ lines: [], left: 0 });
});

test('a program that has ended says how; what cannot be done then is refused in words', async () => {
  const program = join(folder, 'three.com');
  writeFileSync(program, Uint8Array.of(0xb8, 3, 0x4c, 0xcd, 0x21)); // mov ax,4c03h; int 21h
  const lines = new IoLines();
  const guest = loadGuest(program, { machine: 'pc' });
  using machine = new Machine({ guest, devices: chooseDevices(guest, []), trace: lines });
  if (machine.pc === null) throw new Error('a .COM program runs on a PC');
  const stop = new AbortController();
  let shown: Shown | null = null as Shown | null;
  let ms = 0;
  using session = new WebSession(machine, machine.pc, lines, {
    signal: stop.signal,
    clock: { nowMs: () => (ms += 100) },
    tick: () => undefined,
    idle: (_ms, then) => {
      if (shown?.phase === 'ended') stop.abort();
      then();
    },
  });
  session.server.send = (kind, data) => {
    if (kind === 'state') shown = data as Shown;
  };
  await session.run();
  expect(shown).toMatchObject({ phase: 'ended', why: 'the program ended with exit code 3' });
  expect(() => session.button('step')).toThrow(
    'step refused: the machine has ended (the program ended with exit code 3)',
  );
  expect(() => session.button('restore')).toThrow('restore refused: there is no checkpoint yet');
  expect(() => session.button('nothing')).toThrow("button 'nothing': expected pause");
});
