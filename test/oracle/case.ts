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

/** Control words of x87 and SSE after power-on, by Intel's manual (volume 3, table of initial states). */
export const POWER_ON_FPU = { fcw: 0x40, mxcsr: 0x1f80 };

const ECHO_BYTES = 12;
/** Where there is no device. */
const ALL_ONES = 0xffffffffffffffffn;

/**
 * What each access is answered, by the devices' rules (as in native/oracle/question.h): the next of its stream, where
 * writes count, too, if the request says so; or what was written last, and how often.
 */
export function answersOf(request: OracleRequest, accesses: readonly OracleAccess[]): bigint[] {
  const states = request.streams.map(() => ({ next: 0, written: [0n, 0n, 0n] as bigint[] }));
  return accesses.map(({ read, at, space, data }) => {
    const range = request.ranges.find((r) => r.space === space && at >= r.start && at <= r.end);
    const state = states[range?.stream ?? -1];
    if (range === undefined || state === undefined) return read ? ALL_ONES : 0n;
    const echo = range.echo === undefined ? -1 : at - range.start - range.echo;
    if (read && echo >= 0 && echo < ECHO_BYTES) return state.written[echo >> 2] ?? 0n;
    const n = state.next;
    if (read || request.writesCount) state.next = n + 1;
    if (!read) {
      const times = ((state.written[2] ?? 0n) + 1n) & 0xffffffffn;
      state.written = [data & 0xffffffffn, data >> 32n, times];
      return 0n;
    }
    const [low, high] = request.streams[range.stream]?.[n] ?? [0xffffffff, 0xffffffff];
    return (BigInt(high) << 32n) | BigInt(low);
  });
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
