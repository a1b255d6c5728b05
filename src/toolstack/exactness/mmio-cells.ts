// SPDX-License-Identifier: GPL-2.0-only
// Cells of memory-mapped I/O: every kind of instruction, width and place.
import {
  answerTo,
  type Cell,
  type CellExtras,
  cell,
  DATA,
  DEVICES_END,
  patternAt,
  SECOND_DEVICE,
} from './cell.ts';
import { type Bits, type Code, TARGET, type Width } from './code.ts';

const FIRST = 0x8000;
const EAX = 0;
const ECX = 1;
const ESI = 6;
const EDI = 7;

/** Places of an access of `size` bytes; those that cross something exist from two bytes on. */
export function places(size: number): [string, number][] {
  const half = size >> 1;
  const all: [string, number][] = [['aligned', FIRST + 0x10]];
  if (size > 1) {
    all.push(
      ['unaligned', FIRST + 0x11],
      ['crossing a page', FIRST + 0x1000 - half],
      ['from RAM into a device', FIRST - half],
      ['from a device into RAM', DEVICES_END - half],
      ['over two devices', SECOND_DEVICE - half],
    );
  }
  return all;
}

/** One instruction with a memory operand, in all its widths. */
export interface Op {
  name: string;
  /** 1, 2 and 4 unless given. */
  sizes?: readonly number[];
  modes?: readonly Bits[];
  emit(code: Code, at: number, size: Width): void;
  /** Only where one read brings the whole operand. */
  whole?: boolean;
  answers?: readonly number[];
}

export const wide = (size: Width): number => (size === 1 ? 0 : 1);
export const alu = (name: string, opcode: number): Op => ({
  name,
  emit: (c, at, size) =>
    c
      .set(EAX, 0x01020304)
      .raw(0xf9)
      .memory([opcode + wide(size)], EAX, at, size),
});
export const unary = (name: string, opcode: number, reg: number): Op => ({
  name,
  emit: (c, at, size) => c.raw(0xf9).memory([opcode + wide(size)], reg, at, size),
});
const bit = (name: string, reg: number): Op => ({
  name,
  sizes: [2, 4],
  emit: (c, at, size) => c.memory([0x0f, 0xba], reg, at, size).raw(5),
});

/** Loads, stores and read-modify-write. */
export const OPS: readonly Op[] = [
  {
    name: 'load',
    emit: (c, at, size) => c.set(EAX, 0xa1b2c3d4).memory([0x8a + wide(size)], EAX, at, size),
  },
  {
    name: 'store',
    emit: (c, at, size) => c.set(EAX, 0xa1b2c3d4).memory([0x88 + wide(size)], EAX, at, size),
  },
  alu('add', 0x00),
  alu('or', 0x08),
  alu('adc', 0x10),
  alu('and', 0x20),
  alu('sub', 0x28),
  alu('xor', 0x30),
  alu('xchg', 0x86),
  unary('inc', 0xfe, 0),
  unary('dec', 0xfe, 1),
  unary('not', 0xf6, 2),
  unary('neg', 0xf6, 3),
  bit('bts', 5),
  bit('btr', 6),
  bit('btc', 7),
  {
    name: 'xadd',
    emit: (c, at, size) => c.set(EAX, 5).memory([0x0f, 0xc0 + wide(size)], EAX, at, size),
  },
  {
    name: 'cmpxchg taken',
    whole: true,
    emit: (c, at, size) =>
      c
        .set(EAX, answerTo(0))
        .set(ECX, 0x55667788)
        .memory([0x0f, 0xb0 + wide(size)], ECX, at, size),
  },
  {
    name: 'cmpxchg not taken',
    emit: (c, at, size) =>
      c
        .set(EAX, 5)
        .set(ECX, 7)
        .memory([0x0f, 0xb0 + wide(size)], ECX, at, size),
  },
  { name: 'push m', sizes: [2, 4], emit: (c, at, size) => c.memory([0xff], 6, at, size) },
  {
    name: 'pop m',
    sizes: [2, 4],
    emit: (c, at, size) => c.set(EAX, 0xa1b2c3d4).wide(size).raw(0x50).memory([0x8f], 0, at, size),
  },
  {
    name: 'call m',
    sizes: [2, 4],
    whole: true,
    answers: [TARGET],
    emit: (c, at, size) => c.memory([0xff], 2, at, size),
  },
  {
    name: 'jmp m',
    sizes: [2, 4],
    whole: true,
    answers: [TARGET],
    emit: (c, at, size) => c.memory([0xff], 4, at, size),
  },
  {
    name: 'movzx',
    sizes: [1, 2],
    emit: (c, at, size) => c.memory([0x0f, 0xb6 + wide(size)], 3, at, 4),
  },
  {
    name: 'movsx',
    sizes: [1, 2],
    emit: (c, at, size) => c.memory([0x0f, 0xbe + wide(size)], 3, at, 4),
  },
  {
    name: 'fld',
    sizes: [4, 8],
    emit: (c, at, size) => c.raw(0xdb, 0xe3).memory([size === 4 ? 0xd9 : 0xdd], 0, at, 1),
  },
  {
    name: 'fstp',
    sizes: [4, 8],
    emit: (c, at, size) =>
      c.raw(0xdb, 0xe3, 0xd9, 0xe8).memory([size === 4 ? 0xd9 : 0xdd], 3, at, 1),
  },
];

