// SPDX-License-Identifier: GPL-2.0-only
// Guest programs in tests: machine code in hexadecimal with its assembly text beside it.

/** Code for 16-bit segments. @param hex - what an assembler makes of `text`; the text is for the reader */
export function asm16(hex: string, text: string): Uint8Array {
  if (hex === '' || text === '') throw new Error(`no code or no assembly text: '${hex}' ${text}`);
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

/** Code for 32-bit segments. */
export const asm32: typeof asm16 = asm16;

/** The same text assembled for 16-bit and for 32-bit segments. */
export interface CodeForBoth {
  text: string;
  16: Uint8Array;
  32: Uint8Array;
}

/** One text, two machine codes. @param hex16 - for 16-bit segments; @param hex32 - for 32-bit segments */
export function both(hex16: string, hex32: string, text: string): CodeForBoth {
  return { text, 16: asm16(hex16, text), 32: asm32(hex32, text) };
}

/** Pieces of code behind each other. */
export function join(...pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]));
}
