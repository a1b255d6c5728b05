// SPDX-License-Identifier: GPL-2.0-only
// One piece of guest code as it ran here, and what a second CPU is asked about it.
import type { OracleAccess, OracleRange, OracleRequest, OracleResult } from './helper.ts';

/** What is compared of a run. */
export interface Run {
  readonly accesses: readonly OracleAccess[];
  /** Not at its end: why. */
  readonly stopped: string | null;
  /** EAX ECX EDX EBX ESP EBP ESI EDI EIP EFLAGS */
  readonly registers: readonly number[];
  /** All of it. */
  readonly ram: Uint8Array;
}

export interface Case {
  readonly name: string;
  readonly family: string;
  readonly bits: 16 | 32;
  readonly ours: Run;
  /** Devices as here. */
  readonly request: OracleRequest;
  /**
   * RAM that holds the answers in place of memory devices, and what `ours` leaves of all RAM. A reason instead if that is
   * another thing than what ran here.
   */
  readonly inRam: { readonly request: OracleRequest; readonly left: Uint8Array } | string;
}

/** What the n-th access of a stream is answered; reads only, or writes too, as the request says. */
export function answersOf(request: OracleRequest, accesses: readonly OracleAccess[]): bigint[] {
  const next = request.streams.map(() => 0);
  return accesses.map(({ read, at, space }) => {
    const range = rangeOf(request, space, at);
    const n = next[range.stream] ?? 0;
    if (read || request.writesCount) next[range.stream] = n + 1;
    const [low, high] = request.streams[range.stream]?.[n] ?? [0, 0];
    return read ? (BigInt(high) << 32n) | BigInt(low) : 0n;
  });
}

function rangeOf(request: OracleRequest, space: OracleRange['space'], at: number): OracleRange {
  const found = request.ranges.find((r) => r.space === space && at >= r.start && at <= r.end);
  if (found === undefined) throw new Error(`an access of ${space} 0x${at.toString(16)}`);
  return found;
}

/** The request with the answers in RAM, for a CPU that shows nothing but what is left. */
export function inRam(request: OracleRequest, ours: Run): Case['inRam'] {
  if (ours.accesses.some(({ space }) => space === 'pio')) return 'has port accesses';
  if (request.interrupt !== null) return 'has an interrupt';
  const ram = request.ram.slice();
  const left = ours.ram.slice();
  const devices = request.ranges.filter(({ space }) => space === 'mmio');
  for (const { start, end } of devices) {
    ram.fill(0, start, end + 1);
    left.fill(0, start, end + 1);
  }
  const known = new Set<number>();
  const answers = answersOf(request, ours.accesses);
  for (const [n, { read, size, at, data }] of ours.accesses.entries()) {
    const value = read ? (answers[n] ?? 0n) : data;
    for (let i = 0; i < size; i++) {
      const byte = Number((value >> BigInt(8 * i)) & 0xffn);
      const gpa = at + i;
      if (read && !known.has(gpa)) ram[gpa] = byte;
      else if (read && left[gpa] !== byte) return 'reads two values at one address';
      left[gpa] = byte;
      known.add(gpa);
    }
  }
  const ranges = devices.map((range) => ({ ...range, stream: 0 }));
  return { request: { ...request, ranges, streams: [[]], ram }, left };
}

/** The pages of memory devices in the order in which accesses touch them first. */
export function pagesOf(addresses: readonly number[]): number[] {
  return [...new Set(addresses.map((at) => Math.floor(at / 4096)))];
}

/** What a second CPU made of a request, in the form of a run here. */
export function theirRun(request: OracleRequest, result: OracleResult): Run {
  const ram = request.ram.slice();
  for (const [gpa, value] of result.changed) ram[gpa] = value;
  return { ...result, ram };
}

/** `r4@8010`, `w2@p1234=abcd`: direction, bytes, address (p: port), data written. */
export function accessText({ read, size, space, at, data }: OracleAccess): string {
  const place = `${read ? 'r' : 'w'}${size}@${space === 'pio' ? 'p' : ''}${at.toString(16)}`;
  return read ? place : `${place}=${data.toString(16)}`;
}

/** Compares RAM, not where memory devices are, nor at the addresses `except`. */
export function sameBytes(
  ours: Uint8Array,
  theirs: Uint8Array,
  { ranges }: OracleRequest,
  except: readonly number[] = [],
): boolean {
  return firstByte(ours, theirs, ranges, except) === -1;
}

/** Where the first byte differs, or -1. */
export function firstByte(
  ours: Uint8Array,
  theirs: Uint8Array,
  ranges: readonly OracleRange[],
  except: readonly number[] = [],
): number {
  const devices = ranges.filter(({ space }) => space === 'mmio');
  return ours.findIndex(
    (byte, gpa) =>
      byte !== theirs[gpa] &&
      !except.includes(gpa) &&
      !devices.some(({ start, end }) => gpa >= start && gpa <= end),
  );
}
