// SPDX-License-Identifier: GPL-2.0-only
// The recorded scenarios: their shape, reading them, which group one belongs to.

/** Quantities are hexadecimal strings or numbers; nested objects occur in `inject`. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface Injection {
  at: string;
  nth: number;
  do: Operation[];
}

/** One operation; arguments are read through `Args`. */
export type Operation = JsonObject & { op: string };

/** The observation after one operation. */
export interface TraceEntry {
  ret?: Json;
  state?: JsonObject;
  delta?: JsonObject;
  events?: JsonObject[];
  mem?: { gpa: string; hex: string }[];
  [key: string]: unknown;
}

export interface Scenario {
  seed: number;
  variant: 'pre' | 'post';
  family: string;
  synthetic: boolean;
  differs: boolean;
  ops: Operation[];
  trace: TraceEntry[];
}

/** The scenarios of a JSON Lines text; empty lines are skipped. */
export function parseScenarios(text: string): Scenario[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as Scenario);
}

/** What every `exit` of a scenario's instructions is, injected operations included. */
export function exitsOf(ops: readonly Operation[]): Set<string> {
  const exits = new Set<string>();
  for (const op of ops) {
    if (typeof op.exit === 'string') exits.add(op.exit);
    for (const injection of injectionsOf(op)) {
      for (const exit of exitsOf(injection.do)) exits.add(exit);
    }
  }
  return exits;
}

export function injectionsOf(op: Operation): Injection[] {
  return Array.isArray(op.inject) ? (op.inject as unknown as Injection[]) : [];
}

/** Group A needs no instruction emulation; group B does. */
export function groupOf(scenario: Scenario): 'A' | 'B' {
  for (const exit of exitsOf(scenario.ops)) if (exit !== 'none' && exit !== 'pio') return 'B';
  return 'A';
}

/** A number argument, written either way; `otherwise` if absent. */
export function num(value: Json | undefined, otherwise = 0): number {
  if (value === undefined || value === null) return otherwise;
  return Number(value);
}

/** A 64-bit argument. */
export function big(value: Json | undefined): bigint {
  return value === undefined || value === null ? 0n : BigInt(value as string | number);
}

export function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}

/** Two unsigned 32-bit halves as the data write them. */
export function hex64(low: number, high: number): string {
  return hex((BigInt(high) << 32n) | BigInt(low));
}

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
