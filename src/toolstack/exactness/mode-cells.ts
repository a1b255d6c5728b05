// SPDX-License-Identifier: GPL-2.0-only
// Cells under paging, with page faults before, in and between accesses, and in 16-bit protected mode.
import { type Cell, cell, DATA, PORT_DX } from './cell.ts';
import { OPS, type Op, opCells, places, wide } from './mmio-cells.ts';
import { BEFORE_ABSENT, BEFORE_READ_ONLY, pagedPlaces } from './paging.ts';

const EAX = 0;
const ECX = 1;
const EDX = 2;
const ESI = 6;
const EDI = 7;

/** Forms of both families: a load, a store, read-modify-write, stack, compare. */
const NAMES: readonly string[] = [
  'load',
  'store',
  'add',
  'xchg',
  'xadd',
  'inc',
  'cmpxchg not taken',
  'bts',
  'push m',
  'pop m',
  'movzx',
  'fld',
  'fstp',
];
const SOME: readonly Op[] = OPS.filter(({ name }) => NAMES.includes(name));

/** String instructions that run into a page that is absent, or read-only, in their middle. */
function pagedStrings(size: 1 | 2 | 4): Cell[] {
  const into = {
    absent: 0x28000,
    'read-only': 0x30000,
    'RAM that is absent': BEFORE_ABSENT,
    'RAM that is read-only': BEFORE_READ_ONLY,
  };
  // In RAM alone STOS and LODS reach no device.
  const ops = { ins: 0x6c, outs: 0x6e, movs: 0xa4, stos: 0xaa, lods: 0xac };
  return Object.entries(ops).flatMap(([op, opcode]) =>
    Object.entries(into).flatMap(([what, edge]) =>
      (op === 'stos' || op === 'lods') && edge >= BEFORE_ABSENT
        ? []
        : // The third element is beyond the edge; or the second one lies over it.
          [2 * size, size + (size >> 1)].slice(0, size === 1 ? 1 : 2).map((before, over) =>
            cell(
              'paging',
              `rep ${op} ${size} into ${what} ${over === 0 ? 'between elements' : 'in an element'}`,
              32,
              (c) => {
                c.set(EAX, 0xa1b2c3d4).set(EDX, PORT_DX).set(ECX, 4);
                c.set(ESI, edge - before).set(EDI, op === 'movs' ? 0x20010 : edge - before);
                c.raw(0xfc, 0xf3).wide(size);
                c.raw(opcode + wide(size));
              },
              { mode: 'paged' },
            ),
          ),
    ),
  );
}

/** REP MOVS of a device, or of RAM, to a page that is absent. */
function pagedMoves(size: 1 | 2 | 4): Cell[] {
  const from = { 'a device': 0x20010, RAM: DATA };
  const into = {
    'an absent device': 0x28000,
    'absent RAM': BEFORE_ABSENT,
    'read-only RAM': BEFORE_READ_ONLY,
  };
  return Object.entries(from).flatMap(([source, si]) =>
    Object.entries(into).flatMap(([target, edge]) =>
      source === 'RAM' && edge !== 0x28000
        ? []
        : [edge - 2 * size, edge].map((di) =>
            cell(
              'paging',
              `rep movs ${size} from ${source} to ${target}${di === edge ? ' at once' : ''}`,
              32,
              (c) => {
                c.set(ECX, 4).set(ESI, si).set(EDI, di).raw(0xfc, 0xf3).wide(size);
                c.raw(0xa4 + wide(size));
              },
              { mode: 'paged' },
            ),
          ),
    ),
  );
}

/** Every such cell. */
export function modeCells(): Cell[] {
  return [
    ...opCells('paging', 32, SOME, pagedPlaces, { mode: 'paged' }),
    ...([1, 2, 4] as const).flatMap(pagedStrings),
    ...([1, 2, 4] as const).flatMap(pagedMoves),
    ...opCells('16-bit protected mode', 16, SOME, places, { mode: 'protected' }),
  ];
}
