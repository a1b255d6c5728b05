// SPDX-License-Identifier: GPL-2.0-only
// Cells of port I/O: IN and OUT in every form, INS and OUTS with every prefix, direction and count.
import { type Cell, type CellExtras, cell, DATA, PORT_DX, PORT_IMM } from './cell.ts';
import type { Bits, Code } from './code.ts';

const BOTH = [16, 32] as const;
const SIZES = [1, 2, 4] as const;
const COUNTS = [0, 1, 2, 3, 100];
const RCX = 1;
const RDX = 2;
const RSI = 6;
const RDI = 7;

function plain(bits: Bits): Cell[] {
  return (['in', 'out'] as const).flatMap((op) =>
    (['imm8', 'dx'] as const).flatMap((form) =>
      SIZES.map((size) =>
        cell('IN and OUT', `${op} ${form} ${size}`, bits, (c) => {
          c.set(0, 0xa1b2c3d4).set(RDX, PORT_DX);
          const opcode = (op === 'in' ? 0xe4 : 0xe6) + (form === 'dx' ? 8 : 0) + (size > 1 ? 1 : 0);
          c.wide(size).raw(opcode);
          if (form === 'imm8') c.raw(PORT_IMM);
        }),
      ),
    ),
  );
}

/** One INS or OUTS. */
export interface StringCell {
  op: 'ins' | 'outs';
  size: 1 | 2 | 4;
  prefix: 'single' | 'rep' | 'rep a67 seg';
  down: boolean;
  count: number;
  index: number;
  label: string;
}

/** The cell of one INS or OUTS. @param prepare - emitted first */
export function stringCell(
  bits: Bits,
  s: StringCell,
  more: CellExtras & { prepare?: (code: Code) => void; family?: string } = {},
): Cell {
  const { prepare, family = 'INS and OUTS', ...extras } = more;
  const name = `${s.prefix} ${s.op} ${s.size}${s.down ? ' down' : ''} ${s.label}`;
  const body = (c: Code): void => {
    prepare?.(c);
    c.set(RDX, PORT_DX).set(RCX, s.count).set(RSI, s.index).set(RDI, s.index);
    if (s.prefix === 'rep a67 seg') {
      // 16-bit code: ES has a base of its own for OUTS; INS ignores the override.
      if (bits === 16) c.raw(0xb8, 0x10, 0x00, 0x8e, 0xe0);
      c.raw(0x67, 0x64);
    }
    c.bytes.splice(prefixAt(c.bytes, s), 0, s.down ? 0xfd : 0xfc);
    if (s.prefix !== 'single') c.raw(0xf3);
    c.wide(s.size).raw((s.op === 'ins' ? 0x6c : 0x6e) + (s.size > 1 ? 1 : 0), 0xfc);
  };
  return cell(family, name, bits, body, extras);
}

// CLD and STD go in front of the prefixes that are there already.
function prefixAt(bytes: readonly number[], s: StringCell): number {
  return s.prefix === 'rep a67 seg' ? bytes.length - 2 : bytes.length;
}

function strings(bits: Bits): Cell[] {
  const cells: Cell[] = [];
  for (const op of ['ins', 'outs'] as const) {
    for (const size of SIZES) {
      for (const down of [false, true]) {
        for (const prefix of ['single', 'rep', 'rep a67 seg'] as const) {
          for (const count of prefix === 'single' ? [1] : COUNTS) {
            const index = DATA + 0x400;
            cells.push(
              stringCell(bits, { op, size, prefix, down, count, index, label: `count ${count}` }),
            );
          }
        }
        if (bits === 16) {
          // 16-bit index registers wrap within the segment.
          const index = down ? size : 0x10000 - 2 * size;
          cells.push(
            stringCell(bits, { op, size, prefix: 'rep', down, count: 4, index, label: 'wrap' }),
          );
        }
      }
    }
  }
  return cells;
}

/** Every port cell but those with the largest counts. */
export function portCells(): Cell[] {
  return BOTH.flatMap((bits) => [...plain(bits), ...strings(bits)]);
}
