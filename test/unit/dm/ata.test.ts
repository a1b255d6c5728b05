// SPDX-License-Identifier: GPL-2.0-only
// The ATA channel's commands that move no data, by ATA/ATAPI-4.
import { expect, test } from 'vitest';
import { Ata } from '../../../src/dm/devices/ata.ts';
import { memoryImage } from '../../../src/dm/devices/medium.ts';
import { silentContext } from '../../../src/dm/index.ts';

const READY = 0x50;
const FAILED = 0x51;
const ABORTED = 0x04;

const ata = (): Ata => new Ata(silentContext({}), [memoryImage(new Uint8Array(0x100000))]);

/** Status and error of a command. */
function run(device: Ata, command: number, feature = 0): [status: number, error: number] {
  device.write(0x1f6, 1, 0xa0);
  device.write(0x1f1, 1, feature);
  device.write(0x1f7, 1, command);
  return [device.read(0x3f6, 1), device.read(0x1f1, 1)];
}

test('CHECK POWER MODE says that the disk is active', () => {
  const device = ata();
  device.write(0x1f2, 1, 0);
  expect(run(device, 0xe5)).toEqual([READY, 0]);
  expect(device.read(0x1f2, 1)).toBe(0xff);
  expect(device.invalid.size).toBe(0);
});

test('SET FEATURES takes those that there are, and aborts others', () => {
  const device = ata();
  for (const feature of [0x02, 0x82, 0x03, 0xaa, 0x55, 0xcc, 0x66]) {
    expect(run(device, 0xef, feature)).toEqual([READY, 0]);
  }
  for (const feature of [0x00, 0x77, 0x5d]) {
    expect(run(device, 0xef, feature)).toEqual([FAILED, ABORTED]);
  }
});

test('a command that is not there is aborted and remembered', () => {
  const device = ata();
  expect(run(device, 0xa1)).toEqual([FAILED, ABORTED]);
  expect([...device.invalid]).toEqual([[0xa1, 1]]);
});
