// SPDX-License-Identifier: GPL-2.0-only
// The devices of a PC against the contract of every device.
import { type Board, PortView } from '../../src/dm/devices/board.ts';
import { BiosLog, Port92, PostPort } from '../../src/dm/devices/board-ports.ts';
import { Cmos } from '../../src/dm/devices/cmos.ts';
import { I8042 } from '../../src/dm/devices/i8042.ts';
import { deviceContract } from './device.ts';

/** The line itself is the board's state, not the device's. */
const board: Board = { a20: true, setA20: () => {}, resetCpu: () => {} };

const CMOS = {
  conventionalBytes: 0xa0000,
  extendedBytes: 0xf00000,
  floppies: [4, 0],
  disks: 1,
  century: 20,
  bootFromDisk: false,
} as const;

deviceContract('cmos', () => new Cmos(CMOS), { rangeBytes: 2 });
deviceContract('post', () => new PostPort(), { rangeBytes: 1 });
deviceContract('bios-log', (context) => new BiosLog(context.output), { rangeBytes: 1 });
deviceContract('port92', () => new Port92(board), { rangeBytes: 1 });
for (const port of [0x60, 0x64]) {
  deviceContract(
    `i8042 at port ${port.toString(16)}`,
    (context) => new PortView(new I8042(context, board), port, true),
    { rangeBytes: 1 },
  );
}
