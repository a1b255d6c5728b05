// SPDX-License-Identifier: GPL-2.0-only
// What kind of instruction stands at RIP, as far as Xen's validation hooks ask: port I/O, memory operand.
// Opcode facts from the processor manuals' opcode maps.

/** IN, OUT, INS, OUTS. */
export const INSN_PORTIO = 1;
/** Has a memory operand, implicit ones included. */
export const INSN_MEM_ACCESS = 2;

const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);

/** One-byte opcodes with a ModRM byte: a memory operand if mod is not 3. */
function hasModrm(op: number): boolean {
  if (op < 0x40) return (op & 7) < 4;
  return (
    op === 0x62 ||
    op === 0x63 ||
    op === 0x69 ||
    op === 0x6b ||
    (op >= 0x80 && op <= 0x8f && op !== 0x8d) ||
    op === 0xc0 ||
    op === 0xc1 ||
    (op >= 0xc4 && op <= 0xc7) ||
    (op >= 0xd0 && op <= 0xd3) ||
    (op >= 0xd8 && op <= 0xdf) ||
    op === 0xf6 ||
    op === 0xf7 ||
    op === 0xfe ||
    op === 0xff
  );
}

/**
 * One-byte opcodes that always touch memory: stack, strings, moffs, XLAT, far transfers. Interrupts
 * and IRET are none of them, as in Xen.
 */
function alwaysMemory(op: number): boolean {
  return (
    (op < 0x40 && ((op & 7) === 6 || (op & 7) === 7) && op < 0x20) ||
    (op >= 0x50 && op <= 0x61) ||
    op === 0x68 ||
    op === 0x6a ||
    op === 0x8f ||
    (op >= 0x6c && op <= 0x6f) ||
    op === 0x9a ||
    op === 0x9c ||
    op === 0x9d ||
    (op >= 0xa0 && op <= 0xa7) ||
    (op >= 0xaa && op <= 0xaf) ||
    op === 0xc2 ||
    op === 0xc3 ||
    op === 0xc8 ||
    op === 0xc9 ||
    op === 0xca ||
    op === 0xcb ||
    op === 0xd7 ||
    op === 0xe8
  );
}

/** Two-byte opcodes whose ModRM names no memory that is accessed, or that have none. */
function twoByteWithoutMemory(op: number): boolean {
  return (
    (op >= 0x02 && op <= 0x0b && op !== 0x02 && op !== 0x03) ||
    op === 0x0d ||
    (op >= 0x18 && op <= 0x1f) ||
    (op >= 0x20 && op <= 0x26) ||
    (op >= 0x30 && op <= 0x37) ||
    op === 0x77 ||
    (op >= 0x80 && op <= 0x8f) ||
    op === 0xa2 ||
    op === 0xaa ||
    op === 0xb9 ||
    (op >= 0xc8 && op <= 0xcf) ||
    op === 0xff
  );
}

/**
 * A set of INSN_PORTIO and INSN_MEM_ACCESS.
 * @param byteAt - the instruction's bytes by offset; -1 where there is no memory
 */
export function classifyInsn(byteAt: (offset: number) => number): number {
  let at = 0;
  let op = byteAt(at);
  while (PREFIXES.has(op) && at < 14) op = byteAt(++at);
  if (op < 0) return 0;
  const memoryOperand = (): boolean => {
    const modrm = byteAt(at + 1);
    return modrm >= 0 && modrm < 0xc0;
  };
  if (op >= 0x6c && op <= 0x6f) return INSN_PORTIO | INSN_MEM_ACCESS;
  if ((op >= 0xe4 && op <= 0xe7) || (op >= 0xec && op <= 0xef)) return INSN_PORTIO;
  if (op === 0x0f) {
    op = byteAt(++at);
    if (op < 0) return 0;
    if (op === 0xa0 || op === 0xa1 || op === 0xa8 || op === 0xa9) return INSN_MEM_ACCESS;
    // MASKMOVQ and MASKMOVDQU store by an implicit address.
    if (op === 0xf7) return INSN_MEM_ACCESS;
    if (op === 0x01) {
      // Group 7: INVLPG takes an address and accesses nothing.
      return memoryOperand() && ((byteAt(at + 1) >> 3) & 7) !== 7 ? INSN_MEM_ACCESS : 0;
    }
    if (op === 0xae) {
      // Group 15: CLFLUSH and CLWB likewise.
      const group = (byteAt(at + 1) >> 3) & 7;
      return memoryOperand() && group < 6 ? INSN_MEM_ACCESS : 0;
    }
    return !twoByteWithoutMemory(op) && memoryOperand() ? INSN_MEM_ACCESS : 0;
  }
  if (alwaysMemory(op)) return INSN_MEM_ACCESS;
  // CALL and PUSH of a register use the stack.
  if (op === 0xff && [2, 6].includes((byteAt(at + 1) >> 3) & 7)) return INSN_MEM_ACCESS;
  return hasModrm(op) && memoryOperand() ? INSN_MEM_ACCESS : 0;
}

/**
 * Whether #UD is what the instruction is there to raise, or its LOCK prefix does: UD0, UD1, UD2.
 * @param byteAt - as for `classifyInsn`
 */
export function raisesInvalidOpcode(byteAt: (offset: number) => number): boolean {
  let at = 0;
  let op = byteAt(at);
  for (; PREFIXES.has(op) && at < 14; op = byteAt(++at)) if (op === 0xf0) return true;
  const second = byteAt(at + 1);
  return op === 0x0f && (second === 0x0b || second === 0xb9 || second === 0xff);
}

/**
 * CMPXCHG or CMPXCHG8B with a memory operand.
 * @param byteAt - as for `classifyInsn`
 */
export function isCompareExchange(byteAt: (offset: number) => number): boolean {
  let at = 0;
  while (PREFIXES.has(byteAt(at)) && at < 14) at++;
  if (byteAt(at) !== 0x0f) return false;
  const op = byteAt(at + 1);
  return op === 0xb0 || op === 0xb1 || (op === 0xc7 && ((byteAt(at + 2) >> 3) & 7) === 1);
}
