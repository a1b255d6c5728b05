// SPDX-License-Identifier: GPL-2.0-only
// In 16-bit code IP is 16 bits wide: behind offset FFFF comes 0 of the same segment, not the next 64 KiB.
import { describe, expect, test } from 'vitest';
import { EXIT_HLT, RAX, SEG_CS } from '../../src/cpu/backend.ts';
import { Machine } from './machine.ts';

/** Linear address of CS:0; 64 KiB further lies code that must not run. */
const BASE = 0x10000;
/** mov al,11; hlt */
const BEHIND = Uint8Array.of(0xb0, 0x11, 0xf4);
/** mov al,22; hlt */
const BEYOND = Uint8Array.of(0xb0, 0x22, 0xf4);

/** Runs `code` at `ip` to a HLT. @returns [AL, IP] */
function wrapped(m: Machine, code: readonly number[], ip: number): [number, number] {
  const { regs } = m.cpu;
  m.ram.writeBytes(BASE, BEHIND);
  m.ram.writeBytes(BASE + 0x10000, BEYOND);
  m.ram.writeBytes(BASE + ip, Uint8Array.from(code));
  regs.setSegment(SEG_CS, { selector: 0x1000, base: BASE, limit: 0xffff, attributes: 0x9b00 });
  regs.halted = false;
  regs.rip = ip;
  regs.rflags = 2;
  regs.setGpr(RAX, 0);
  m.runTo(EXIT_HLT);
  return [regs.gpr(RAX) & 0xff, regs.rip];
}

describe('IP behind offset FFFF', () => {
  test.each([
    ['an instruction that ends there', [0x90], 0xffff],
    ['a straight line up to there', [0x90, 0x90, 0x90], 0xfffd],
    ['a conditional jump that is not taken', [0x74, 0x10], 0xfffe],
  ] as const)('is 0: %s', (_, code, ip) => {
    using m = new Machine();
    expect(wrapped(m, code, ip)).toEqual([0x11, 3]);
    // Once more out of the translated code.
    expect(wrapped(m, code, ip)).toEqual([0x11, 3]);
  });

  test('is 0 after HLT', () => {
    using m = new Machine();
    expect(wrapped(m, [0xf4], 0xffff)).toEqual([0, 0]);
  });
});
