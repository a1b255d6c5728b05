// SPDX-License-Identifier: GPL-2.0-only
// What a video BIOS programs for a mode, as port writes. Values: IBM VGA technical reference, mode tables.
import type { Device } from '../../../../../src/dm/device.ts';

export interface Mode {
  readonly misc: number;
  readonly seq: readonly number[];
  readonly crtc: readonly number[];
  readonly gc: readonly number[];
  readonly attr: readonly number[];
}

const EGA_ATTR = [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f];
const IDENTITY = Array.from({ length: 16 }, (_, i) => i);
const hex = (text: string): number[] => text.split(' ').map((h) => Number.parseInt(h, 16));

export const TEXT_80: Mode = {
  misc: 0x67,
  seq: hex('03 00 03 00 02'),
  crtc: hex('5f 4f 50 82 55 81 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 28 1f 96 b9 a3 ff'),
  gc: hex('00 00 00 00 00 10 0e 0f ff'),
  attr: [...EGA_ATTR, 0x0c, 0, 0x0f, 0x08, 0],
};
export const TEXT_40: Mode = {
  ...TEXT_80,
  seq: hex('03 08 03 00 02'),
  crtc: hex('2d 27 28 90 2b a0 bf 1f 00 4f 0d 0e 00 00 00 00 9c 8e 8f 14 1f 96 b9 a3 ff'),
};
export const CGA_4: Mode = {
  misc: 0x63,
  seq: hex('03 09 03 00 02'),
  crtc: hex('2d 27 28 90 2b 80 bf 1f 00 c1 00 00 00 00 00 00 9c 8e 8f 14 00 96 b9 a2 ff'),
  gc: hex('00 00 00 00 00 30 0f 0f ff'),
  attr: [...hex('00 13 15 17 02 04 06 07 10 11 12 13 14 15 16 17'), 0x01, 0, 0x03, 0, 0],
};
export const CGA_6: Mode = {
  misc: 0x63,
  seq: hex('03 01 01 00 06'),
  crtc: hex('5f 4f 50 82 54 80 bf 1f 00 c1 00 00 00 00 00 00 9c 8e 8f 28 00 96 b9 c2 ff'),
  gc: hex('00 00 00 00 00 00 0d 0f ff'),
  attr: [...hex('00 17 17 17 17 17 17 17 17 17 17 17 17 17 17 17'), 0x01, 0, 0x01, 0, 0],
};
export const MODE_0D: Mode = {
  misc: 0x63,
  seq: hex('03 09 0f 00 06'),
  crtc: hex('2d 27 28 90 2b 80 bf 1f 00 c0 00 00 00 00 00 00 9c 8e 8f 14 00 96 b9 e3 ff'),
  gc: hex('00 00 00 00 00 00 05 0f ff'),
  attr: [...hex('00 01 02 03 04 05 06 07 10 11 12 13 14 15 16 17'), 0x01, 0, 0x0f, 0, 0],
};
export const MODE_12: Mode = {
  misc: 0xe3,
  seq: hex('03 01 0f 00 06'),
  crtc: hex('5f 4f 50 82 54 80 0b 3e 00 40 00 00 00 00 00 00 ea 8c df 28 00 e7 04 e3 ff'),
  gc: hex('00 00 00 00 00 00 05 0f ff'),
  attr: [...EGA_ATTR, 0x01, 0, 0x0f, 0, 0],
};
export const MODE_13: Mode = {
  misc: 0x63,
  seq: hex('03 01 0f 00 0e'),
  crtc: hex('5f 4f 50 82 54 80 bf 1f 00 41 00 00 00 00 00 00 9c 8e 8f 28 40 96 b9 a3 ff'),
  gc: hex('00 00 00 00 00 40 05 0f ff'),
  attr: [...IDENTITY, 0x41, 0, 0x0f, 0, 0],
};

/** Every write of a mode set, in a BIOS's order: `[port, value]`. */
export function modeWrites({ misc, seq, crtc, gc, attr }: Mode): [number, number][] {
  const pairs = (port: number, values: readonly number[]): [number, number][] =>
    values.flatMap((value, index): [number, number][] => [
      [port, index],
      [port + 1, value],
    ]);
  const attributes = attr.flatMap((value, index): [number, number][] => [
    [0x3c0, index],
    [0x3c0, value],
  ]);
  return [
    [0x3c2, misc],
    ...pairs(0x3c4, seq),
    [0x3d4, 0x11],
    [0x3d5, 0x00],
    ...pairs(0x3d4, crtc),
    ...pairs(0x3ce, gc),
    ...attributes,
    [0x3c0, 0x20],
  ];
}

/** Programs a VGA whose addresses are port numbers. */
export function setMode(vga: Device, mode: Mode): void {
  vga.read(0x3da, 1, { hi: 0 });
  for (const [port, value] of modeWrites(mode)) vga.write(port, 1, value, 0);
}
