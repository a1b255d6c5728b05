// SPDX-License-Identifier: GPL-2.0-only
// Limits of the stack in protected mode, of what is pushed and popped together: far calls, returns, IRET, interrupts.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EXIT_HLT, EXIT_SHUTDOWN, RBX, RSP, SEG_SS } from '../../src/cpu/backend.ts';
import { asm32 } from '../helpers/guest-code.ts';
import * as M from './machine.ts';
import { LIMIT, Narrow, SS, UP } from './narrow.ts';

let m: Narrow;
beforeAll(() => {
  m = new Narrow();
});
afterAll(() => m[Symbol.dispose]());

const caller = asm32('9a071000000800f4', 'call 8:next; next: hlt');
test.each([
  ['CALL, its second word', caller, 4],
  ['CALL', caller, LIMIT + 5],
  ['CALL through memory', asm32('ff1bf4', 'call far [ebx]; hlt'), 4],
  ['RET', asm32('cbf4', 'retf; hlt'), LIMIT - 6],
  ['IRET', asm32('cff4', 'iret; hlt'), LIMIT - 10],
])('%s beyond the limit: #SS', (_, code, esp) => {
  m.start(code, { [SEG_SS]: UP }, { [RSP]: esp, [RBX]: 0x4800 });
  m.ram.write(0x4800, 4, M.CODE);
  m.ram.write(0x4804, 2, M.CODE32);
  for (let at = LIMIT - 10; at < LIMIT + 8; at += 4) m.ram.write(at, 4, M.CODE32);
  m.raises(SS);
});
test('an interrupt that finds no room is #SS, and says that it is not the program', () => {
  m.start(asm32('90f4', 'nop; hlt'), { [SEG_SS]: UP }, { [RSP]: LIMIT + 5 });
  m.cpu.regs.rflags = 2 | M.IF;
  m.cpu.irq = 0x31;
  m.raises(SS, 1);
});
test.each([
  ['PUSH', asm32('50f4', 'push eax; hlt')],
  ['INT', asm32('cd30f4', 'int 0x30; hlt')],
])('%s: #SS finds no room either, nor does #DF, and that is the end', (_, code) => {
  m.start(code, { [SEG_SS]: UP }, { [RSP]: LIMIT + 5 });
  m.runTo(EXIT_SHUTDOWN);
});
test.each([
  ['CALL', caller, 8, 0],
  ['INT', asm32('cd30f4', 'int 0x30; hlt'), LIMIT + 1, LIMIT - 11],
])('%s that ends at the limit is made', (_, code, esp, after) => {
  m.start(code, { [SEG_SS]: UP }, { [RSP]: esp });
  if (after === 0) m.runTo(EXIT_HLT);
  else m.toHandler();
  expect(m.cpu.regs.gpr(RSP)).toBe(after);
  if (after !== 0) m.leaveHandler();
});