/** String instructions: which of the two addresses is the device's. */
const STRINGS = [
  { name: 'movs RAM to MMIO', opcode: 0xa4, from: 'ram', to: 'device' },
  { name: 'movs MMIO to RAM', opcode: 0xa4, from: 'device', to: 'ram' },
  { name: 'movs MMIO to MMIO', opcode: 0xa4, from: 'device', to: 'other' },
  { name: 'stos', opcode: 0xaa, from: 'ram', to: 'device' },
  { name: 'lods', opcode: 0xac, from: 'device', to: 'ram' },
  { name: 'cmps', opcode: 0xa6, from: 'device', to: 'ram' },
  { name: 'scas', opcode: 0xae, from: 'ram', to: 'device' },
] as const;

function stringCells(bits: Bits, size: 1 | 2 | 4): Cell[] {
  const spots = { ram: DATA, other: SECOND_DEVICE + 0x20 };
  return STRINGS.flatMap(({ name, opcode, from, to }) =>
    places(size).flatMap(([place, at]) =>
      (opcode === 0xa6 || opcode === 0xae ? [0, 0xf3, 0xf2] : [0, 0xf3]).map((rep) => {
        const spot = (end: 'ram' | 'device' | 'other'): number =>
          end === 'device' ? at : spots[end];
        const prefix = rep === 0 ? '' : rep === 0xf3 ? 'rep ' : 'repne ';
        // REPE goes on while equal: twice; REPNE until the third.
        const equal =
          opcode === 0xae
            ? [0x77, 0x77, 0x78]
            : [patternAt(DATA, size), patternAt(DATA + size, size), 0];
        const third = opcode === 0xae ? [1, 2, 0x77] : [1, 2, patternAt(DATA + 2 * size, size)];
        const compares = opcode === 0xa6 || opcode === 0xae;
        return cell(
          'MMIO strings',
          `${prefix}${name} ${size} ${place}`,
          bits,
          (c) => {
            c.set(EAX, opcode === 0xae ? 0x77 : 0xa1b2c3d4).set(ECX, 4);
            c.set(ESI, spot(from)).set(EDI, spot(to)).raw(0xfc);
            if (rep !== 0) c.raw(rep);
            c.wide(size).raw(opcode + wide(size));
          },
          compares ? { answers: rep === 0xf2 ? third : equal } : {},
        );
      }),
    ),
  );
}

/** One cell for each of `ops`, width and place. @param at - the places, by width */
export function opCells(
  family: string,
  bits: Bits,
  ops: readonly Op[],
  at: (size: number) => [string, number][] = places,
  more: CellExtras = {},
): Cell[] {
  const cells: Cell[] = [];
  for (const op of ops.filter(({ modes }) => modes?.includes(bits) ?? true)) {
    for (const size of op.sizes ?? [1, 2, 4]) {
      for (const [place, address] of at(size)) {
        if (op.whole === true && !WHOLE.has(place)) continue;
        const { answers } = op;
        const extras = answers === undefined ? more : { ...more, answers };
        const body = (c: Code): void => op.emit(c, address, size as Width);
        cells.push(cell(family, `${op.name} ${size} ${place}`, bits, body, extras));
      }
    }
  }
  return cells;
}

/** Places where one access is one piece. */
const WHOLE: ReadonlySet<string> = new Set(['aligned', 'unaligned']);

/** Every MMIO cell. */
export function mmioCells(): Cell[] {
  return ([16, 32] as const).flatMap((bits) => [
    ...opCells('MMIO', bits, OPS),
    ...([1, 2, 4] as const).flatMap((size) => stringCells(bits, size)),
  ]);
}
