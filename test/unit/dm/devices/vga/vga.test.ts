// SPDX-License-Identifier: GPL-2.0-only
// The VGA: registers, the ways to its memory, when that is RAM, the beam, and what is on screen.
import { describe, expect, test } from 'vitest';
import { type DeviceState, silentContext } from '../../../../../src/dm/device.ts';
import type { PixelFrame, TextFrame } from '../../../../../src/dm/devices/vga/frame.ts';
import { Vga, type VideoWindow } from '../../../../../src/dm/devices/vga/vga.ts';
import {
  CGA_4,
  CGA_6,
  MODE_0D,
  MODE_12,
  MODE_13,
  type Mode,
  setMode,
  TEXT_40,
  TEXT_80,
} from './modes.ts';

const BYTE = { hi: 0 };

/** A VGA with a window that notes what is mapped; `poke` and `peek` go where the CPU's access would. */
class Bench {
  readonly ram: Uint8Array = new Uint8Array(0x20000);
  readonly maps: [number, number][] = [];
  now = 0;
  readonly vga: Vga;

  constructor() {
    const window: VideoWindow = {
      ram: this.ram,
      map: (base, bytes) => this.maps.push([base, bytes]),
      wrote: () => {},
    };
    this.vga = new Vga(silentContext({ nowNs: () => this.now }), window);
  }
  mode(mode: Mode): this {
    setMode(this.vga, mode);
    return this;
  }
  out(port: number, ...values: number[]): this {
    for (const [i, value] of values.entries()) this.vga.write(port + i, 1, value, 0);
    return this;
  }
  in(port: number): number {
    return this.vga.read(port, 1, BYTE);
  }
  poke(address: number, ...values: number[]): this {
    return this.out(address, ...values);
  }
  peek(address: number): number {
    return this.vga.read(address, 1, BYTE);
  }
  text(): TextFrame {
    const frame = this.vga.frame();
    if (frame.kind !== 'text') throw new Error('not a text mode');
    return frame;
  }
  pixels(): PixelFrame {
    const frame = this.vga.frame();
    if (frame.kind !== 'pixels') throw new Error('not a graphics mode');
    return frame;
  }
}

describe('registers', () => {
  test('indexed registers keep what is written; word writes set index and data', () => {
    const b = new Bench();
    b.vga.write(0x3ce, 2, 0x5508, 0);
    expect([b.in(0x3ce), b.in(0x3cf)]).toEqual([0x08, 0x55]);
    b.out(0x3d4, 0x0e, 0x12);
    expect(b.in(0x3d5)).toBe(0x12);
    expect(b.in(0x3b5)).toBe(0xff);
    b.out(0x3c2, 0x66);
    expect([b.in(0x3d5), b.in(0x3b5), b.in(0x3cc)]).toEqual([0xff, 0x12, 0x66]);
  });

  test('CRTC registers 0 to 7 are locked by bit 7 of register 11h, but for the line compare', () => {
    const b = new Bench();
    const before = b.out(0x3d4, 0x07).in(0x3d5);
    b.out(0x3d5, before ^ 0xff);
    expect(b.in(0x3d5)).toBe(before ^ 0x10);
    b.out(0x3d4, 0x11, 0x00).out(0x3d4, 0x07, 0x55);
    expect(b.in(0x3d5)).toBe(0x55);
  });

  test('port 3C0 takes index and data in turn; reading 3DA begins anew', () => {
    const b = new Bench();
    b.in(0x3da);
    b.out(0x3c0, 0x03).out(0x3c0, 0x2a);
    b.out(0x3c0, 0x03);
    b.in(0x3da);
    b.out(0x3c0, 0x03);
    expect([b.in(0x3c0), b.in(0x3c1)]).toEqual([0x03, 0x2a]);
  });

  test('the DAC counts through colours and entries, and takes six bits', () => {
    const b = new Bench();
    b.out(0x3c8, 0x10);
    for (const v of [1, 2, 0xff, 4, 5, 6]) b.out(0x3c9, v);
    b.out(0x3c7, 0x10);
    expect([1, 2, 3, 4, 5, 6].map(() => b.in(0x3c9))).toEqual([1, 2, 63, 4, 5, 6]);
    expect(b.in(0x3c7)).toBe(3);
    expect(b.out(0x3c8, 0).in(0x3c7)).toBe(0);
  });
});

