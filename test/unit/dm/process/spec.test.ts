// SPDX-License-Identifier: GPL-2.0-only
// How a device process is written down.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkDeviceProcess,
  parseDeviceProcess,
  parseServedDevice,
  shellWords,
} from '../../../../src/dm/process/spec.ts';
import { isHvmError } from '../../../../src/util/errors.ts';

const codeOf = (f: () => unknown): string | null => {
  try {
    f();
    return null;
  } catch (error) {
    return isHvmError(error) ? error.code : String(error);
  }
};

describe('parseDeviceProcess', () => {
  it('reads a command and a socket', () => {
    expect(parseDeviceProcess('counter@0x200=python3 a.py --flag "a b"')).toEqual({
      device: 'counter@0x200',
      command: ['python3', 'a.py', '--flag', 'a b'],
    });
    expect(parseDeviceProcess('counter = unix:/run/x y.sock ')).toEqual({
      device: 'counter',
      socket: '/run/x y.sock',
    });
    // Only the first equals sign divides.
    expect(parseDeviceProcess('counter=env A=1 x').command).toEqual(['env', 'A=1', 'x']);
  });

  it.each([
    ['', 'HVM_USAGE'],
    ['counter', 'HVM_USAGE'],
    ['counter=', 'HVM_USAGE'],
    ['=python3 x', 'HVM_USAGE'],
    ["counter=python3 'x", 'HVM_USAGE'],
    ["counter=''", 'HVM_USAGE'],
    ['counter=unix:', 'HVM_USAGE'],
    [`counter=unix:/${'x'.repeat(107)}`, 'HVM_USAGE'],
    ['counter=a\0b', 'HVM_USAGE'],
    ['countr=python3 x', 'HVM_DEVICE_UNKNOWN'],
    ['mine@0x300=python3 x', 'HVM_DEVICE_UNKNOWN'],
    ['mine@0x300-0x1ffff=python3 x', 'HVM_RANGE'],
    ['counter@zz=python3 x', 'HVM_RANGE'],
  ])('%j is refused with %s', (text, code) => {
    expect(codeOf(() => parseDeviceProcess(text))).toBe(code);
  });

  it('throws nothing but HvmError', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(codeOf(() => parseDeviceProcess(text)) ?? 'HVM_').toMatch(/^HVM_/);
      }),
    );
  });
});

it('words: what is quoted so comes back', () => {
  const words = fc.array(fc.string(), { maxLength: 6 });
  fc.assert(
    fc.property(words, (list) => {
      const quoted = list.map((w) => `'${w.replaceAll("'", "'\\''")}'`).join('  ');
      expect(shellWords(quoted)).toEqual(list);
    }),
  );
});

it('a device that only its process knows needs a whole range, and cannot be made here', () => {
  const { factory, range } = parseServedDevice('mine@0x300-0x303');
  expect([factory.name, range]).toEqual(['mine', { space: 'pio', start: 0x300, end: 0x303 }]);
  expect(() => factory.create({} as never)).toThrow(/by its own process only/);
  expect(parseServedDevice('counter').factory.name).toBe('counter');
});

it('neither command nor socket is a mistake', () => {
  expect(codeOf(() => checkDeviceProcess({ device: 'counter' }))).toBe('HVM_USAGE');
  expect(codeOf(() => checkDeviceProcess({ device: 'counter', command: [] }))).toBe('HVM_USAGE');
});
