// SPDX-License-Identifier: GPL-2.0-only
// The floppy controller and its DMA channel, as a BIOS drives them.
import { beforeEach, describe, expect, test } from 'vitest';
import { Fdc } from '../../../src/dm/devices/fdc.ts';
import { floppyFormat } from '../../../src/dm/devices/floppy-formats.ts';
import { I8237 } from '../../../src/dm/devices/i8237.ts';
import { memoryImage } from '../../../src/dm/devices/medium.ts';
import { silentContext } from '../../../src/dm/index.ts';

const SIZE = 1474560;
let now = 0;
let line = false;
let memory: Uint8Array;
let dma: I8237;
let fdc: Fdc;

beforeEach(() => {
  now = 0;
  line = false;
  memory = new Uint8Array(0x20000);
  dma = new I8237({
    read: (gpa, into) => into.set(memory.subarray(gpa, gpa + into.length)),
    write: (gpa, from) => memory.set(from, gpa),
  });
  const image = new Uint8Array(SIZE);
  for (let sector = 0; sector < SIZE / 512; sector++)
    image.fill(sector & 0xff, sector * 512, sector * 512 + 512);
  const context = silentContext({
    nowNs: () => now,
    raiseIrq: () => {
      line = true;
    },
    lowerIrq: () => {
      line = false;
    },
  });
  fdc = new Fdc(context, dma.channel(2), [memoryImage(image), null]);
  fdc.write(0x3f2, 1, 0x1c);
  wait();
  for (let drive = 0; drive < 4; drive++) expect(command(0x08)).toEqual([0xc0 | drive, 0]);
  fdc.write(0x3f7, 1, 0);
});

/** Until nothing is due. */
function wait(): void {
  while (fdc.nextEventNs() !== Number.POSITIVE_INFINITY) {
    now = fdc.nextEventNs();
    fdc.advance(now);
  }
}

function command(...bytes: number[]): number[] {
  for (const byte of bytes) {
    expect(fdc.read(0x3f4, 1) & 0xc0).toBe(0x80);
    fdc.write(0x3f5, 1, byte);
  }
  wait();
  const result: number[] = [];
  while ((fdc.read(0x3f4, 1) & 0xc0) === 0xc0) result.push(fdc.read(0x3f5, 1));
  return result;
}

/** mode: 46 to memory, 4a from memory */
function setDma(mode: number, address: number, bytes: number): void {
  dma.write(0x0c, 1, 0);
  dma.write(0x0b, 1, mode);
  dma.write(0x04, 1, address & 0xff);
  dma.write(0x04, 1, (address >>> 8) & 0xff);
  dma.write(0x81, 1, address >>> 16);
  dma.write(0x05, 1, (bytes - 1) & 0xff);
  dma.write(0x05, 1, (bytes - 1) >>> 8);
  dma.write(0x0a, 1, 2);
}

