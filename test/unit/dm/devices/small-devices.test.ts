// SPDX-License-Identifier: GPL-2.0-only
// counter, sequence, rmw, debugcon, verdict, blank: what each answers, counts and testifies.
import { describe, expect, test } from 'vitest';
import { Blank } from '../../../../src/dm/devices/blank.ts';
import { Counter } from '../../../../src/dm/devices/counter.ts';
import { Debugcon } from '../../../../src/dm/devices/debugcon.ts';
import { Rmw } from '../../../../src/dm/devices/rmw.ts';
import { Sequence } from '../../../../src/dm/devices/sequence.ts';
import { VerdictPort } from '../../../../src/dm/devices/verdict.ts';
import { type DeviceContext, type IoSize, silentContext } from '../../../../src/dm/index.ts';

function spy(): { context: DeviceContext; output: number[]; ended: string[] } {
  const output: number[] = [];
  const ended: string[] = [];
  const context = silentContext({
    output: (byte) => output.push(byte),
    endGuest: (verdict) => ended.push(verdict),
  });
  return { context, output, ended };
}

const high = { hi: 0 };

describe('counter', () => {
  test('answers 1, 2, 3... whatever the width and the offset', () => {
    const device = new Counter();
    const widths: IoSize[] = [4, 1, 2, 8, 4];
    expect(widths.map((size, i) => device.read(i, size, high))).toEqual([1, 2, 3, 4, 5]);
    expect(device.witness()).toEqual({ readsServed: 5, writesServed: 0 });
  });

  test('a write of any width changes nothing but is counted', () => {
    const device = new Counter();
    device.write();
    device.write();
    expect(device.read(0, 4, high)).toBe(1);
    expect(device.witness()).toEqual({ readsServed: 1, writesServed: 2 });
  });

  test('carries into its high word', () => {
    const device = new Counter();
    device.restore({ low: 0xffffffff, high: 6, writes: 0 });
    expect(device.read(0, 8, high)).toBe(0);
    expect(high.hi).toBe(7);
    expect(device.witness()).toMatchObject({ readsServed: 7 * 2 ** 32 });
  });
});

describe('sequence', () => {
  function sent(values: number[], size: IoSize = 4): Sequence {
    const device = new Sequence();
    for (const value of values) device.write(0, size, value, 0);
    return device;
  }

  test.each([
    [[1, 2, 3], { last: 3, lost: 0, duplicated: 0, outOfOrder: 0 }],
    [[1, 1, 2], { last: 2, lost: 0, duplicated: 1, outOfOrder: 0 }],
    [[1, 4, 5], { last: 5, lost: 2, duplicated: 0, outOfOrder: 0 }],
    [[1, 2, 1, 3], { last: 3, lost: 0, duplicated: 0, outOfOrder: 1 }],
    [[0], { last: 0, lost: 0, duplicated: 1, outOfOrder: 0 }],
    [[2], { last: 2, lost: 1, duplicated: 0, outOfOrder: 0 }],
  ])('%j', (values, expected) => {
    const device = sent(values);
    expect(device.witness()).toEqual({ writesServed: values.length, ...expected });
    expect(device.read(0, 4, high)).toBe(expected.last);
    const violations = expected.lost + expected.duplicated + expected.outOfOrder;
    expect(device.read(4, 4, high)).toBe(violations);
  });

  test('narrow writes wrap at their width and still count up', () => {
    const values = Array.from({ length: 600 }, (_, i) => (i + 1) & 0xff);
    expect(sent(values, 1).witness()).toMatchObject({ last: 600, lost: 0, duplicated: 0 });
    expect(sent([1, 2, 1], 1).witness()).toMatchObject({ last: 2, outOfOrder: 1 });
  });

  test('8-byte values use both words', () => {
    const device = new Sequence();
    device.restore({ last: 2 ** 32 - 1, writes: 0, lost: 0, duplicated: 0, outOfOrder: 0 });
    device.write(0, 8, 0, 1);
    expect(device.witness()).toMatchObject({ last: 2 ** 32, lost: 0, outOfOrder: 0 });
    expect(device.read(0, 8, high)).toBe(0);
    expect(high.hi).toBe(1);
    device.write(0, 8, 0xffffffff, 0xffffffff);
    expect(device.witness()).toMatchObject({ last: 2 ** 32, outOfOrder: 1 });
    device.write(0, 8, 0, 0);
    expect(device.witness()).toMatchObject({ last: 2 ** 32, outOfOrder: 2 });
  });
});

describe('rmw', () => {
  test('one read, one write of that plus 1, over and over: no violation', () => {
    const device = new Rmw();
    for (let i = 0; i < 300; i++) device.write(0, 4, device.read(0, 4) + 1);
    expect(device.witness()).toEqual({
      value: 300,
      open: false,
      reads: 300,
      writes: 300,
      repeatedReads: 0,
      unpairedWrites: 0,
      wrongValues: 0,
    });
  });

  test('narrow forms wrap at their width and leave the rest alone', () => {
    const device = new Rmw();
    device.restore({ ...device.save(), value: 0x1234ffff });
    expect(device.read(0, 1)).toBe(0xff);
    device.write(0, 1, 0);
    expect(device.read(0, 2)).toBe(0xff00);
    device.write(0, 2, 0xff01);
    expect(device.witness()).toMatchObject({ value: 0x1234ff01, wrongValues: 0 });
  });

  test('a repeated read, an unpaired write, a wrong value: each is counted', () => {
    const device = new Rmw();
    device.read(0, 4);
    device.read(0, 4);
    expect(device.witness()).toMatchObject({ repeatedReads: 1, open: true });
    device.write(0, 4, 1);
    device.write(0, 4, 2);
    expect(device.witness()).toMatchObject({ unpairedWrites: 1, value: 2, open: false });
    device.read(0, 4);
    device.write(0, 4, 9);
    expect(device.witness()).toMatchObject({ wrongValues: 1, value: 9 });
  });
});

describe('debugcon', () => {
  test('reads answer its port number; bytes go out lowest first', () => {
    const { context, output } = spy();
    const device = new Debugcon(context);
    expect(device.read()).toBe(0xe9);
    device.write(0, 1, 0x41, 0);
    device.write(0, 4, 0x45444342, 0);
    device.write(0, 8, 0x49484746, 0x4d4c4b4a);
    expect(String.fromCharCode(...output)).toBe('ABCDEFGHIJKLM');
    expect(device.witness()).toEqual({ bytesWritten: 13 });
  });
});

describe('verdict', () => {
  test.each([
    [0, 'success'],
    [1, 'skip'],
    [2, 'error'],
    [3, 'failure'],
    [4, 'error'],
    [0xff, 'error'],
  ])('%i ends the guest with %s', (code, verdict) => {
    const { context, ended } = spy();
    const device = new VerdictPort(context);
    expect(device.read()).toBe(0xff);
    expect(device.witness()).toEqual({ reports: 0 });
    device.write(0, 1, code);
    expect(ended).toEqual([verdict]);
    expect(device.read()).toBe(code);
    expect(device.witness()).toEqual({ reports: 1, verdict, code });
  });
});

test('blank answers 0 and counts', () => {
  const device = new Blank();
  expect(device.read(0, 4)).toBe(0);
  device.write();
  expect(device.witness()).toEqual({ readsServed: 1, writesServed: 1 });
});
