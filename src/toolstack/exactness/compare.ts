// SPDX-License-Identifier: GPL-2.0-only
// Where the end of a disturbed run differs from that of the undisturbed one.
import type { Outcome } from './trial.ts';

/** Bytes in front of a saved CPU state: version, count, checksum. */
const STATE_HEADER = 40;

/** Field, expected, got. */
export type Difference = readonly [field: string, expected: string, got: string];

/** The first field in which two outcomes differ. */
export function differs(found: Outcome, wanted: Outcome): Difference | null {
  if (!found.stopped) return ['stop', 'reached', 'never reached'];
  for (const violation of found.violations) return ['ledger', 'no violation', violation];
  const length = Math.max(found.accesses.length, wanted.accesses.length);
  for (let i = 0; i < length; i++) {
    const [a, b] = [wanted.accesses[i] ?? 'none', found.accesses[i] ?? 'none'];
    if (a !== b) return [`access ${i}`, a, b];
  }
  for (const [field, value] of Object.entries(wanted.fields)) {
    if (found.fields[field] !== value) return [field, text(value), text(found.fields[field])];
  }
  return (
    bytesDiffer('RAM', found.ram, wanted.ram) ??
    // What differs is behind the checksum that differs, too.
    bytesDiffer('CPU state', found.cpu, wanted.cpu, STATE_HEADER) ??
    bytesDiffer('CPU state', found.cpu, wanted.cpu, 0)
  );
}

function text(value: string | number | undefined): string {
  return typeof value === 'number' ? `0x${value.toString(16)}` : (value ?? 'none');
}

function bytesDiffer(
  what: string,
  found: Uint8Array,
  wanted: Uint8Array,
  from = 0,
): Difference | null {
  const [a, b] = [found.subarray(from), wanted.subarray(from)];
  if (a.length === b.length && Buffer.compare(a, b) === 0) return null;
  const at = wanted.findIndex((byte, i) => i >= from && found[i] !== byte);
  return [`${what} at 0x${at.toString(16)}`, text(wanted[at]), text(found[at])];
}
