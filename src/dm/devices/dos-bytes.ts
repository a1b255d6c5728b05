// SPDX-License-Identifier: GPL-2.0-only
// The bytes of a request to the host's folder, and of an answer.

import type { DosEntry } from './dos-entry.ts';
import type { DosTime } from './dos-time.ts';

/** A little-endian number; what the request has not counts as 0. */
export function field(request: Buffer, at: number, bytes: number): number {
  let value = 0;
  for (let i = bytes - 1; i >= 0; i--) value = value * 256 + (request[at + i] ?? 0);
  return value;
}

export const timeOf = (request: Buffer, at: number): DosTime => ({
  time: field(request, at, 2),
  date: field(request, at + 2, 2),
});

export function dword(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(Math.min(value, 0xffffffff));
  return bytes;
}

export function text(request: Buffer, at = 0): string {
  const end = request.indexOf(0, at);
  return request.toString('latin1', at, end < 0 ? request.length : end);
}

/** Attribute, time, date, size, name: the second half of a DTA. */
export function entryBytes(entry: DosEntry): Buffer {
  const bytes = Buffer.alloc(22);
  bytes[0] = entry.attributes;
  bytes.writeUInt16LE(entry.time, 1);
  bytes.writeUInt16LE(entry.date, 3);
  dword(entry.bytes).copy(bytes, 5);
  bytes.write(entry.name, 9, 12, 'latin1');
  return bytes;
}
