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
import type { LoadedGuest } from '../../machine/loaded-guest.ts';
import type { Machine } from '../../machine/machine.ts';
import { type Cell, DEVICES_END, end, FIRST_DEVICE, pattern, RAM_BYTES, STACK } from './cell.ts';
import { CODE, Code, HANDLER, PAGE_FAULT_HANDLER, TARGET } from './code.ts';
import { PAGE_DIRECTORY, writeTables } from './paging.ts';

const IDT = 0x2000;
const GDT = 0x2800;
const CODE_SELECTOR = 8;
const DATA_SELECTOR = 16;
const FS_SELECTOR = 24;
/** Of FS in the cells that override it. */
export const FS_BASE = 0x1000;
const PAGE_FAULT = 14;
/** High words of descriptors: present, ring 0, accessed, 64 KiB; and what makes them 4 GiB of 32-bit segment. */
const CODE_16 = 0x9b00;
const DATA_16 = 0x9300;
const FLAT_32 = 0x00cf0000;

/** RAM of the pattern, by size: making it takes longer than a trial. */
const PATTERNS = new Map<number, Uint8Array>();
function patternOf(bytes: number): Uint8Array {
  const made = PATTERNS.get(bytes) ?? Uint8Array.from({ length: bytes }, (_, gpa) => pattern(gpa));
  PATTERNS.set(bytes, made);
  return made.slice();
}

let last: readonly [Cell, LoadedGuest] | null = null;

/** The cell as a guest of the machine. A machine copies it: it is made once for all trials in a row. */
export function guestOf(cell: Cell): LoadedGuest {
  if (last?.[0] !== cell) last = [cell, makeGuest(cell)];
  return last[1];
}

function makeGuest(cell: Cell): LoadedGuest {
  const bytes = cell.ramBytes ?? RAM_BYTES;
  const ram = patternOf(bytes);
  ram.set(cell.code, CODE);
  const stop = new Code(cell.bits);
  end(stop);
  ram.set(stop.bytes, TARGET);
  // inc byte [0x3000]; iret
  const handler = new Code(cell.bits).memory([0xfe], 0, 0x3000, 1).raw(0xcf);
  ram.set(handler.bytes, HANDLER);
  const view = new DataView(ram.buffer);
  if (cell.bits === 16 && cell.mode === undefined) {
    for (let vector = 0; vector < 16; vector++) view.setUint32(4 * vector, HANDLER, true);
  } else {
    // Gates and segments of the cell's own width.
    const wide = cell.bits === 32;
    const gate = (vector: number, handler: number): void => {
      view.setUint32(IDT + 8 * vector, (CODE_SELECTOR << 16) | handler, true);
      view.setUint32(IDT + 8 * vector + 4, wide ? 0x8e00 : 0x8600, true);
    };
    for (let vector = 0; vector < 16; vector++) gate(vector, HANDLER);
    const descriptor = (selector: number, low: number, high: number): void => {
      view.setUint32(GDT + selector, low, true);
      view.setUint32(GDT + selector + 4, high | (wide ? FLAT_32 : 0), true);
    };
    descriptor(CODE_SELECTOR, 0xffff, CODE_16);
    descriptor(DATA_SELECTOR, 0xffff, DATA_16);
    descriptor(FS_SELECTOR, (FS_BASE << 16) | 0xffff, DATA_16);
    if (cell.mode === 'paged') {
      gate(PAGE_FAULT, PAGE_FAULT_HANDLER);
      writeTables(ram);
    }
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
      memory: bytes,
      vcpus: 1,
      devices: [],
      limits: { maxInstructions: 0 },
      verdict: 'success',
      windows: [],
    },
    hasManifest: false,
    memoryBytes: bytes,
    pieces: [piece(0, FIRST_DEVICE), piece(DEVICES_END, bytes)],
    entry: at,
    blockBase: null,
    pc: null,
  };
}

/** Gives FS a base of FS_BASE, in every mode but 16-bit protected. */
export function fsBase(code: Code): void {
  // mov ax, FS; mov fs, ax
  const selector = code.bits === 16 ? FS_BASE >> 4 : FS_SELECTOR;
  code.wide(2).raw(0xb8, selector & 255, selector >> 8, 0x8e, 0xe0);
}

/** Puts the CPU into the cell's mode. */
export function enterMode(machine: Machine, { bits, mode }: Cell): void {
  if (bits === 16 && mode === undefined) return;
  const { regs } = machine.cpu;
  const flat = (selector: number, attributes: number): SegmentState => ({
    selector,
    base: 0,
    limit: bits === 32 ? 0xffffffff : 0xffff,
    attributes: attributes | (bits === 32 ? FLAT_32 : 0),
  });
  regs.setTable('gdt', GDT, 0x1f);
  regs.setTable('idt', IDT, 0x7f);
  if (mode === 'paged') regs.setControl(3, PAGE_DIRECTORY);
  // PE and ET; with paging WP, too: the supervisor's writes respect read-only pages.
  regs.setControl(0, mode === 'paged' ? 0xe0010011 : 0x60000011);
  regs.setSegment(SEG_CS, flat(CODE_SELECTOR, CODE_16));
  for (const s of [SEG_DS, SEG_ES, SEG_SS, SEG_FS, SEG_GS])
    regs.setSegment(s, flat(DATA_SELECTOR, DATA_16));
}
