// SPDX-License-Identifier: GPL-2.0-only
import { expect, it } from 'vitest';
import { formatIoRange } from '../../../src/dm/range.ts';
import { parseDeviceSpec } from '../../../src/dm/registry.ts';
import { chooseDevices } from '../../../src/machine/choose-devices.ts';
import { loadGuest } from '../../../src/machine/loader.ts';

function choose(...asked: string[]): string[] {
  return chooseDevices(loadGuest('counter'), asked.map(parseDeviceSpec)).map(
    ({ factory, range }) => `${factory.name}@${formatIoRange(range)}`,
  );
}

it("gives a guest its manifest's devices, those asked for in place of their namesakes, and others besides", () => {
  expect(choose()).toEqual(['counter@0x200-0x207', 'verdict@0xf4']);
  expect(choose('counter@0x300')).toEqual(['verdict@0xf4', 'counter@0x300-0x307']);
  expect(choose('debugcon')).toEqual(['counter@0x200-0x207', 'verdict@0xf4', 'debugcon@0xe9']);
  expect(choose('counter@0x300', 'counter@0x310')).toEqual([
    'verdict@0xf4',
    'counter@0x300-0x307',
    'counter@0x310-0x317',
  ]);
});

it('replaces one device of several of its name where the place is the same', () => {
  const labels = chooseDevices(loadGuest('smp-counter'), [parseDeviceSpec('counter@0x208')]).map(
    ({ factory, range }) => `${factory.name}@${formatIoRange(range)}`,
  );
  expect(labels).toEqual([
    'counter@0x200-0x207',
    'counter@0x210-0x217',
    'counter@0x218-0x21f',
    'verdict@0xf4',
    'counter@0x208-0x20f',
  ]);
});
