// SPDX-License-Identifier: GPL-2.0-only
// The devices of a PC that can be made without one, under checkDevice().
import { describe, expect, test } from 'vitest';
import { checkDevice, type DeviceRules, formatCheck } from '../../src/check/index.ts';
import { PortView } from '../../src/dm/devices/board.ts';
import { PostPort, UnservedCalls } from '../../src/dm/devices/board-ports.ts';
import { Cmos } from '../../src/dm/devices/cmos.ts';
import { FwCfg } from '../../src/dm/devices/fw-cfg.ts';
import { I8042 } from '../../src/dm/devices/i8042.ts';
import { I8237 } from '../../src/dm/devices/i8237.ts';
import type { DeviceFactory } from '../../src/dm/factory.ts';

/** A board on which nothing happens. */
const board = { a20: true, setA20: () => undefined, resetCpu: () => undefined };
const memory = { read: () => undefined, write: () => undefined };
const contents = {
  conventionalBytes: 0xa0000,
  extendedBytes: 0x100000,
  floppies: [4, 0],
  disks: 0,
  century: 20,
  bootFromDisk: false,
} as const;

const DEVICES: readonly [
  name: string,
  range: string,
  create: DeviceFactory['create'],
  DeviceRules,
][] = [
  ['cmos', '0x70-0x71', () => new Cmos(contents), {}],
  [
    'fw-cfg',
    '0x510-0x511',
    () => new FwCfg([{ name: 'a', bytes: () => Uint8Array.of(1, 2, 3) }]),
    { readEffects: 'all' },
  ],
  [
    'i8042',
    '0x60-0x64',
    (context) => new PortView(new I8042(context, board), 0x60, true),
    { readEffects: 'all' },
  ],
  ['i8237', '0x0-0xf', () => new PortView(new I8237(memory), 0, true), { readEffects: 'all' }],
  ['post', '0x80', () => new PostPort(), {}],
  ['unserved-calls', '0x568-0x56b', () => new UnservedCalls(() => undefined), {}],
];

describe.each(DEVICES)('%s', (name, defaultRange, create, rules) => {
  test('is well', () => {
    const report = checkDevice({ name, summary: '', defaultRange, create }, { rules });
    expect(formatCheck(report)).toMatch(/: all well \(/);
  });
});
