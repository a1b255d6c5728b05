// SPDX-License-Identifier: GPL-2.0-only
// Cells about where an access stands: shadows, single step, blocks, loops, changing code, interrupts.
import { type Cell, cell, DATA, PORT_DX, PORT_IMM } from './cell.ts';
import type { Bits, Code } from './code.ts';

const IN = [0xe4, PORT_IMM] as const;
const INC = 0xfe;
const MMIO = 0x8010;

/** Sets or clears TF. */
function trap(c: Code, on: boolean): void {
  c.wide(4).raw(0x9c);
  if (c.bits === 16) c.raw(0x67);
  c.wide(4).raw(0x81, on ? 0x0c : 0x24, 0x24);
  c.imm32(on ? 0x100 : 0xfffffeff)
    .wide(4)
    .raw(0x9d);
}

function mixed(c: Code): void {
  c.raw(...IN).memory([INC], 0, MMIO, 1);
  c.set(2, PORT_DX).set(1, 3).set(7, DATA).raw(0xfc, 0xf3, 0x6c).raw(0xe6, PORT_IMM);
}

/** Every such cell; interrupts come at each of the first `boundaries` instructions. */
export function oddCells(boundaries: number): Cell[] {
  const cells: Cell[] = [];
  for (const bits of [16, 32] as const) {
    const add = (name: string, body: (c: Code) => void): void => {
      cells.push(cell('blocks and shadows', name, bits, body));
    };
    add('STI before IN', (c) => c.raw(0xfb, ...IN, 0xfa));
    add('STI before MMIO', (c) => c.raw(0xfb).memory([INC], 0, MMIO, 1).raw(0xfa));
    add('MOV SS before IN', (c) => c.raw(0x8c, 0xd0, 0x8e, 0xd0, ...IN));
    add('MOV SS before MMIO', (c) => c.raw(0x8c, 0xd0, 0x8e, 0xd0).memory([INC], 0, MMIO, 1));
    add('TF over IN, MMIO and REP INS', (c) => {
      trap(c, true);
      mixed(c);
      trap(c, false);
    });
    add('first of a block', (c) => c.raw(0xeb, 0, ...IN, 0x90, 0x90));
    add('middle of a block', (c) => c.raw(0xeb, 0, 0x90, ...IN, 0x90));
    add('last of a block', (c) => c.raw(0x90, ...IN, 0xeb, 0));
    add('in a loop', (c) => c.set(1, 5).raw(...IN, 0xe2, 0xfc));
    add('code changed before IN', (c) => {
      const length = bits === 16 ? 5 : 7;
      c.memory([0xc6], 0, c.here + length + 1, 1).raw(PORT_IMM + 1, ...IN);
    });
    cells.push(...interrupted(bits, boundaries));
  }
  return cells;
}

function interrupted(bits: Bits, boundaries: number): Cell[] {
  return Array.from({ length: boundaries }, (_, irqAt) =>
    cell(
      'pending interrupt',
      `interrupt at instruction ${irqAt}`,
      bits,
      (c) => {
        c.raw(0xfb);
        mixed(c);
        c.raw(0x8c, 0xd0, 0x8e, 0xd0, ...IN);
      },
      { irqAt },
    ),
  );
}
