// SPDX-License-Identifier: GPL-2.0-only
// What a cell of the matrix is, and the memory and ports every cell finds.
import { type Bits, Code } from './code.ts';

/** Guest RAM, with two memory devices in it: one of two pages, and one of one page right behind it. */
export const RAM_BYTES = 0x10000;
export const FIRST_DEVICE = 0x8000;
export const SECOND_DEVICE = 0xa000;
export const DEVICES_END = 0xb000;
/** RAM that cells load from and store to. */
export const DATA = 0x4000;
export const STACK = 0x7000;
/** Ports: by number, and by DX. */
export const PORT_IMM = 0x42;
export const PORT_DX = 0x1234;
/** Where, in a device in memory and in one at ports, a guest reads what the device was sent last. */
export const ECHO = 0x800;
export const PORT_ECHO = 4;

/** One guest snippet. */
export interface Cell {
  readonly name: string;
  readonly family: string;
  readonly bits: Bits;
  readonly code: Uint8Array;
  /** Low words of the first answers of each device; later ones follow a rule. */
  readonly answers?: readonly number[];
  /** An interrupt line gets an edge at this instruction count. */
  readonly irqAt?: number;
  /** Real mode for 16 bits, flat protected mode for 32, unless told otherwise. */
  readonly mode?: Mode;
  /** Guest RAM, where RAM_BYTES are not enough. */
  readonly ramBytes?: number;
}

/** 16-bit segments in protected mode; 32-bit ones with the page tables of `paging.ts`. */
export type Mode = 'protected' | 'paged';

/** Everything of a cell that has a default. */
export type CellExtras = Pick<Cell, 'answers' | 'irqAt' | 'mode' | 'ramBytes'>;

/** Byte of RAM at `gpa` when a cell begins. */
export function pattern(gpa: number): number {
  return (gpa * 37 + 11) & 0xff;
}

/** Pieces of RAM as one number. */
export function patternAt(gpa: number, size: number): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + pattern(gpa + i);
  return value >>> 0;
}

/** Low word of the answer to read number `n` of a device. */
export function answerTo(n: number): number {
  return (0x11223344 + n * 0x01010101) >>> 0;
}

/** Flags are pending in the emulator when the snippet begins, and stored when it is over. */
export function cell(
  family: string,
  name: string,
  bits: Bits,
  body: (code: Code) => void,
  more: CellExtras = {},
): Cell {
  const code = new Code(bits);
  code.set(3, 0x7ffffff0).wide(4).raw(0x83, 0xc3, 0x20);
  body(code);
  end(code);
  const mode = more.mode === undefined ? '' : ` ${more.mode}`;
  return {
    name: `${name}, ${bits}-bit${mode}`,
    family,
    bits,
    code: Uint8Array.from(code.bytes),
    ...more,
  };
}

/** inc ebp; pushfd; cli; hlt */
export function end(code: Code): void {
  code.wide(4).raw(0x45).wide(4).raw(0x9c, 0xfa, 0xf4);
}
