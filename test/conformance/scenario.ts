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

/** What was read is no recording: the message says where and what was expected. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isOperation(value: unknown): boolean {
  if (!isObject(value) || typeof value.op !== 'string') return false;
  const { inject } = value;
  if (inject === undefined) return true;
  return Array.isArray(inject) && inject.every((one) => isObject(one) && isOperations(one.do));
}

function isOperations(value: unknown): value is Operation[] {
  return Array.isArray(value) && value.every(isOperation);
}

/** What is wrong with the shape of a scenario, or null. */
function shapeProblem(value: unknown): string | null {
  if (!isObject(value)) return 'no JSON object';
  const { variant, ops, trace } = value;
  if (variant !== 'pre' && variant !== 'post') return '"variant" is neither "pre" nor "post"';
  if (!isOperations(ops)) return '"ops" is no list of operations';
  if (ops[0]?.op !== 'config') return 'the first operation is not "config"';
  if (!Array.isArray(trace) || !trace.every(isObject)) return '"trace" is no list of entries';
  if (trace.length !== ops.length) {
    return `${ops.length} operations, but ${trace.length} trace entries`;
  }
  return null;
}

/**
 * The scenarios of a JSON Lines text; empty lines are skipped.
 * @throws ScenarioError naming the first line that holds none
 */
export function parseScenarios(text: string): Scenario[] {
  const scenarios: Scenario[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw new ScenarioError(`line ${index + 1}: no JSON`);
    }
    const problem = shapeProblem(value);
    if (problem !== null) throw new ScenarioError(`line ${index + 1}: ${problem}`);
    scenarios.push(value as Scenario);
  }
  return scenarios;
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
  const number = Number(value);
  if (Number.isNaN(number)) throw new ScenarioError(`${JSON.stringify(value)} is no number`);
  return number;
}

/** A 64-bit argument. */
export function big(value: Json | undefined): bigint {
  if (value === undefined || value === null) return 0n;
  try {
    return BigInt(value as string | number);
  } catch {
    throw new ScenarioError(`${JSON.stringify(value)} is no number`);
  }
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
