// SPDX-License-Identifier: GPL-2.0-only
// What a guest says about its own results: where one is not as it has to be, it writes to a port that no device has.
import {
  answerTo,
  type CellExtras,
  DEVICES_END,
  ECHO,
  FIRST_DEVICE,
  pattern,
  SECOND_DEVICE,
} from './cell.ts';
import type { Code, Width } from './code.ts';

const NOBODY = 0xee;
const EAX = 0;
const EDX = 2;

/** Adds a cell in one width of code. */
export type Add = (name: string, body: (c: Code) => void, more?: CellExtras) => void;

// je over; out NOBODY, al; over:
function orTell(c: Code): Code {
  return c.raw(0x74, 2, 0xe6, NOBODY);
}

/** Little-endian bytes as one number; the first four of them. */
export function number(bytes: readonly number[]): number {
  return bytes.slice(0, 4).reduceRight((sum, byte) => sum * 256 + byte, 0) >>> 0;
}
/** The low `size` bytes of a number. */
export function bytesOf(value: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => (i < 4 ? (value >>> (8 * i)) & 255 : 0));
}

/** Tells unless the register holds `value`. */
export function wantReg(c: Code, reg: number, value: number): Code {
  c.wide(4).raw(0x81, 0xf8 + reg);
  return orTell(c.imm32(value));
}
/** Tells unless memory holds these bytes. */
export function wantMemory(c: Code, at: number, bytes: readonly number[]): Code {
  if (bytes.length === 8) {
    wantMemory(c, at, bytes.slice(0, 4));
    return wantMemory(c, at + 4, bytes.slice(4));
  }
  const size = bytes.length as 1 | 2 | 4;
  c.memory([size === 1 ? 0x80 : 0x81], 7, at, size);
  return orTell(c.raw(...bytes));
}
/** Tells unless carry is as told; clears EDX. */
export function wantCarry(c: Code, carry: 0 | 1): Code {
  c.set(EDX, 0).wide(4).raw(0x11, 0xd2);
  return wantReg(c, EDX, carry);
}
/** Tells unless the arithmetic flags are these. */
export function wantFlags(c: Code, flags: number): Code {
  c.wide(4).raw(0x9c).wide(4).raw(0x58).wide(4).raw(0x25).imm32(0x8d5);
  return wantReg(c, EAX, flags);
}
/** Tells unless `body` takes so many instructions, by the time-stamp counter. Uses EAX, EDX, EBP. */
export function wantCount(c: Code, instructions: number, body: (c: Code) => void): Code {
  c.raw(0x0f, 0x31).wide(4).raw(0x89, 0xc5);
  body(c);
  // rdtsc; sub eax, ebp: the first RDTSC and the MOV behind it count, too
  c.raw(0x0f, 0x31).wide(4).raw(0x29, 0xe8);
  return wantReg(c, EAX, instructions + 2);
}

/** A part of an operand: in RAM, or in a device that is asked for the n-th time. */
interface Part {
  readonly size: number;
  readonly at: number;
  readonly device?: number;
  readonly n?: number;
}
export interface Place {
  readonly name: string;
  readonly at: number;
  readonly parts: readonly Part[];
}

/** The places of an operand of `size` bytes. */
export function places(size: Width): Place[] {
  const half = size >> 1;
  const place = (name: string, ...parts: Part[]): Place => ({
    name,
    at: (parts[0] as Part).at,
    parts,
  });
  const first = { device: FIRST_DEVICE, n: 0 };
  const second = { device: SECOND_DEVICE, n: 0 };
  const aligned = place('aligned', { ...first, size, at: FIRST_DEVICE + 0x10 });
  if (size === 1) return [aligned];
  const page = FIRST_DEVICE + 0x1000;
  const part = (at: number): Part => ({ size: half, at });
  return [
    aligned,
    place('crossing a page', { ...first, ...part(page - half) }, { ...first, ...part(page), n: 1 }),
    place('from RAM into a device', part(FIRST_DEVICE - half), { ...first, ...part(FIRST_DEVICE) }),
    place('from a device into RAM', { ...second, ...part(DEVICES_END - half) }, part(DEVICES_END)),
    place(
      'over two devices',
      { ...first, ...part(SECOND_DEVICE - half) },
      { ...second, ...part(SECOND_DEVICE) },
    ),
  ];
}

/** What is read at a place. */
export function operand({ parts }: Place): number[] {
  return parts.flatMap(({ size, at, n }) => {
    if (n === undefined) return Array.from({ length: size }, (_, i) => pattern(at + i));
    const high = (0x8899aabb + n * 0x01010101) >>> 0;
    return [...bytesOf(answerTo(n), Math.min(size, 4)), ...bytesOf(high, Math.max(size - 4, 0))];
  });
}

/** Tells unless these bytes have arrived: in RAM, and at the devices, once each. */
export function wantStored(c: Code, { parts }: Place, bytes: readonly number[]): void {
  let from = 0;
  for (const [i, { size, at, device }] of parts.entries()) {
    const part = bytes.slice(from, from + size);
    from += size;
    if (device === undefined) wantMemory(c, at, part);
    // A device that is written to twice shows the second one.
    else if (parts[i + 1]?.device !== device) {
      const padded = (b: readonly number[]): number[] => bytesOf(number(b), 4);
      wantMemory(c, device + ECHO, padded(part));
      wantMemory(c, device + ECHO + 4, padded(part.slice(4)));
      const writes = parts.filter((other) => other.device === device).length;
      wantMemory(c, device + ECHO + 8, bytesOf(writes, 4));
    }
  }
}
