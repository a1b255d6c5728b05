// SPDX-License-Identifier: GPL-2.0-only
// The devices of a PC against the contract of every device.

import { Ata } from '../../src/dm/devices/ata.ts';
import { type Board, PortView } from '../../src/dm/devices/board.ts';
import { BiosLog, Port92, PostPort } from '../../src/dm/devices/board-ports.ts';
import { Cmos } from '../../src/dm/devices/cmos.ts';
import { Fdc } from '../../src/dm/devices/fdc.ts';
import { FwCfg } from '../../src/dm/devices/fw-cfg.ts';
import { HostFolderDevice } from '../../src/dm/devices/host-folder.ts';
import { I8042 } from '../../src/dm/devices/i8042.ts';
import { type DmaChannel, I8237 } from '../../src/dm/devices/i8237.ts';
import { memoryImage } from '../../src/dm/devices/medium.ts';
import { PciHost } from '../../src/dm/devices/pci-host.ts';
import { Vga } from '../../src/dm/devices/vga/vga.ts';
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

const memory = { read: (_gpa: number, into: Uint8Array) => into.fill(1), write: () => {} };
const channel: DmaChannel = {
  toMemory: (from) => ({ moved: from.length, terminal: true }),
  fromMemory: (into) => ({ moved: into.fill(0xa5).length, terminal: true }),
};

const program = { name: 'PROBE.COM', bytes: Uint8Array.of(0xcd, 0x20), tail: '', environment: [] };
const folder = { list: () => [], hidden: () => [], read: () => new Uint8Array(0) };

deviceContract('host-folder', (context) => new HostFolderDevice(context, program, folder), {
  rangeBytes: 8,
});
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
for (const [port, rangeBytes] of [
  [0x0, 16],
  [0x81, 15],
  [0xc0, 16],
] as const) {
  deviceContract(
    `i8237 at port ${port.toString(16)}`,
    () => new PortView(new I8237(memory), port, true),
    { rangeBytes },
  );
}
for (const [port, rangeBytes] of [
  [0x3f0, 6],
  [0x3f7, 1],
] as const) {
  deviceContract(
    `fdc at port ${port.toString(16)}`,
    (context) => {
      const fdc = new Fdc(context, channel, [memoryImage(new Uint8Array(368640)), null]);
      return new PortView(fdc, port, true);
    },
    { rangeBytes },
  );
}
deviceContract('pci-host', () => new PciHost(board, true), { rangeBytes: 8 });
deviceContract(
  'fw-cfg',
  () => new FwCfg([{ name: 'vgaroms/x', bytes: () => Uint8Array.of(1, 2, 3) }]),
  { rangeBytes: 2 },
);
for (const port of [0x3b0, 0x3c0, 0x3d0, 0xa0000]) {
  deviceContract(
    `vga at ${port.toString(16)}`,
    (context) => new PortView(new Vga(context), port, true),
    { rangeBytes: 16, runs: 30 },
  );
}
for (const [port, rangeBytes] of [
  [0x1f0, 8],
  [0x3f6, 1],
] as const) {
  deviceContract(
    `ata at port ${port.toString(16)}`,
    (context) => {
      const ata = new Ata(context, [memoryImage(new Uint8Array(0x100000))]);
      return new PortView(ata, port, true);
    },
    { rangeBytes },
  );
}
