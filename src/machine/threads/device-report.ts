// SPDX-License-Identifier: GPL-2.0-only
// What a device model's thread says in messages, read by somebody who does not trust it.
import type { DeviceWitness } from '../../dm/device.ts';
import type { ServerState } from '../../dm/server.ts';
import type { Witness } from '../../ledger/events.ts';

/** What such a thread says. */
export type DeviceWorkerMessage =
  | { what: 'output'; bytes: Uint8Array }
  | DeviceReport
  /** Of device models in other processes: a command runs; why it is dead; a state was refused. */
  | { what: 'started'; pid: number }
  | { what: 'death'; why: string }
  | { what: 'refused'; why: string };

export interface DeviceReport {
  what: 'report';
  /** By vCPU: what each device counted of its accesses, `name@range`. */
  witnesses: readonly Record<string, Witness>[];
  /** What each testifies. */
  testimonies: Record<string, DeviceWitness>;
  state: ServerState;
}

type Plain = Record<string, unknown>;

function isPlain(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function witnessOf(value: unknown): Witness | null {
  if (!isPlain(value) || !isCount(value.reads) || !isCount(value.writes)) return null;
  return { reads: value.reads, writes: value.writes };
}

function testimonyOf(value: unknown): DeviceWitness | null {
  if (!isPlain(value)) return null;
  const sound = Object.values(value).every((v) =>
    ['number', 'string', 'boolean'].includes(typeof v),
  );
  return sound ? (value as DeviceWitness) : null;
}

/** Of `names`, those that `value` has something sound to say of. */
function pick<T>(
  value: unknown,
  names: readonly string[],
  read: (value: unknown) => T | null,
): Record<string, T> {
  const found: Record<string, T> = {};
  if (!isPlain(value)) return found;
  for (const name of names) {
    const one = Object.hasOwn(value, name) ? read(value[name]) : null;
    if (one !== null) found[name] = one;
  }
  return found;
}

/**
 * A message in its right form, or null for one that has none.
 * @param names - the thread's own devices, `name@range`: it speaks for no other
 */
export function readDeviceMessage(
  message: unknown,
  names: readonly string[],
  vcpus: number,
): DeviceWorkerMessage | null {
  if (!isPlain(message)) return null;
  if (message.what === 'output') {
    return message.bytes instanceof Uint8Array ? { what: 'output', bytes: message.bytes } : null;
  }
  const { pid, why } = message;
  if (message.what === 'started') return isCount(pid) && pid > 1 ? { what: 'started', pid } : null;
  if (message.what === 'death' || message.what === 'refused') {
    return typeof why === 'string' ? { what: message.what, why } : null;
  }
  const { witnesses, testimonies, state } = message;
  if (message.what !== 'report' || !Array.isArray(witnesses) || !isPlain(state)) return null;
  return {
    what: 'report',
    witnesses: witnesses.slice(0, vcpus).map((of: unknown) => pick(of, names, witnessOf)),
    testimonies: pick(testimonies, names, testimonyOf),
    state: state as unknown as ServerState,
  };
}
