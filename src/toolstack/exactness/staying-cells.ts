// SPDX-License-Identifier: GPL-2.0-only
// Cells of accesses in a row, for runs in which they stay in the guest: `--full` has them.
import { type Cell, cell, DATA, ECHO, FIRST_DEVICE, PORT_DX, PORT_ECHO, PORT_IMM } from './cell.ts';
import type { Bits, Code } from './code.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const ROL = [0xc1, 0xc0, 0x07] as const;
const LOAD = 0x8b;
const STORE = 0x89;
const FAMILY = 'accesses in a row';

/** OUT to the port in DX, or the one by number. */
function out(c: Code, size: 1 | 2 | 4, imm = false): Code {
  c.wide(size).raw((imm ? 0xe6 : 0xee) + (size > 1 ? 1 : 0));
  return imm ? c.raw(PORT_IMM) : c;
}

/** EAX as different as can be from what it was. */
function turn(c: Code): Code {
  return c.wide(4).raw(...ROL);
}

/** IN EAX from the register that tells what was written last. */
function told(c: Code): Code {
  return c
    .set(RDX, PORT_DX + PORT_ECHO)
    .wide(4)
    .raw(0xed)
    .set(RDX, PORT_DX);
}

function begin(c: Code): Code {
  return c.set(RAX, 0xa1b2c3d4).set(RDX, PORT_DX);
}

/** Every such cell. */
export function stayingCells(): Cell[] {
  return ([16, 32] as const).flatMap((bits: Bits) => [
    cell(FAMILY, 'one port, three times', bits, (c) => {
      begin(c);
      for (let i = 0; i < 3; i++) out(turn(c), 4);
    }),
    cell(FAMILY, 'one port, every width', bits, (c) => {
      begin(c);
      for (const size of [1, 2, 4, 1] as const) out(turn(c), size);
    }),
    cell(FAMILY, 'two ports by turns', bits, (c) => {
      begin(c);
      for (let i = 0; i < 4; i++) turn(out(turn(out(turn(out(c, 2)), 2)), 2, true));
    }),
    cell(FAMILY, 'read back at once', bits, (c) => {
      told(out(turn(told(out(turn(told(begin(c))), 4))), 4));
    }),
    cell(FAMILY, 'a register twice, a write, the register twice', bits, (c) => {
      begin(c);
      for (let i = 0; i < 2; i++) {
        told(told(c));
        c.memory([0x03], RAX, DATA, 4);
        out(turn(out(turn(c), 4)), 4);
      }
      told(told(c));
    }),
    cell(FAMILY, 'ports, then memory, then ports', bits, (c) => {
      out(out(begin(c), 4), 4);
      turn(c).memory([STORE], RAX, FIRST_DEVICE + 0x10, 4);
      turn(c).memory([STORE], RAX, FIRST_DEVICE + 0x10, 4);
      out(turn(c), 1, true).memory([LOAD], RAX, FIRST_DEVICE + ECHO, 4);
      c.memory([LOAD], RAX, FIRST_DEVICE + ECHO + 8, 4);
      told(out(turn(c), 4));
    }),
    // Several rings, and more instructions than are all stopped at.
    cell(FAMILY, 'more than a ring holds', bits, (c) => {
      begin(c).set(RCX, 1400);
      const start = c.here;
      out(turn(c), 2);
      c.raw(0xe2, (start - (c.here + 2)) & 0xff);
      told(c);
    }),
    cell(FAMILY, 'more memory than a ring holds', bits, (c) => {
      begin(c).set(RCX, 1400);
      const start = c.here;
      turn(c).memory([STORE], RAX, FIRST_DEVICE + 0x20, 2);
      c.raw(0xe2, (start - (c.here + 2)) & 0xff);
    }),
  ]);
}
