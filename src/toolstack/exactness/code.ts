// SPDX-License-Identifier: GPL-2.0-only
// A few bytes of guest code at a time, for 16-bit and for 32-bit segments.

export type Bits = 16 | 32;
export type Width = 1 | 2 | 4 | 8;

/** Where a cell's code begins, linear and as IP. */
export const CODE = 0x1000;
/** A second end of every cell, for jumps and calls through device memory. */
export const TARGET = 0x1800;
/** Handler of every interrupt. */
export const HANDLER = 0x1a00;
/** Handler of page faults, in paged cells. */
export const PAGE_FAULT_HANDLER = 0x1b00;

/** Collects the code of one cell. */
export class Code {
  readonly bits: Bits;
  readonly bytes: number[] = [];

  constructor(bits: Bits) {
    this.bits = bits;
  }
  /** Bytes as they are. */
  raw(...bytes: readonly number[]): this {
    this.bytes.push(...bytes);
    return this;
  }
  /** The prefix that makes an operand `size` bytes wide here. */
  wide(size: Width): this {
    if ((size === 2 && this.bits === 32) || (size === 4 && this.bits === 16)) this.raw(0x66);
    return this;
  }
  imm32(value: number): this {
    return this.raw(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);
  }
  /** MOV r32, imm32. @param reg - the hardware's number */
  set(reg: number, value: number): this {
    return this.wide(4)
      .raw(0xb8 + reg)
      .imm32(value);
  }
  /** An instruction with one memory operand at the constant address `at`. */
  memory(opcode: readonly number[], reg: number, at: number, size: Width): this {
    this.wide(size).raw(...opcode, (reg << 3) | (this.bits === 16 ? 6 : 5));
    return this.bits === 16 ? this.raw(at & 255, at >>> 8) : this.imm32(at);
  }
  /** Linear address of the next byte. */
  get here(): number {
    return CODE + this.bytes.length;
  }
}
