// SPDX-License-Identifier: GPL-2.0-only
// Registers of the scripted CPU: they hold what is put into them. RIP is the linear address of the instruction's code.
import type { CpuRegisters, SegmentState } from './backend.ts';

const NO_SEGMENT: SegmentState = { selector: 0, base: 0, limit: 0xffff, attributes: 0 };

export class ScriptedRegisters implements CpuRegisters {
  rip = 0;
  rflags = 2;
  halted = false;
  readonly interruptShadow = false;
  readonly #low = new Uint32Array(8);
  readonly #high = new Uint32Array(8);
  readonly #control = new Uint32Array(5);

  gpr(index: number): number {
    return this.#low[index] ?? 0;
  }
  gprHigh(index: number): number {
    return this.#high[index] ?? 0;
  }
  setGpr(index: number, low: number, high = 0): void {
    this.#low[index] = low;
    this.#high[index] = high;
  }
  /** An index or count register, as wide as addresses are. */
  index(index: number, addrSize: 2 | 4): number {
    return addrSize === 2 ? this.gpr(index) & 0xffff : this.gpr(index);
  }
  setIndex(index: number, value: number, addrSize: 2 | 4): void {
    const kept = addrSize === 2 ? this.gpr(index) & ~0xffff : 0;
    this.setGpr(index, (kept | (addrSize === 2 ? value & 0xffff : value)) >>> 0);
  }
  segment(_index: number): SegmentState {
    return NO_SEGMENT;
  }
  setSegment(): void {}
  control(index: 0 | 2 | 3 | 4): number {
    return this.#control[index] ?? 0;
  }
  setControl(index: 0 | 2 | 3 | 4, value: number): void {
    this.#control[index] = value;
  }
  table(): readonly [number, number] {
    return [0, 0];
  }
  setTable(): void {}
  clearShadow(): void {}
}
