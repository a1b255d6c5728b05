// SPDX-License-Identifier: GPL-2.0-only
// Page tables of the paged cells: RAM where it is, devices elsewhere, pages that are absent or read-only.
import { Code, PAGE_FAULT_HANDLER } from './code.ts';

export const PAGE_DIRECTORY = 0xd000;
const PAGE_TABLE = 0xe000;
const PRESENT = 1;
const WRITABLE = 2;

/** Linear page, physical page, flags. What is not there at first is made present by the handler. */
const PAGES: readonly (readonly [linear: number, physical: number, flags: number])[] = [
  ...Array.from({ length: 8 }, (_, i) => [i, i, PRESENT | WRITABLE] as const),
  ...[0xb, 0xc, 0xd, 0xe, 0xf].map((i) => [i, i, PRESENT | WRITABLE] as const),
  // RAM, the devices, RAM.
  [0x1f, 0x4, PRESENT | WRITABLE],
  [0x20, 0x8, PRESENT | WRITABLE],
  [0x21, 0x9, PRESENT | WRITABLE],
  [0x22, 0xa, PRESENT | WRITABLE],
  [0x23, 0x5, PRESENT | WRITABLE],
  // The first device's pages the other way round, and an absent one behind.
  [0x26, 0x9, PRESENT | WRITABLE],
  [0x27, 0x8, PRESENT | WRITABLE],
  [0x28, 0x9, 0],
  // Absent RAM, then a device.
  [0x2a, 0x5, 0],
  [0x2b, 0x8, PRESENT | WRITABLE],
  // A device, then the same read-only.
  [0x2f, 0x9, PRESENT | WRITABLE],
  [0x30, 0x8, PRESENT],
  // RAM for INS and OUTS, then an absent page of it.
  [0x33, 0x4, PRESENT | WRITABLE],
  [0x34, 0x5, 0],
  // The same with the second page read-only: the frames go on.
  [0x36, 0x4, PRESENT | WRITABLE],
  [0x37, 0x5, PRESENT],
];

/** Places of an access in a paged cell; `faults`: it raises #PF, once. */
export function pagedPlaces(size: number): [string, number][] {
  const half = size >> 1;
  const all: [string, number][] = [
    ['aligned', 0x20010],
    ['on an absent page', 0x28010],
    ['on a read-only page', 0x30010],
  ];
  if (size > 1) {
    all.push(
      ['unaligned', 0x20011],
      ['crossing pages that are not neighbours', 0x27000 - half],
      ['from RAM into a device', 0x20000 - half],
      ['from a device into RAM', 0x23000 - half],
      ['over two devices', 0x22000 - half],
      ['into an absent page', 0x28000 - half],
      ['from an absent page', 0x2b000 - half],
      ['into a read-only page', 0x30000 - half],
    );
  }
  return all;
}

/** The last element before an absent page of RAM, and the first one of it. */
export const BEFORE_ABSENT = 0x34000;
/** The same before a read-only page. */
export const BEFORE_READ_ONLY = 0x37000;

/** Puts tables and handler into RAM. */
export function writeTables(ram: Uint8Array): void {
  const view = new DataView(ram.buffer, ram.byteOffset, ram.byteLength);
  for (let i = 0; i < 1024; i++) {
    view.setUint32(PAGE_DIRECTORY + 4 * i, 0, true);
    view.setUint32(PAGE_TABLE + 4 * i, 0, true);
  }
  view.setUint32(PAGE_DIRECTORY, PAGE_TABLE | PRESENT | WRITABLE, true);
  for (const [linear, physical, flags] of PAGES)
    view.setUint32(PAGE_TABLE + 4 * linear, (physical << 12) | flags, true);
  ram.set(faultHandler(), PAGE_FAULT_HANDLER);
}

/** Notes CR2 and the error code, counts, makes the page present and writable, and goes back. */
function faultHandler(): readonly number[] {
  const c = new Code(32);
  // push eax; push ebx; mov ebx,cr2; mov [3004],ebx; mov eax,[esp+8]; mov [3008],eax; inc byte [3001]
  c.raw(0x50, 0x53, 0x0f, 0x20, 0xd3).memory([0x89], 3, 0x3004, 4).raw(0x8b, 0x44, 0x24, 8);
  c.memory([0x89], 0, 0x3008, 4).memory([0xfe], 0, 0x3001, 1);
  // mov eax,ebx; shr eax,12; or dword [eax*4+PAGE_TABLE],3; invlpg [ebx]
  c.raw(0x89, 0xd8, 0xc1, 0xe8, 12, 0x83, 0x0c, 0x85).imm32(PAGE_TABLE).raw(3, 0x0f, 0x01, 0x3b);
  // pop ebx; pop eax; add esp,4; iret
  return c.raw(0x5b, 0x58, 0x83, 0xc4, 4, 0xcf).bytes;
}
