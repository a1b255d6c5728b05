// SPDX-License-Identifier: GPL-2.0-only
// A machine of the native CPU for tests: RAM, modes to start in, interrupt handlers that report themselves.
import { expect } from 'vitest';
import {
  EXIT_NAMES,
  EXIT_PIO,
  type ExitReason,
  RSP,
  SEG_CS,
  SEG_SS,
  SEG_TR,
} from '../../src/cpu/backend.ts';
import { type RamSegment, UnicornCpu } from '../../src/cpu/unicorn.ts';
import { GuestRam } from '../../src/mem/guest-ram.ts';

export const MIB = 1 << 20;
export const CODE = 0x1000;
export const STACK = 0x7000;
/** Device memory when a machine is made without segments of its own. */
export const DEVICE = 0xd0000;
export const DEVICE_END = 0xd2000;
/** An OUT to this port is a handler saying that it runs; BL holds its vector. */
export const HANDLER_PORT = 0xf0;
/** Real mode: handler of vector v at 0:HANDLERS + 16 v. */
export const HANDLERS = 0x2000;

/** Protected mode: tables and the handlers of 32 vectors. */
export const GDT = 0x3000;
export const IDT = 0x3800;
export const TSS = 0x3c00;
export const HANDLERS_32 = 0x5000;
export const RING0_STACK = 0x6800;
export const CODE32 = 0x08;
export const DATA32 = 0x10;
export const USER_CODE32 = 0x1b;
export const USER_DATA32 = 0x23;
export const TSS_SELECTOR = 0x28;
export const CODE16 = 0x30;
export const DATA16 = 0x38;
const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);

/** CF PF AF ZF SF OF, TF, IF as bits of RFLAGS. */
export const TF = 0x100;
export const IF = 0x200;

/** RAM with two device pages at DEVICE, unless told otherwise. */
export class Machine implements Disposable {
  readonly ram: GuestRam;
  readonly cpu: UnicornCpu;

  constructor(bytes = MIB, segments?: readonly RamSegment[]) {
    this.ram = new GuestRam(bytes);
    this.cpu = new UnicornCpu(
      this.ram,
      segments ?? [
        { gpa: 0, bytes: DEVICE, offset: 0, writable: true },
        { gpa: DEVICE_END, bytes: bytes - DEVICE_END, offset: DEVICE_END, writable: true },
      ],
    );
  }
  [Symbol.dispose](): void {
    this.cpu[Symbol.dispose]();
  }

  /** Real mode, every segment 0, at CODE, with a handler for each vector. */
  real(code: Uint8Array, flags = 2): this {
    for (let vector = 0; vector < 256; vector++) {
      const handler = HANDLERS + vector * 16;
      this.ram.write(vector * 4, 4, handler);
      // mov bl,vector; out HANDLER_PORT,al; iret
      this.ram.writeBytes(handler, Uint8Array.of(0xb3, vector, 0xe6, HANDLER_PORT, 0xcf));
    }
    this.#begin(code, flags, 0x60000010, 0xffff, 0, 0);
    return this;
  }

