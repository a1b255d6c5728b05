// SPDX-License-Identifier: GPL-2.0-only
// Cells of INS and OUTS with the largest counts, for `--full`.
import type { Cell } from './cell.ts';
import { stringCell } from './port-cells.ts';

/** RAM above the first 64 KiB, where nothing else is. */
const ABOVE = 0x10000;
const COUNT = 65535;

/** 16-bit index registers wrap within ES or DS, which begin at ABOVE; 32-bit ones run through 64, 128 or 256 KiB. */
function mostElements(bits: 16 | 32): Cell[] {
  return (['ins', 'outs'] as const).flatMap((op) =>
    ([1, 2, 4] as const).flatMap((size) =>
      [false, true].map((down) => {
        const length = bits === 16 ? 0x10000 : 0x10000 * size;
        const low = bits === 16 ? 0 : ABOVE;
        const index = down ? low + length - size : low;
        const what = { op, size, prefix: 'rep', down, count: COUNT, index } as const;
        return stringCell(
          bits,
          { ...what, label: `count ${COUNT}` },
          {
            family: 'INS and OUTS, largest counts',
            ramBytes: ABOVE + length,
            // mov ax, 1000; mov ds, ax; mov es, ax
            prepare: (c) => bits === 16 && c.raw(0xb8, 0x00, 0x10, 0x8e, 0xd8, 0x8e, 0xc0),
          },
        );
      }),
    ),
  );
}

/** Every such cell; two read a part of what they write from device memory. */
export function longCells(): Cell[] {
  const most = { op: 'outs', size: 1, prefix: 'rep', down: false, index: 0x1000 } as const;
  const family = 'INS and OUTS, largest counts';
  return [
    stringCell(16, { ...most, count: 0x6fff, label: 'count 28671 up to a device' }, { family }),
    stringCell(16, { ...most, count: COUNT, label: 'count 65535 through devices' }, { family }),
    ...mostElements(16),
    ...mostElements(32),
  ];
}
