// SPDX-License-Identifier: GPL-2.0-only
// What checkDevice() says of a faulty device: short, repeatable, and refused when asked for what cannot be.
import { describe, expect, test } from 'vitest';
import { type CheckOptions, checkDevice, formatCheck } from '../../src/check/index.ts';
import { formatScript, parseScript } from '../../src/check/step.ts';
import { type DeviceFactory, RegisterDevice } from '../../src/dm/index.ts';

/** Forgets in a restore that register 4 was written 0x80: somebody was clever. */
class Clever extends RegisterDevice<{ low: number; armed: boolean }> {
  #secret = 0;

  constructor() {
    super('clever', { low: 0, armed: false });
  }

  read(offset: number): number {
    return offset === 4 ? this.#secret : this.state.low;
  }

  write(offset: number, _size: number, value: number): void {
    if (offset === 4) this.#secret = value & 0x80;
    else this.state.low = value & 0xff;
  }
}

const clever: DeviceFactory = {
  name: 'clever',
  summary: 'forgets',
  defaultRange: '0x300-0x307',
  create: () => new Clever(),
};

describe('a failure', () => {
  const report = checkDevice(clever);
  const restore = report.failures.find(({ property }) => property === 'restore');

  test('is one write, the restore, one read', () => {
    expect(report.ok).toBe(false);
    expect(restore?.script).toBe('w1@0x4=0x80 | r1@0x4');
    expect(restore?.message).toBe(
      "step 2: 'r1@0x4 answers 0x0', without save and restore 'r1@0x4 answers 0x80'",
    );
  });

  test('is the same again from its replay, and from the same seed', () => {
    const again = checkDevice(clever, { replay: restore?.replay ?? '' });
    expect(again.failures).toEqual([restore]);
    expect(checkDevice(clever)).toEqual(report);
  });

  test('says in words what shows it again', () => {
    expect(formatCheck(report)).toContain(
      "again   checkDevice(factory, { ...options, replay: 'restore: w1@0x4=0x80 | r1@0x4' })",
    );
  });
});

test('a script is read as it is written', () => {
  const text =
    'r1@0x5 w2@0x0=0x41 w8@0x10=0x1122334455667788 in=0x31 t=1000 | r8@0x5=0x6000000001 out=0x41 irq4=1 end=skip';
  expect(formatScript(parseScript(text))).toBe(text);
});

test.each<[string, CheckOptions]>([
  ['seed', { seed: 0.5 }],
  ['runs', { runs: 0 }],
  ['runs', { runs: 1e9 }],
  ['range', { rangeBytes: 0 }],
  ['no property', { replay: 'restor: |' }],
  ['is no step', { replay: 'restore: w1@4' }],
  ['is no step', { rules: { examples: [{ name: 'x', steps: 'out=0x100' }] } }],
  ['is not inside', { rules: { registers: [{ name: 'x', offset: 8, size: 1, reset: 0 }] } }],
])('what cannot be is refused: %s', (what, options) => {
  expect(() => checkDevice(clever, options)).toThrowError(
    expect.objectContaining({ code: 'HVM_USAGE', message: expect.stringContaining(what) }),
  );
});

test('create() that throws is a failure like any other', () => {
  const create = (): never => {
    throw new Error('no');
  };
  const { ok, failures } = checkDevice({ ...clever, create }, { runs: 2 });
  expect(ok).toBe(false);
  expect(failures[0]?.message).toBe('create() throws no');
});