test('retrace bits follow the time: 70 pictures a second, 449 lines each, two of them in retrace', () => {
  const b = new Bench();
  let retraces = 0;
  let dark = 0;
  let before = 0;
  const step = 1_000;
  for (b.now = 0; b.now < 1e9; b.now += step) {
    const status = b.in(0x3da);
    if ((status & 8) !== 0 && (before & 8) === 0) retraces++;
    if ((status & 1) !== 0) dark++;
    before = status;
  }
  expect(retraces).toBe(70);
  // 49 of 449 lines, and a fifth of the others.
  expect(dark / 1e6).toBeCloseTo(1 - (400 / 449) * 0.8, 2);
});

describe('the aperture', () => {
  test.each([
    ['80x25 text', TEXT_80, [0x18000, 0x8000]],
    ['mode 13h', MODE_13, [0, 0x10000]],
    ['CGA 320x200', CGA_4, [0x18000, 0x8000]],
    ['mode 12h', MODE_12, [0, 0]],
    ['CGA 640x200', CGA_6, [0, 0]],
  ] as const)('%s: what is plain RAM', (_name, mode, mapped) => {
    expect(new Bench().mode(mode).maps.at(-1)).toEqual(mapped);
  });

  test('registers that make a difference take the RAM away, and give it back with what was written', () => {
    const b = new Bench().mode(MODE_13);
    b.ram.set([1, 2, 3, 4, 5], 0);
    b.out(0x3c4, 0x02, 0x02); // plane 1 only
    expect(b.maps.at(-1)).toEqual([0, 0]);
    b.poke(0xa0000, 0xaa, 0xbb, 0xcc);
    b.out(0x3c4, 0x02, 0x0f);
    expect(b.maps.at(-1)).toEqual([0, 0x10000]);
    expect([...b.ram.subarray(0, 5)]).toEqual([1, 0xbb, 3, 4, 5]);
  });

  test('outside the map, or switched off, nobody answers', () => {
    const b = new Bench();
    expect(b.poke(0xa0000, 0x12).peek(0xa0000)).toBe(0xff);
    expect(b.mode(MODE_12).poke(0xb8000, 0x12).peek(0xb8000)).toBe(0xff);
    b.out(0x3c2, 0x61);
    expect(b.poke(0xa0000, 0x12).peek(0xa0000)).toBe(0xff);
  });
});

describe('planes', () => {
  const b = new Bench().mode(MODE_12);
  const gc = (index: number, value: number): Bench => b.out(0x3ce, index, value);
  const planes = (): number[] => [0, 1, 2, 3].map((p) => gc(4, p).peek(0xa0000));
  /** All planes at A0000, with write mode 0 and everything else as after a mode set. */
  const fill = (...values: number[]): void => {
    for (const [index, value] of [0, 0, 0, 0, 0, 0, 5, 0x0f, 0xff].entries()) gc(index, value);
    for (const [p, value] of values.entries()) b.out(0x3c4, 2, 1 << p).poke(0xa0000, value);
    b.out(0x3c4, 2, 0x0f).peek(0xa0000);
  };

  test('write mode 0: rotation, set/reset, function, bit mask against the latch', () => {
    fill(0x0f, 0xf0, 0x55, 0xaa);
    gc(3, 1).poke(0xa0000, 0x81); // rotated right by one: C0
    expect(planes()).toEqual([0xc0, 0xc0, 0xc0, 0xc0]);
    fill(0x0f, 0xf0, 0x55, 0xaa);
    gc(1, 0x05);
    gc(0, 0x01);
    gc(8, 0x3c).poke(0xa0000, 0x00);
    // Plane 0 set, plane 2 reset, the others from the CPU; only the middle bits.
    expect(planes()).toEqual([0x3f, 0xc0, 0x41, 0x82]);
    for (const [what, values] of [
      [0x08, [0x0c, 0x30, 0x14, 0x28]],
      [0x10, [0x3f, 0xfc, 0x7d, 0xbe]],
      [0x18, [0x33, 0xcc, 0x69, 0x96]],
    ] as const) {
      fill(0x0f, 0xf0, 0x55, 0xaa);
      gc(3, what).poke(0xa0000, 0x3c);
      expect(planes()).toEqual(values);
    }
  });

  test('write mode 1 copies the latch', () => {
    fill(0x0f, 0xf0, 0x55, 0xaa);
    gc(5, 1).poke(0xa0001, 0x00);
    gc(5, 0);
    expect([0, 1, 2, 3].map((p) => gc(4, p).peek(0xa0001))).toEqual([0x0f, 0xf0, 0x55, 0xaa]);
  });

  test('write mode 2 writes a colour, write mode 3 set/reset under rotated data and mask', () => {
    fill(0, 0, 0, 0);
    gc(8, 0x0f);
    gc(5, 2).poke(0xa0000, 0x05);
    expect(planes()).toEqual([0x0f, 0, 0x0f, 0]);
    fill(0, 0xff, 0, 0xff);
    gc(0, 0x03);
    gc(8, 0xf0);
    gc(5, 3).poke(0xa0000, 0x3c);
    gc(5, 0);
    expect(planes()).toEqual([0x30, 0xff, 0, 0xcf]);
  });

  test('read mode 1 finds a colour in the planes that count', () => {
    fill(0x0f, 0xff, 0x00, 0xc0);
    gc(2, 0x03);
    gc(7, 0x07);
    gc(5, 0x08);
    expect(b.peek(0xa0000)).toBe(0x0f);
    gc(7, 0x0f);
    gc(2, 0x0b);
    expect(b.peek(0xa0000)).toBe(0x00);
  });
});