describe('fdc', () => {
  test('recalibrates with an interrupt, and the disk change line goes away', () => {
    expect(fdc.read(0x3f7, 1)).toBe(0x80);
    expect(command(0x07, 0)).toEqual([]);
    expect(line).toBe(true);
    expect(command(0x08)).toEqual([0x20, 0]);
    expect(line).toBe(false);
    expect(fdc.read(0x3f7, 1)).toBe(0);
    expect(command(0x08)).toEqual([0x80]);
  });

  test('reads over both sides of a cylinder until the DMA count ends', () => {
    setDma(0x46, 0x1000, 4 * 512);
    expect(command(0xe6, 0, 0, 0, 17, 2, 18, 0x1b, 0xff)).toEqual([0x00, 0, 0, 0, 1, 3, 2]);
    expect(line).toBe(false);
    const first = [0, 1, 2, 3].map((i) => memory[0x1000 + i * 512]);
    expect(first).toEqual([16, 17, 18, 19]);
    expect(dma.read(0x08, 1)).toBe(0x04);
  });

  test('so it does where the last sector is said to be one that the track does not have', () => {
    // What SeaBIOS asks for when 18 sectors are read from sector 2 on.
    setDma(0x46, 0x1000, 18 * 512);
    expect(command(0xe6, 0, 0, 0, 2, 2, 19, 0x1b, 0xff)).toEqual([0x00, 0, 0, 0, 1, 2, 2]);
    expect([memory[0x1000], memory[0x1000 + 17 * 512]]).toEqual([1, 18]);
    // Not without the multi-track bit.
    setDma(0x46, 0x1000, 18 * 512);
    expect(command(0x66, 0, 0, 0, 2, 2, 19, 0x1b, 0xff).slice(0, 2)).toEqual([0x40, 0x04]);
  });

  test('says where a transfer ended that the count did not end', () => {
    setDma(0x46, 0, 4 * 512);
    expect(command(0x46, 0, 0, 0, 17, 2, 18, 0x1b, 0xff)).toEqual([0x40, 0x80, 0, 1, 0, 1, 2]);
  });

  test('writes what DMA brings, and reads it back; the image is not touched', () => {
    memory.fill(0x5a, 0x2000, 0x2200);
    command(0x0f, 0, 3);
    expect(command(0x08)).toEqual([0x20, 3]);
    setDma(0x4a, 0x2000, 512);
    expect(command(0xc5, 4, 3, 1, 5, 2, 18, 0x1b, 0xff)[0]).toBe(0x04);
    expect(fdc.drives[0].medium?.written().map(([n]) => n)).toEqual([(3 * 2 + 1) * 18 + 4]);
    setDma(0x46, 0x3000, 512);
    command(0xe6, 4, 3, 1, 5, 2, 18, 0x1b, 0xff);
    expect(memory[0x31ff]).toBe(0x5a);
  });

  test('finds no address mark at a wrong data rate, without a floppy, or past the last sector no data', () => {
    setDma(0x46, 0, 512);
    expect(command(0xe6, 0, 0, 0, 19, 2, 19, 0x1b, 0xff).slice(0, 2)).toEqual([0x40, 0x04]);
    fdc.write(0x3f7, 1, 2);
    expect(command(0x4a, 0).slice(0, 2)).toEqual([0x40, 0x01]);
    fdc.write(0x3f7, 1, 0);
    expect(command(0x4a, 0).slice(0, 2)).toEqual([0x00, 0x00]);
    fdc.write(0x3f2, 1, 0x2d);
    expect(command(0x4a, 1).slice(0, 2)).toEqual([0x41, 0x01]);
  });

  test('a transfer seeks by itself, unless CONFIGURE says otherwise', () => {
    setDma(0x46, 0x1000, 512);
    expect(command(0xe6, 0, 7, 0, 1, 2, 18, 0x1b, 0xff)).toEqual([0, 0, 0, 7, 0, 2, 2]);
    expect(memory[0x1000]).toBe((7 * 36) & 0xff);
    expect(fdc.read(0x3f7, 1)).toBe(0);
    command(0x13, 0, 0x17, 0);
    setDma(0x46, 0x1000, 512);
    expect(command(0xe6, 0, 8, 0, 1, 2, 18, 0x1b, 0xff).slice(0, 3)).toEqual([0x40, 0x04, 0x10]);
  });

  test('before a data rate is chosen it reads any floppy', () => {
    fdc.reset();
    fdc.write(0x3f2, 1, 0x1c);
    wait();
    expect(command(0x4a, 0).slice(0, 2)).toEqual([0, 0]);
    fdc.write(0x3f7, 1, 2);
    expect(command(0x4a, 0).slice(0, 2)).toEqual([0x40, 0x01]);
  });

  test.each([
    [655360, [80, 2, 8]],
    [839680, [82, 2, 10]],
    [1720320, [80, 2, 21]],
    [1763328, [82, 2, 21]],
    [1966080, [80, 2, 24]],
    [2949120, [80, 2, 36]],
  ])('an image of %i bytes is a floppy of that geometry', (bytes, geometry) => {
    const format = floppyFormat(bytes);
    expect([format?.cylinders, format?.heads, format?.sectorsPerTrack]).toEqual(geometry);
  });

  test('formats a track', () => {
    for (let i = 0; i < 18; i++) memory.set([0, 1, i + 1, 2], 0x4000 + 4 * i);
    setDma(0x4a, 0x4000, 72);
    expect(command(0x4d, 4, 2, 18, 0x1b, 0xf6)[0]).toBe(0x04);
    expect(fdc.drives[0].medium?.dirty).toBe(18);
    expect(fdc.drives[0].medium?.written()[0]?.[1][0]).toBe(0xf6);
  });

  test('a masked channel is an overrun, an unknown command is invalid and remembered', () => {
    dma.write(0x0a, 1, 6);
    expect(command(0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff).slice(0, 2)).toEqual([0x40, 0x10]);
    fdc.write(0x3f5, 1, 0x1f);
    expect(fdc.read(0x3f5, 1)).toBe(0x80);
    expect([...fdc.invalid]).toEqual([[0x1f, 1]]);
  });

  test('saved in the middle of a command, another one ends it the same way', () => {
    setDma(0x46, 0x1000, 512);
    for (const byte of [0xe6, 0, 0, 0, 2, 2, 18, 0x1b, 0xff]) fdc.write(0x3f5, 1, byte);
    const saved = JSON.parse(JSON.stringify(fdc.save()));
    fdc.reset();
    fdc.restore(saved);
    expect(fdc.read(0x3f4, 1)).toBe(0x10);
    wait();
    expect(line).toBe(true);
    expect(memory[0x1000]).toBe(1);
  });
});
