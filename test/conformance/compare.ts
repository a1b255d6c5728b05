// SPDX-License-Identifier: GPL-2.0-only
// Comparing observations: JSON merge patches, the first difference, memory as bytes.
import type { Json, JsonObject, TraceEntry } from './scenario.ts';

/** One field in which Xen and this port differ. */
export interface Difference {
  field: string;
  xen: Json | undefined;
  ours: Json | undefined;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 7396: a new value, `patch` applied to `target`. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const merged: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], value);
  }
  return merged;
}

/** Every differing leaf below `field`; a key that only one side has is a difference. */
export function differences(
  xen: Json | undefined,
  ours: Json | undefined,
  field: string,
  into: Difference[] = [],
): Difference[] {
  if (isObject(xen) && isObject(ours)) {
    for (const key of new Set([...Object.keys(xen), ...Object.keys(ours)])) {
      differences(xen[key], ours[key], `${field}.${key}`, into);
    }
  } else if (Array.isArray(xen) && Array.isArray(ours)) {
    for (let i = 0; i < Math.max(xen.length, ours.length); i++) {
      differences(xen[i], ours[i], `${field}[${i}]`, into);
    }
  } else if (xen !== ours) into.push({ field, xen, ours });
  return into;
}

/** Changed memory by address. */
export function memoryMap(runs: TraceEntry['mem']): JsonObject {
  const bytes: JsonObject = {};
  for (const { gpa, hex } of runs ?? []) {
    for (let i = 0; i * 2 < hex.length; i++) {
      bytes[`0x${(Number(gpa) + i).toString(16)}`] = hex.slice(2 * i, 2 * i + 2);
    }
  }
  return bytes;
}

const NOT_RESULTS = new Set(['state', 'delta', 'events', 'mem']);

/** `ret` and the further result keys of an entry. */
export function resultsOf(entry: TraceEntry): JsonObject {
  return Object.fromEntries(
    Object.entries(entry).filter(([key]) => !NOT_RESULTS.has(key)),
  ) as JsonObject;
}