describe('what is on screen', () => {
  test('text: cells from RAM, start address, cursor, colours', () => {
    const b = new Bench().mode(TEXT_80);
    b.ram.set([0x41, 0x1f, 0x42, 0x07], 0x18000);
    const frame = b.text();
    expect([frame.columns, frame.rows, frame.fontHeight]).toEqual([80, 25, 16]);
    expect([...frame.cells.subarray(0, 4)]).toEqual([0x41, 0x1f, 0x42, 0x07]);
    expect(frame.cursor).toEqual({ column: 0, row: 0, start: 13, end: 14 });
    expect([...frame.palette].map((c) => c.toString(16))).toEqual(
      '0 aa aa00 aaaa aa0000 aa00aa aa5500 aaaaaa 555555 5555ff 55ff55 55ffff ff5555 ff55ff ffff55 ffffff'.split(
        ' ',
      ),
    );
    b.out(0x3d4, 0x0d, 0x01).out(0x3d4, 0x0f, 0x52); // one cell on, cursor at row 1 column 1
    expect([...b.text().cells.subarray(0, 2)]).toEqual([0x42, 0x07]);
    expect(b.text().cursor).toMatchObject({ column: 1, row: 1 });
    b.out(0x3d4, 0x0a, 0x2d);
    expect(b.text().cursor).toBeNull();
    expect([b.mode(TEXT_40).text().columns, b.text().rows]).toEqual([40, 25]);
  });

  test('a font that was loaded into plane 2 comes with the frame, and the text survives the loading', () => {
    const b = new Bench().mode(TEXT_80);
    b.ram.set([0x41, 0x1f], 0x18000);
    expect(b.text().font).toBeNull();
    b.out(0x3c4, 2, 4).out(0x3c4, 4, 6).out(0x3ce, 5, 0).out(0x3ce, 6, 4);
    b.poke(0xa0000 + 0x41 * 32, 0x81);
    b.out(0x3c4, 2, 3).out(0x3c4, 4, 2).out(0x3ce, 5, 0x10).out(0x3ce, 6, 0x0e);
    expect(b.text().font?.[0x41 * 32]).toBe(0x81);
    expect([...b.text().cells.subarray(0, 2)]).toEqual([0x41, 0x1f]);
    expect([...b.ram.subarray(0x18000, 0x18002)]).toEqual([0x41, 0x1f]);
  });

  test('mode 13h: 320x200 from RAM', () => {
    const b = new Bench().mode(MODE_13);
    b.out(0x3c8, 7);
    for (const v of [63, 32, 0]) b.out(0x3c9, v);
    b.ram[320 * 199 + 319] = 7;
    const frame = b.pixels();
    expect([frame.width, frame.height, frame.indices[63999]]).toEqual([320, 200, 7]);
    expect(frame.palette[7]?.toString(16)).toBe('ff8200');
    expect(b.vga.a0000()[63999]).toBe(7);
  });

  test('unchained (mode X): four planes make a line', () => {
    const b = new Bench().mode(MODE_13).out(0x3c4, 4, 6).out(0x3d4, 0x17, 0xe3).out(0x3d4, 0x14, 0);
    for (const p of [0, 1, 2, 3]) b.out(0x3c4, 2, 1 << p).poke(0xa0000 + 80, 10 + p);
    expect([...b.pixels().indices.subarray(320, 325)]).toEqual([10, 11, 12, 13, 0]);
  });

  test.each([
    ['0Dh', MODE_0D, 320, 200, 40],
    ['12h', MODE_12, 640, 480, 80],
  ] as const)('mode %s: sixteen colours in planes', (_name, mode, width, height, pitch) => {
    const b = new Bench().mode(mode);
    b.out(0x3c4, 2, 0x05).poke(0xa0000 + pitch, 0xc0);
    b.out(0x3c4, 2, 0x08).poke(0xa0000 + pitch, 0x40);
    const { indices, ...frame } = b.pixels();
    expect([frame.width, frame.height]).toEqual([width, height]);
    expect([...indices.subarray(width, width + 3)]).toEqual([5, 13, 0]);
    if (mode === MODE_12) expect(frame.palette[12]).toBe(0xff5555);
  });

  test('CGA: pairs of bits, or single ones, odd lines 8 KiB further', () => {
    const b = new Bench().mode(CGA_4);
    b.ram.set([0x1b], 0x18000 + 80);
    b.ram.set([0xe4], 0x1a000);
    let frame = b.pixels();
    expect([frame.width, frame.height]).toEqual([320, 200]);
    expect([...frame.indices.subarray(320, 324)]).toEqual([3, 2, 1, 0]);
    expect([...frame.indices.subarray(640, 644)]).toEqual([0, 1, 2, 3]);
    b.mode(CGA_6).poke(0xba000, 0xa0);
    frame = b.pixels();
    expect([frame.width, frame.height]).toEqual([640, 200]);
    expect([...frame.indices.subarray(640, 644)]).toEqual([1, 0, 1, 0]);
  });
});

