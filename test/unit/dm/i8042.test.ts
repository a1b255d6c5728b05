// SPDX-License-Identifier: GPL-2.0-only
// The keyboard behind the 8042: what it answers, with and without translation.
import { beforeEach, describe, expect, test } from 'vitest';
import { I8042 } from '../../../src/dm/devices/i8042.ts';
import { silentContext } from '../../../src/dm/index.ts';

const TRANSLATED = 0x45;
const RAW = 0x05;
let now = 0;
let device: I8042;

beforeEach(() => {
  now = 0;
  const board = { a20: true, setA20: () => undefined, resetCpu: () => undefined };
  device = new I8042(silentContext({ nowNs: () => now }), board);
});

/** Everything that comes within a second. */
function answers(): number[] {
  const bytes: number[] = [];
  for (const end = now + 1e9; now < end; now += 1e6) {
    device.advance(now);
    if ((device.read(0x64, 1) & 1) !== 0) bytes.push(device.read(0x60, 1));
  }
  return bytes;
}

function mode(byte: number): void {
  device.write(0x64, 1, 0x60);
  device.write(0x60, 1, byte);
}

function ask(...bytes: number[]): number[] {
  return bytes.flatMap((byte) => {
    device.write(0x60, 1, byte);
    return answers();
  });
}

describe.each([
  ['translated', TRANSLATED, [0x43, 0x41, 0x3f], 0x41],
  ['as it is', RAW, [1, 2, 3], 0x83],
] as const)('%s', (_, command, sets, identity) => {
  test('F0 tells its scan code set, F2 what it is', () => {
    mode(command);
    answers();
    expect(ask(0xf2)).toEqual([0xfa, 0xab, identity]);
    expect(ask(0xf0, 0)).toEqual([0xfa, 0xfa, sets[1]]);
    for (const set of [1, 3]) {
      expect(ask(0xf0, set)).toEqual([0xfa, 0xfa]);
      expect(ask(0xf0, 0)).toEqual([0xfa, 0xfa, sets[set - 1]]);
    }
  });
});
