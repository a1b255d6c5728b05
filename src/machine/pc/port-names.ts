// SPDX-License-Identifier: GPL-2.0-only
// What the ports of a PC are called, for people. After the IBM PC/AT Technical Reference (March 1986, "I/O Address Map")
// and the data sheets that the devices name; 402h, 510h, 560h and 568h are this monitor's own.

/** First and last port, and the name. */
const PORTS: readonly (readonly [number, number, string])[] = [
  [0x000, 0x00f, 'DMA 1'],
  [0x020, 0x020, 'PIC 1 command'],
  [0x021, 0x021, 'PIC 1 mask'],
  [0x040, 0x040, 'PIT timer 0'],
  [0x041, 0x041, 'PIT timer 1'],
  [0x042, 0x042, 'PIT speaker'],
  [0x043, 0x043, 'PIT mode'],
  [0x060, 0x060, 'keyboard data'],
  [0x061, 0x061, 'speaker gate'],
  [0x064, 0x064, 'keyboard status'],
  [0x070, 0x070, 'CMOS index'],
  [0x071, 0x071, 'CMOS data'],
  [0x080, 0x080, 'POST code'],
  [0x081, 0x08f, 'DMA page'],
  [0x092, 0x092, 'A20 and reset'],
  [0x0a0, 0x0a0, 'PIC 2 command'],
  [0x0a1, 0x0a1, 'PIC 2 mask'],
  [0x0c0, 0x0df, 'DMA 2'],
  [0x0e9, 0x0e9, 'debug console'],
  [0x0f4, 0x0f4, 'verdict'],
  [0x170, 0x177, 'ATA 2'],
  [0x1f0, 0x1f0, 'ATA data'],
  [0x1f1, 0x1f1, 'ATA error'],
  [0x1f2, 0x1f2, 'ATA count'],
  [0x1f3, 0x1f6, 'ATA address'],
  [0x1f7, 0x1f7, 'ATA status'],
  [0x200, 0x207, 'joystick'],
  [0x220, 0x22f, 'Sound Blaster'],
  [0x278, 0x27f, 'LPT2'],
  [0x2e8, 0x2ef, 'COM4'],
  [0x2f8, 0x2ff, 'COM2'],
  [0x330, 0x331, 'MIDI'],
  [0x378, 0x37f, 'LPT1'],
  [0x388, 0x38b, 'AdLib'],
  [0x3b0, 0x3bb, 'VGA mono'],
  [0x3bc, 0x3bf, 'LPT'],
  [0x3c0, 0x3c1, 'VGA attribute'],
  [0x3c2, 0x3c2, 'VGA misc'],
  [0x3c4, 0x3c5, 'VGA sequencer'],
  [0x3c6, 0x3c9, 'VGA palette'],
  [0x3ca, 0x3cd, 'VGA'],
  [0x3ce, 0x3cf, 'VGA graphics'],
  [0x3d4, 0x3d5, 'VGA CRTC'],
  [0x3d8, 0x3d9, 'CGA mode'],
  [0x3da, 0x3da, 'VGA retrace'],
  [0x3e8, 0x3ef, 'COM3'],
  [0x3f0, 0x3f1, 'floppy status'],
  [0x3f2, 0x3f2, 'floppy motor'],
  [0x3f4, 0x3f4, 'floppy state'],
  [0x3f5, 0x3f5, 'floppy data'],
  [0x3f6, 0x3f6, 'ATA control'],
  [0x3f7, 0x3f7, 'floppy change'],
  [0x3f8, 0x3ff, 'COM1'],
  [0x402, 0x402, 'BIOS log'],
  [0x4d0, 0x4d1, 'PIC edge/level'],
  [0x510, 0x511, 'fw_cfg'],
  [0x560, 0x567, 'drive C'],
  [0x568, 0x56b, 'unserved calls'],
  [0xcf8, 0xcff, 'PCI config'],
];

/** By port. */
const NAMES = new Map<number, string>();
for (const [first, last, name] of PORTS) for (let p = first; p <= last; p++) NAMES.set(p, name);

/** What a port is called on a PC, whether or not something answers there; empty: nothing known. */
export function portName(port: number): string {
  return NAMES.get(port) ?? '';
}

/** What an address of device memory is called. */
export function memoryName(gpa: number): string {
  if (gpa >= 0xa0000 && gpa < 0xc0000) return 'VGA memory';
  return gpa >= 0xfec00000 ? 'chipset' : '';
}