describe('states', () => {
  test('saved and restored with planes, latches and the map of the aperture', () => {
    const b = new Bench().mode(MODE_12).poke(0xa0000, 0x99);
    b.peek(0xa0000);
    const saved = JSON.parse(JSON.stringify(b.vga.save())) as DeviceState;
    const other = new Bench();
    other.vga.restore(saved);
    expect(other.maps.at(-1)).toEqual([0, 0]);
    expect(other.vga.save()).toEqual(saved);
    expect([...other.pixels().indices.subarray(0, 4)]).toEqual([15, 0, 0, 15]);
    other.out(0x3ce, 5, 1).poke(0xa0001, 0).out(0x3ce, 5, 0);
    expect(other.peek(0xa0001)).toBe(0x99);
    other.vga.reset();
    expect(other.text().columns).toBe(80);
  });

  test.each([
    ['memory', 'AAAA'],
    ['memory', 'not deflated'],
    ['dac', [1, 2, 3]],
    ['seq', [1, 2, 3, 4, 999]],
    ['misc', -1],
  ])('%s: %j is refused, and nothing changes', (field, value) => {
    const b = new Bench();
    const before = b.vga.save();
    expect(() => b.vga.restore({ ...before, [field]: value })).toThrowError(
      expect.objectContaining({ code: 'HVM_DEVICE_STATE' }),
    );
    expect(b.vga.save()).toEqual(before);
  });

  test('looking changes nothing', () => {
    const b = new Bench().mode(MODE_12).poke(0xa0000, 0x99);
    b.peek(0xa0000);
    const before = b.vga.save();
    b.vga.frame();
    b.vga.a0000();
    expect(b.vga.save()).toEqual(before);
  });
});

test('reserved bits of sequencer, graphics and attribute registers read as 0', () => {
  const bench = new Bench().mode(TEXT_80);
  const behind = (port: number, count: number): number[] =>
    Array.from({ length: count }, (_, index) => {
      bench.out(port, index, 0xff);
      return bench.in(port + 1);
    });
  expect(behind(0x3ce, 10)).toEqual([0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff, 0]);
  expect(behind(0x3c4, 6)).toEqual([0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0]);
  const attribute = Array.from({ length: 22 }, (_, index) => {
    bench.in(0x3da);
    bench.out(0x3c0, index).out(0x3c0, 0xff).out(0x3c0, index);
    return bench.in(0x3c1);
  });
  expect(attribute).toEqual([...new Array(16).fill(0x3f), 0xef, 0xff, 0x3f, 0x0f, 0x0f, 0]);
});
