// SPDX-License-Identifier: GPL-2.0-only
// Cells of addressing forms: bases, indices, scales, displacements, segment and address-size overrides, moffs.
import { type Cell, cell } from './cell.ts';
import type { Bits, Code, Width } from './code.ts';
import { FS_BASE, fsBase } from './layout.ts';
import { places, wide } from './mmio-cells.ts';

const EAX = 0;
const ECX = 1;
const EDX = 2;
const EBX = 3;
const EBP = 5;
const ESI = 6;
const EDI = 7;

/** How an address comes about: registers first, then prefixes, then ModRM and what follows it. */
interface Form {
  readonly name: string;
  readonly bits: Bits;
  readonly set?: (code: Code, at: number) => void;
  readonly prefixes?: readonly number[];
  /** With 0 for the register. */
  readonly modrm: readonly number[];
  /** Displacement of 2 or 4 bytes. */
  readonly disp?: (at: number) => readonly [value: number, bytes: 2 | 4];
}

const near = (at: number): [number, 2] => [at, 2];
const far = (at: number): [number, 4] => [at, 4];

const FORMS: readonly Form[] = [
  {
    name: '[bx+si]',
    bits: 16,
    set: (c, at) => c.set(EBX, 0xffff0010).set(ESI, at - 0x10),
    modrm: [0x00],
  },
  {
    name: '[bx+di-8]',
    bits: 16,
    set: (c, at) => c.set(EBX, 0x100).set(EDI, at - 0xf8),
    modrm: [0x41, 0xf8],
  },
  {
    name: '[bp+si+disp16]',
    bits: 16,
    set: (c, at) => c.set(EBP, 0x20).set(ESI, at - 0x1020),
    modrm: [0x82],
    disp: () => [0x1000, 2],
  },
  { name: '[si]', bits: 16, set: (c, at) => c.set(ESI, at), modrm: [0x04] },
  { name: '[bp+disp8]', bits: 16, set: (c, at) => c.set(EBP, at - 0x7f), modrm: [0x46, 0x7f] },
  {
    name: '[bx+disp16] that wraps',
    bits: 16,
    set: (c) => c.set(EBX, 0xf000),
    modrm: [0x87],
    disp: (at) => [at + 0x1000, 2],
  },
  {
    name: 'fs:[disp16]',
    bits: 16,
    set: fsBase,
    prefixes: [0x64],
    modrm: [0x06],
    disp: (at) => near(at - FS_BASE),
  },
  {
    name: 'cs:[bx]',
    bits: 16,
    set: (c, at) => c.set(EBX, at),
    prefixes: [0x2e],
    modrm: [0x07],
  },
  {
    name: 'a32 [ebx+ecx*4+8]',
    bits: 16,
    set: (c, at) => c.set(EBX, at - 0x108).set(ECX, 0x40),
    prefixes: [0x67],
    modrm: [0x44, 0x8b, 0x08],
  },
  {
    name: 'a32 fs:[edx*8+disp32]',
    bits: 16,
    set: (c) => fsBase(c.set(EDX, 0x10)),
    prefixes: [0x67, 0x64],
    modrm: [0x04, 0xd5],
    disp: (at) => far(at - 0x80 - FS_BASE),
  },
  { name: '[ebx]', bits: 32, set: (c, at) => c.set(EBX, at), modrm: [0x03] },
  { name: '[ebp-8]', bits: 32, set: (c, at) => c.set(EBP, at + 8), modrm: [0x45, 0xf8] },
  {
    name: '[ebx+ecx*4+disp32]',
    bits: 32,
    set: (c, at) => c.set(EBX, at).set(ECX, 0xffffff00),
    modrm: [0x84, 0x8b],
    disp: () => [0x400, 4],
  },
  {
    name: '[edx*8+disp32]',
    bits: 32,
    set: (c) => c.set(EDX, 0x10),
    modrm: [0x04, 0xd5],
    disp: (at) => far(at - 0x80),
  },
  {
    name: '[esp+disp32]',
    bits: 32,
    modrm: [0x84, 0x24],
    disp: (at) => far(at - 0x7000),
  },
  {
    name: 'fs:[ebx+8]',
    bits: 32,
    set: (c, at) => fsBase(c.set(EBX, at - 8 - FS_BASE)),
    prefixes: [0x64],
    modrm: [0x43, 0x08],
  },
  {
    name: 'a16 [bx+si]',
    bits: 32,
    set: (c, at) => c.set(EBX, 0xffff0010).set(ESI, 0xffff0000 + at - 0x10),
    prefixes: [0x67],
    modrm: [0x00],
  },
  { name: 'a16 [disp16]', bits: 32, prefixes: [0x67], modrm: [0x06], disp: near },
];

const OPS = [
  ['load', 0x8a],
  ['store', 0x88],
  ['add', 0x00],
] as const;

/** MOV between EAX and an address without ModRM: A0 to A3. */
const MOFFS = [
  ['moffs', 0],
  ['fs: moffs', 0x64],
  ['moffs of the other size', 0x67],
] as const;

function displaced(c: Code, [value, bytes]: readonly [number, number]): void {
  for (let i = 0; i < bytes; i++) c.raw((value >>> (8 * i)) & 255);
}

function some(size: number): [string, number][] {
  return places(size).filter(([place]) => place !== 'unaligned' && place !== 'over two devices');
}

function formCells(size: Width): Cell[] {
  return FORMS.flatMap(({ name, bits, set, prefixes = [], modrm, disp }) =>
    OPS.flatMap(([op, opcode]) =>
      some(size).map(([place, at]) =>
        cell('addressing forms', `${op} ${name} ${size} ${place}`, bits, (c) => {
          c.set(EAX, 0xa1b2c3d4);
          set?.(c, at);
          c.raw(...prefixes).wide(size);
          c.raw(opcode + wide(size), ...modrm);
          if (disp !== undefined) displaced(c, disp(at));
        }),
      ),
    ),
  );
}

function moffsCells(bits: Bits, size: Width): Cell[] {
  return MOFFS.flatMap(([name, prefix]) =>
    (['load', 'store'] as const).flatMap((op) =>
      some(size).map(([place, at]) =>
        cell('addressing forms', `${op} ${name} ${size} ${place}`, bits, (c) => {
          if (prefix === 0x64) fsBase(c);
          c.set(EAX, 0xa1b2c3d4);
          if (prefix !== 0) c.raw(prefix);
          c.wide(size).raw((op === 'load' ? 0xa0 : 0xa2) + wide(size));
          const short = (bits === 16) !== (prefix === 0x67);
          displaced(c, [prefix === 0x64 ? at - FS_BASE : at, short ? 2 : 4]);
        }),
      ),
    ),
  );
}

/** Every such cell. */
export function addressCells(): Cell[] {
  return ([1, 4] as const).flatMap((size) => [
    ...formCells(size),
    ...moffsCells(16, size),
    ...moffsCells(32, size),
  ]);
}
