// SPDX-License-Identifier: GPL-2.0-only
// Protected mode with segments that do not have room for everything.
import { expect } from 'vitest';
import { EXIT_EXCEPTION, RAX, RBX, RSP, type SegmentState } from '../../src/cpu/backend.ts';
import * as M from './machine.ts';

export const GP = 13;
export const SS = 12;
export const LIMIT = 0x8fff;
export const BIG = 0x400000;
export const NULL: SegmentState = { selector: 0, base: 0, limit: 0, attributes: 0 };

/** A data segment of this type at 0. */
export function narrow(type: number, limit = LIMIT, size = BIG): SegmentState {
  return { selector: M.DATA32, base: 0, limit, attributes: size | 0x9000 | (type << 8) };
}
export const UP = narrow(3);

export type Segments = Readonly<Record<number, SegmentState>>;
export type Registers = Readonly<Record<number, number>>;

export class Narrow extends M.Machine {
  start(code: Uint8Array, segments: Segments, gpr: Registers = {}): void {
    this.flat32(code);
    for (const [index, segment] of Object.entries(segments))
      this.cpu.regs.setSegment(Number(index), segment);
    for (const [index, value] of Object.entries(gpr)) this.cpu.regs.setGpr(Number(index), value);
    this.ram.bytes.fill(0x5a, LIMIT - 0x10ff, LIMIT + 0x101);
    this.cpu.deadline = this.cpu.icount + 1000;
  }

  /** The vector, and that registers, memory and the address pushed are those from before the instruction at `at`. */
  faults(vector: number, at = 0): void {
    const { regs } = this.cpu;
    const before = Array.from({ length: 8 }, (_, i) => regs.gpr(i));
    const esp = ((before[RSP] ?? 0) - 16) >>> 0;
    const ram = this.ram.bytes.slice();
    expect(this.toHandler()).toBe(vector);
    expect(this.stack(0, 32)).toBe(0);
    expect(this.stack(1, 32)).toBe(M.CODE + at);
    const after = Array.from({ length: 8 }, (_, i) => regs.gpr(i));
    // BL has the vector; what stands before the instruction may have loaded EAX.
    const same = (all: number[]): number[] =>
      all
        .with(RBX, 0)
        .with(RSP, esp)
        .with(RAX, at === 0 ? (all[RAX] ?? 0) : 0);
    expect(same(after)).toEqual(same(before));
    expect(after[RSP]).toBe(esp);
    ram.set(this.ram.bytes.subarray(esp, esp + 16), esp);
    expect(Buffer.compare(ram, this.ram.bytes)).toBe(0);
    this.leaveHandler();
  }

  /** The same, where what its delivery pushes may find no room: the exception is caught before it is delivered. */
  raises(vector: number, errorCode = 0): void {
    const { regs } = this.cpu;
    const state = (): number[] => [...Array.from({ length: 8 }, (_, i) => regs.gpr(i)), regs.rip];
    const before = state();
    const ram = this.ram.bytes.slice();
    this.cpu.catchExceptions = true;
    this.runTo(EXIT_EXCEPTION);
    this.cpu.catchExceptions = false;
    expect(this.cpu.exception).toMatchObject({ vector, errorCode });
    expect(state()).toEqual(before);
    expect(Buffer.compare(ram, this.ram.bytes)).toBe(0);
  }
}