  /** Flat 32-bit protected mode at CODE with tables and handlers. @param ring - 0 or 3 */
  flat32(code: Uint8Array, { ring = 0, flags = 2 }: { ring?: 0 | 3; flags?: number } = {}): this {
    const { ram, cpu } = this;
    const descriptors = [
      [0, 0],
      [0xffff, 0xcf9b00],
      [0xffff, 0xcf9300],
      [0xffff, 0xcffb00],
      [0xffff, 0xcff300],
      [(TSS << 16) | 0x67, 0x8900],
      [0xffff, 0x9b00],
      [0xffff, 0x9300],
    ] as const;
    for (const [index, [low, high]] of descriptors.entries()) {
      ram.write(GDT + index * 8, 4, low >>> 0);
      ram.write(GDT + index * 8 + 4, 4, high);
    }
    for (let vector = 0; vector < 64; vector++) {
      const handler = HANDLERS_32 + vector * 16;
      ram.write(IDT + vector * 8, 4, (CODE32 << 16) | handler);
      ram.write(IDT + vector * 8 + 4, 4, 0xee00);
      // mov bl,vector; out HANDLER_PORT,al; [add esp,4;] iret
      const drop = WITH_ERROR_CODE.has(vector) ? [0x83, 0xc4, 0x04] : [];
      ram.writeBytes(handler, Uint8Array.of(0xb3, vector, 0xe6, HANDLER_PORT, ...drop, 0xcf));
    }
    ram.write(TSS + 4, 4, RING0_STACK);
    ram.write(TSS + 8, 4, DATA32);
    ram.write(TSS + 0x66, 2, 0x68);
    this.#begin(code, flags, 0x60000011, 0xffffffff, 0xc00000, ring);
    cpu.regs.setTable('gdt', GDT, descriptors.length * 8 - 1);
    cpu.regs.setTable('idt', IDT, 64 * 8 - 1);
    cpu.regs.setSegment(SEG_TR, {
      selector: TSS_SELECTOR,
      base: TSS,
      limit: 0x67,
      attributes: 0x8b00,
    });
    return this;
  }

  #begin(
    code: Uint8Array,
    flags: number,
    cr0: number,
    limit: number,
    size: number,
    ring: 0 | 3,
  ): void {
    const { ram, cpu } = this;
    ram.writeBytes(CODE, code);
    cpu.reset();
    cpu.regs.setControl(0, cr0);
    const protectedMode = (cr0 & 1) !== 0;
    for (let index = 0; index < 6; index++) {
      const code = index === SEG_CS;
      let selector = 0;
      if (protectedMode) selector = (code ? CODE32 : DATA32) + (ring === 3 ? 0x13 : 0);
      const attributes = (code ? 0x9b00 : 0x9300) | size | (ring << 13);
      cpu.regs.setSegment(index, { selector, base: 0, limit, attributes });
    }
    for (let index = 0; index < 8; index++) cpu.regs.setGpr(index, 0);
    cpu.regs.setGpr(RSP, STACK);
    cpu.regs.rip = CODE;
    cpu.regs.rflags = flags;
  }

  /** Runs, and expects this exit. */
  runTo(exit: ExitReason, action: () => ExitReason = () => this.cpu.run()): void {
    const found = action();
    const name = found === 8 ? `unsupported (${this.cpu.unsupported()})` : EXIT_NAMES[found];
    expect(name).toBe(exit === 8 && found === 8 ? name : EXIT_NAMES[exit]);
  }

  /** Runs to a port access, answers it, and says what it was: `out f0=0`, `in 60`. */
  port(answer = 0): string {
    this.runTo(EXIT_PIO);
    const { exitAddr, exitDir, exitData } = this.cpu;
    const text = `${exitDir === 1 ? 'in ' : 'out '}${exitAddr.toString(16)}${exitDir === 1 ? '' : `=${exitData.toString(16)}`}`;
    this.cpu.answer(answer, 0);
    return text;
  }

  /** Runs to a handler's report, leaves it pending, and gives its vector. */
  toHandler(): number {
    this.runTo(EXIT_PIO);
    expect(this.cpu.exitAddr).toBe(HANDLER_PORT);
    return this.cpu.regs.gpr(3) & 0xff;
  }
  /** Lets the handler go on that `toHandler()` has found. */
  leaveHandler(): void {
    this.cpu.answer(0, 0);
  }

  /** Word `index` of the stack. @param bits - 16 in real mode */
  stack(index: number, bits: 16 | 32): number {
    const size = bits / 8;
    const { base } = this.cpu.regs.segment(SEG_SS);
    return this.ram.read(base + this.cpu.regs.gpr(RSP) + index * size, size);
  }
}
