// SPDX-License-Identifier: GPL-2.0-only
// The devices of a PC that can be made without one, under checkDevice().
import { describe, expect, test } from 'vitest';
import { checkDevice, type DeviceRules, formatCheck } from '../../src/check/index.ts';
import { PortView } from '../../src/dm/devices/board.ts';
import { PostPort } from '../../src/dm/devices/board-ports.ts';
import { Cmos } from '../../src/dm/devices/cmos.ts';
import { FwCfg } from '../../src/dm/devices/fw-cfg.ts';
import { I8042 } from '../../src/dm/devices/i8042.ts';
import { I8237 } from '../../src/dm/devices/i8237.ts';
import { PciHost } from '../../src/dm/devices/pci-host.ts';
import { UnservedCalls } from '../../src/dm/devices/unserved.ts';
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
  [
    'pci-host',
    '0xcf8-0xcff',
    () => new PciHost(board, true),
    {
      examples: [
        { name: 'a 440FX at device 0', steps: 'w4@0=0x80000000 r4@4=0x12378086 r2@6=0x1237' },
        { name: 'nothing at device 2', steps: 'w4@0=0x80001000 r4@4=0xffffffff' },
        { name: 'nor without the enable bit', steps: 'w4@0=0 r4@4=0xffffffff' },
        { name: 'nor on bus 1', steps: 'w4@0=0x80010000 r4@4=0xffffffff' },
        { name: 'the vendor stays', steps: 'w4@0=0x80000000 w4@4=0 r4@4=0x12378086' },
        {
          name: 'PAM0 keeps the two bits of F0000 to FFFFF, PAM1 four',
          steps: 'w4@0=0x80000058 w2@5=0xffff r2@5=0x3330',
        },
        {
          name: 'a PIIX3 at device 1, with its routes off',
          steps: 'w4@0=0x80000800 r4@4=0x70008086 w4@0=0x80000860 r4@4=0x80808080',
        },
        { name: 'its IDE as an AT has it', steps: 'w4@0=0x80000908 r4@4=0x01018000' },
        {
          name: 'the address is a double word',
          steps: 'w4@0=0x80000000 w1@0=8 r1@0=0xff r4@0=0x80000000',
        },
      ],
    },
  ],
  ['post', '0x80', () => new PostPort(), {}],
  ['unserved-calls', '0x568-0x56b', () => new UnservedCalls(() => undefined), {}],
];

describe.each(DEVICES)('%s', (name, defaultRange, create, rules) => {
  test('is well', () => {
    const report = checkDevice({ name, summary: '', defaultRange, create }, { rules });
    expect(formatCheck(report)).toMatch(/: all well \(/);
  });
});
