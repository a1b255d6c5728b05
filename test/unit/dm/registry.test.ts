// SPDX-License-Identifier: GPL-2.0-only
// Devices by name: what is there, what a specification means, what is refused.
import { describe, expect, test } from 'vitest';
import {
  type DeviceFactory,
  formatIoRange,
  listDevices,
  parseDeviceSpec,
  RegisterDevice,
  registerDevice,
  silentContext,
} from '../../../src/dm/index.ts';

class Nothing extends RegisterDevice<{ n: number }> {
  constructor() {
    super('nothing', { n: 0 });
  }
  read(): number {
    return 0;
  }
  write(): void {}
}

const nothing: DeviceFactory = {
  name: 'nothing',
  summary: 'for this test',
  defaultRange: 'mmio:0xe0000-0xe00ff',
  create: () => new Nothing(),
};

describe('parseDeviceSpec()', () => {
  test.each([
    ['counter', '0x200-0x207'],
    ['counter@0x300', '0x300-0x307'],
    ['counter@0x300-0x301', '0x300-0x301'],
    ['counter@mmio', 'mmio:0xd0000-0xd0fff'],
    ['counter@mmio:0xe0000', 'mmio:0xe0000-0xe0fff'],
    ['counter@mmio:0xd0000-0xd0fff', 'mmio:0xd0000-0xd0fff'],
    ['rmw', 'mmio:0xd1000-0xd1fff'],
    ['rmw@mmio', 'mmio:0xd1000-0xd1fff'],
    ['verdict@0xf4', '0xf4'],
    ['debugcon', '0xe9'],
    ['serial', '0x3f8-0x3ff'],
    ['sequence', '0x210-0x217'],
  ])('%s sits at %s', (text, range) => {
    const spec = parseDeviceSpec(text);
    expect(formatIoRange(spec.range)).toBe(range);
    expect(spec.factory.name).toBe(text.split('@')[0]);
    expect(spec.factory.create(silentContext()).name).toBe(spec.factory.name);
  });

  test('an unknown name is refused with the nearest one, or all there are', () => {
    expect(() => parseDeviceSpec('cuonter@0x200')).toThrowError(
      expect.objectContaining({
        code: 'HVM_DEVICE_UNKNOWN',
        message: "no device 'cuonter': did you mean 'counter'?",
      }),
    );
    expect(() => parseDeviceSpec('quux')).toThrowError(/expected one of counter, sequence/);
    expect(() => parseDeviceSpec('')).toThrowError(
      expect.objectContaining({ code: 'HVM_DEVICE_UNKNOWN' }),
    );
  });

  test.each(['counter@', 'counter@0xfffc', 'counter@0x10000', 'counter@a-b', 'verdict@mmio'])(
    '%s is refused as a range',
    (text) => {
      expect(() => parseDeviceSpec(text)).toThrowError(
        expect.objectContaining({ code: 'HVM_RANGE' }),
      );
    },
  );
});

describe('registerDevice()', () => {
  test('makes a device known until it is taken back', () => {
    const unregister = registerDevice(nothing);
    expect(listDevices()).toContain(nothing);
    expect(formatIoRange(parseDeviceSpec('nothing').range)).toBe('mmio:0xe0000-0xe00ff');
    expect(() => registerDevice(nothing)).toThrowError(
      expect.objectContaining({ code: 'HVM_DEVICE_DUPLICATE' }),
    );
    unregister();
    expect(listDevices()).not.toContain(nothing);
  });

  test('refuses a name the command line could not hold, and a malformed default', () => {
    expect(() => registerDevice({ ...nothing, name: 'a@b' })).toThrowError(
      expect.objectContaining({ code: 'HVM_USAGE' }),
    );
    expect(() => registerDevice({ ...nothing, defaultRange: '0x10000' })).toThrowError(
      expect.objectContaining({ code: 'HVM_RANGE' }),
    );
    expect(() => registerDevice({ ...nothing, defaultMmioRange: 'mmio:' })).toThrowError(
      expect.objectContaining({ code: 'HVM_RANGE' }),
    );
    expect(listDevices().map(({ name }) => name)).not.toContain('nothing');
  });

  test('the built-in devices have names, summaries and ranges of their own', () => {
    const devices = listDevices();
    expect(devices.map(({ name }) => name)).toEqual([
      'counter',
      'sequence',
      'rmw',
      'debugcon',
      'verdict',
      'serial',
      'blank',
      'mailbox',
    ]);
    const ranges = devices.flatMap((d) => [d.defaultRange, d.defaultMmioRange ?? []].flat());
    expect(new Set(ranges).size).toBe(ranges.length);
    for (const { summary } of devices) expect(summary).toMatch(/^[^\n]{10,79}$/);
  });
});
