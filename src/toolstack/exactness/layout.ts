// SPDX-License-Identifier: GPL-2.0-only
// How a machine stands before a cell begins: memory, vectors, and for 32-bit cells flat segments.
import {
  SEG_CS,
  SEG_DS,
  SEG_ES,
  SEG_FS,
  SEG_GS,
  SEG_SS,
  type SegmentState,
} from '../../cpu/backend.ts';
import type { LoadedGuest } from '../../machine/loader.ts';
import type { Machine } from '../../machine/machine.ts';
import { type Cell, DEVICES_END, end, FIRST_DEVICE, pattern, RAM_BYTES, STACK } from './cell.ts';
import { CODE, Code, HANDLER, TARGET } from './code.ts';

const IDT = 0x2000;
const GDT = 0x2800;
const CODE_SELECTOR = 8;
const DATA_SELECTOR = 16;

/** The cell as a guest of the machine. */
export function guestOf(cell: Cell): LoadedGuest {
  const ram = Uint8Array.from({ length: RAM_BYTES }, (_, gpa) => pattern(gpa));
  ram.set(cell.code, CODE);
  const stop = new Code(cell.bits);
  end(stop);
  ram.set(stop.bytes, TARGET);
  // inc byte [0x3000]; iret
  const handler = new Code(cell.bits).memory([0xfe], 0, 0x3000, 1).raw(0xcf);
  ram.set(handler.bytes, HANDLER);
  const view = new DataView(ram.buffer);
  if (cell.bits === 16) {
    for (let vector = 0; vector < 16; vector++) view.setUint32(4 * vector, HANDLER, true);
  } else {
    for (let vector = 0; vector < 16; vector++) {
      view.setUint32(IDT + 8 * vector, (CODE_SELECTOR << 16) | HANDLER, true);
      view.setUint32(IDT + 8 * vector + 4, 0x00008e00, true);
    }
    const descriptor = (selector: number, high: number): void => {
      view.setUint32(GDT + selector, 0x0000ffff, true);
      view.setUint32(GDT + selector + 4, high, true);
    };
    descriptor(CODE_SELECTOR, 0x00cf9b00);
    descriptor(DATA_SELECTOR, 0x00cf9300);
  }
  const piece = (gpa: number, limit: number): LoadedGuest['pieces'][number] => ({
    what: 'image',
    gpa,
    bytes: ram.subarray(gpa, limit),
    readOnly: false,
  });
  const at = { cs: 0, ip: CODE, ds: 0, es: 0, ss: 0, sp: STACK, ax: 0, dx: 0, flags: 2 };
  return {
    name: 'cell',
    path: '',
    format: 'flat',
    manifest: {
      name: 'cell',
      purpose: cell.name,
      format: 'flat',
      memory: RAM_BYTES,
      devices: [],
      limits: { maxInstructions: 0 },
      verdict: 'success',
      windows: [],
    },
    hasManifest: false,
    memoryBytes: RAM_BYTES,
    pieces: [piece(0, FIRST_DEVICE), piece(DEVICES_END, RAM_BYTES)],
    entry: at,
    blockBase: null,
  };
}

/** Puts the CPU into the cell's mode. */
export function enterMode(machine: Machine, bits: 16 | 32): void {
  if (bits === 16) return;
  const { regs } = machine.cpu;
  const flat = (selector: number, attributes: number): SegmentState => ({
    selector,
    base: 0,
    limit: 0xffffffff,
    attributes,
  });
  regs.setTable('gdt', GDT, 0x17);
  regs.setTable('idt', IDT, 0x7f);
  regs.setControl(0, 0x60000011);
  regs.setSegment(SEG_CS, flat(CODE_SELECTOR, 0x00cf9b00));
  for (const s of [SEG_DS, SEG_ES, SEG_SS, SEG_FS, SEG_GS])
    regs.setSegment(s, flat(DATA_SELECTOR, 0x00cf9300));
}
