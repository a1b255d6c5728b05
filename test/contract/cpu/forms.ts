// SPDX-License-Identifier: GPL-2.0-only
// What a form is: a few instructions around one that reaches a device, and the accesses it must make.
import type { CodeForBoth } from '../../helpers/guest-code.ts';

/** Memory of the contract's machine: 64 KiB of RAM with two device pages in it. */
export const RAM_BYTES = 0x10000;
export const DEVICE = 0x8000;
export const DEVICE_END = 0xa000;
/** Where a form begins, linear; CS has a base, so that RIP and linear addresses differ. */
export const CODE = 0x1000;
export const CODE_BASE = 0x400;
/** A second copy of the end of every form: CS:TARGET, for calls and jumps through device memory. */
export const TARGET = 0x1400;
export const STACK = 0x7000;
/** RAM that forms load from and store to; byte i of RAM is `pattern(i)` when a form begins. */
export const DATA = 0x4000;
/** The port of every form that takes it from DX. */
export const PORT = 0x1234;

/** Byte of RAM at `gpa` when a form begins. */
export function pattern(gpa: number): number {
  return (gpa * 37 + 11) & 0xff;
}

/** What the device answers the n-th access of a form that does not bring answers of its own. */
export function answerTo(n: number): readonly [number, number] {
  return [(0x11223344 + n * 0x01010101) >>> 0, (0x8899aabb + n * 0x01010101) >>> 0];
}

/** One form. Accesses read `r4@8010` and `w2@p1234=abcd`: direction, bytes, address (p: port), data written. */
export interface Form {
  name: string;
  code: CodeForBoth;
  /** Modes it runs in; both unless told otherwise. */
  modes?: readonly (16 | 32)[];
  /** The accesses, one after the other. */
  sees: string;
  /** Answers in order, low words; high words are 0. */
  answers?: readonly number[];
  /**
   * Why registers and RAM are not compared in the middle of the instruction: it stores a part of what it does before a
   * later access. Executed again it stores the same, so the end is compared as always.
   */
  partial?: string;
  /** What EAX holds at the end. */
  eax?: number;
}
