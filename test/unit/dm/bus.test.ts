// SPDX-License-Identifier: GPL-2.0-only
// Routing, misses, overlaps, widths.
import { expect, test } from 'vitest';
import { Bus, type HighWord, parseIoRange, RegisterDevice } from '../../../src/dm/index.ts';

/** Answers all ones of 64 bits, or what it was told; keeps what it was asked. */
class Probe extends RegisterDevice<{ n: number }> {
  readonly log: string[] = [];
  answer = -1;

  constructor(name: string) {
    super(name, { n: 0 });
  }

  read(offset: number, size: number, high: HighWord): number {
    this.log.push(`r${size}+${offset}`);
    high.hi = this.answer;
    return this.answer;
  }

  write(offset: number, size: number, value: number, valueHigh: number): void {
    this.log.push(`w${size}+${offset}=${value.toString(16)}:${valueHigh.toString(16)}`);
  }
}

function at(text: string): ReturnType<typeof parseIoRange> {
  return parseIoRange(text, () => 1);
}

test('an access reaches the device whose range holds all of it, with its offset', () => {
  const bus = new Bus();
  const [a, b, m] = [new Probe('a'), new Probe('b'), new Probe('m')];
  bus.attach(a, at('0x10-0x17'));
  bus.attach(b, at('0x18-0x1b'));
  bus.attach(m, at('mmio:0x10-0x1f'));
  bus.read('pio', 0x12, 2);
  bus.read('pio', 0x18, 4);
  bus.write('mmio', 0x18, 8, 0x1234, 0x56);
  bus.read('pio', 0x10, 1);
  expect(a.log).toEqual(['r2+2', 'r1+0']);
  expect(b.log).toEqual(['r4+0']);
  expect(m.log).toEqual(['w8+8=1234:56']);
  expect(bus.misses).toBe(0);
  expect(bus.attachments.map(({ device }) => device.name)).toEqual(['a', 'b', 'm']);
});

test('nobody there, or an access that leaves its range: all ones, dropped, counted', () => {
  const bus = new Bus();
  const device = new Probe('a');
  bus.attach(device, at('0x10-0x17'));
  expect(bus.read('pio', 0x18, 1)).toBe(0xff);
  expect(bus.read('pio', 0x17, 2)).toBe(0xffff);
  expect(bus.read('pio', 0xf, 4)).toBe(0xffffffff);
  expect(bus.high.hi).toBe(0);
  expect(bus.read('mmio', 0x10, 8)).toBe(0xffffffff);
  expect(bus.high.hi).toBe(0xffffffff);
  bus.write('pio', 0x16, 4, 1, 0);
  expect(bus.misses).toBe(5);
  expect(device.log).toEqual([]);
  bus.resetCounts();
  expect(bus.misses).toBe(0);
});

test('answers and written values are cut to the width, unsigned', () => {
  const bus = new Bus();
  const device = new Probe('a');
  bus.attach(device, at('mmio:0x0-0xf'));
  expect([1, 2, 4].map((size) => bus.read('mmio', 0, size as 1 | 2 | 4))).toEqual([
    0xff, 0xffff, 0xffffffff,
  ]);
  expect(bus.high.hi).toBe(0);
  expect(bus.read('mmio', 0, 8)).toBe(0xffffffff);
  expect(bus.high.hi).toBe(0xffffffff);
  device.log.length = 0;
  bus.write('mmio', 0, 1, -1, -1);
  bus.write('mmio', 0, 2, 0x12345678, 9);
  bus.write('mmio', 0, 4, -1, 9);
  bus.write('mmio', 0, 8, -1, -1);
  expect(device.log).toEqual([
    'w1+0=ff:0',
    'w2+0=5678:0',
    'w4+0=ffffffff:0',
    'w8+0=ffffffff:ffffffff',
  ]);
});

test('two devices on one address are refused, naming both and both ranges', () => {
  const bus = new Bus();
  bus.attach(new Probe('counter'), at('0x200-0x203'));
  expect(() => bus.attach(new Probe('serial'), at('0x202-0x205'))).toThrowError(
    expect.objectContaining({
      code: 'HVM_RANGE_OVERLAP',
      message: "port range 0x202-0x205 of 'serial' overlaps 0x200-0x203 of 'counter'",
    }),
  );
  expect(bus.attachments).toHaveLength(1);
  bus.attach(new Probe('memory'), at('mmio:0x200-0x203'));
  expect(() => bus.attach(new Probe('x'), { space: 'pio', start: 5, end: 4 })).toThrowError(
    expect.objectContaining({ code: 'HVM_RANGE' }),
  );
});
