// SPDX-License-Identifier: GPL-2.0-only
// Mutants made by rule that no access can tell from the device, each with the reason.

export const EQUIVALENT: readonly { readonly mutant: string; readonly why: string }[] = [
  {
    mutant: "becomes 'else if (ahead <= 0) state.outOfOrder++;'",
    why: '0 was taken care of in the line before',
  },
  { mutant: "becomes 'const IER_RDA = 0x11;'", why: 'IER keeps four bits' },
  { mutant: "becomes 'const IER_RLS = 0x14;'", why: 'IER keeps four bits' },
  { mutant: "becomes 'const IER_MS = 0x18;'", why: 'IER keeps four bits' },
  { mutant: "becomes 'const MSR_RI = 0x41;'", why: 'it is only applied to lines, bits 4 to 7' },
  { mutant: "becomes 'threPending: true,'", why: 'enabling the interrupt sets it anyway' },
  { mutant: 'i < size && i <= 4; i++', why: 'an access of a port has 4 bytes at most' },
  { mutant: 'offset + i <= 8', why: 'an access lies inside the range of 8 bytes' },
  {
    mutant: "serial.ts:122 'this.#updateLine();' becomes ''",
    why: 'asleep, nothing changes that the line depends on',
  },
  {
    mutant: "becomes 'state.fcr = (value | FCR_ENABLE) === 0 ? 0 : value & 0xc9;'",
    why: 'the trigger level is only looked at with bit 0 set',
  },
];
