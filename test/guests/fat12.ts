// SPDX-License-Identifier: GPL-2.0-only
// A 360K floppy with a FAT12 file system and some files in its root, for guests that are programs of a DOS.

const SECTOR = 512;
const SECTORS = 720;
const CLUSTER = 2;
const FAT_SECTORS = 2;
const ROOT_ENTRIES = 112;
const ROOT = 1 + 2 * FAT_SECTORS;
const DATA = ROOT + (ROOT_ENTRIES * 32) / SECTOR;

/** @param files - by 8.3 name */
export function fat12(files: Readonly<Record<string, Uint8Array>>): Buffer {
  const disk = Buffer.alloc(SECTORS * SECTOR);
  disk.set([0xeb, 0x3c, 0x90], 0);
  disk.write('TRAPLINE', 3, 'latin1');
  disk.writeUInt16LE(SECTOR, 11);
  disk[13] = CLUSTER;
  disk.writeUInt16LE(1, 14);
  disk[16] = 2;
  disk.writeUInt16LE(ROOT_ENTRIES, 17);
  disk.writeUInt16LE(SECTORS, 19);
  disk[21] = 0xfd;
  disk.writeUInt16LE(FAT_SECTORS, 22);
  disk.writeUInt16LE(9, 24);
  disk.writeUInt16LE(2, 26);
  disk.writeUInt16LE(0xaa55, 510);
  const table: number[] = [0xffd, 0xfff];
  Object.entries(files).forEach(([name, bytes], index) => {
    const [base = '', extension = ''] = name.split('.');
    const entry = ROOT * SECTOR + index * 32;
    disk.write(base.padEnd(8) + extension.padEnd(3), entry, 'latin1');
    disk[entry + 11] = 0x20;
    disk.writeUInt16LE(0x5021, entry + 24); // 2020-01-01
    disk.writeUInt16LE(table.length, entry + 26);
    disk.writeUInt32LE(bytes.length, entry + 28);
    const clusters = Math.ceil(bytes.length / (CLUSTER * SECTOR));
    disk.set(bytes, (DATA + (table.length - 2) * CLUSTER) * SECTOR);
    for (let i = 1; i < clusters; i++) table.push(table.length + 1);
    table.push(0xfff);
  });
  for (let copy = 0; copy < 2; copy++) {
    const at = (1 + copy * FAT_SECTORS) * SECTOR;
    table.forEach((value, n) => {
      const byte = at + n + (n >> 1);
      const old = disk.readUInt16LE(byte);
      disk.writeUInt16LE(n % 2 === 0 ? (old & 0xf000) | value : (old & 0xf) | (value << 4), byte);
    });
  }
  return disk;
}
