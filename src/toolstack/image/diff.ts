// SPDX-License-Identifier: GPL-2.0-only
// What changed from one image to another, in the guest's terms: registers, memory ranges, device fields, the rest.
import { HVM_CPU } from '../../image/hvm-context.ts';
import { PAGE_BYTES } from '../../image/layout.ts';
import { registersOf } from './inspect.ts';
import type { LoadedImage } from './load.ts';

/** A field with its two values; null: it is not there. */
export interface Change {
  field: string;
  before: string | null;
  after: string | null;
}

export interface MemoryChange {
  /** First and last byte that differ, with at most a few equal ones between. */
  first: number;
  last: number;
  /** That differ. */
  bytes: number;
  /** The first bytes, hexadecimal. */
  before: string;
  after: string;
}

export interface ImageDiff {
  registers: Change[];
  memory: MemoryChange[];
  devices: Change[];
  /** Instruction count, timer, interrupts, what the machine is made of. */
  other: Change[];
  same: boolean;
}

/** Equal bytes between two differences that make them one range. */
const GAP = 16;
const SHOWN = 16;

export function diffImages(a: LoadedImage, b: LoadedImage): ImageDiff {
  const registers = changes(allRegisters(a), allRegisters(b));
  const devices = changes(deviceFields(a), deviceFields(b));
  const { servers: _a, ...restA } = a.state;
  const { servers: _b, ...restB } = b.state;
  const other = changes(flat(restA), flat(restB));
  const memory = memoryChanges(a, b);
  const same = [registers, devices, other, memory].every((list) => list.length === 0);
  return { registers, memory, devices, other, same };
}

/** Of every vCPU; those of vCPU 0 without a number. */
function allRegisters({ records }: LoadedImage): Record<string, string> {
  const named = records
    .filter((r) => r.code === HVM_CPU)
    .flatMap(({ instance, body }) =>
      Object.entries(registersOf(body)).map(([name, value]) => [
        instance === 0 ? name : `vcpu${instance}.${name}`,
        value,
      ]),
    );
  return Object.fromEntries(named) as Record<string, string>;
}

function deviceFields(image: LoadedImage): Record<string, string> {
  const all = image.state.servers.map((server) => flat(server.devices));
  return Object.assign({}, ...all) as Record<string, string>;
}

/** Leaves of a plain object by path. */
function flat(value: unknown, path = ''): Record<string, string> {
  const leaves = Array.isArray(value) && value.every((item) => typeof item !== 'object');
  if (typeof value !== 'object' || value === null || leaves) {
    return { [path]: JSON.stringify(value) ?? 'undefined' };
  }
  const parts = Object.entries(value).map(([key, part]) =>
    flat(part, path === '' ? key : `${path}.${key}`),
  );
  return Object.assign({}, ...parts) as Record<string, string>;
}

function changes(a: Record<string, string>, b: Record<string, string>): Change[] {
  const fields = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return fields
    .filter((field) => a[field] !== b[field])
    .map((field) => ({ field, before: a[field] ?? null, after: b[field] ?? null }));
}

function memoryChanges(a: LoadedImage, b: LoadedImage): MemoryChange[] {
  const found: MemoryChange[] = [];
  const pages = Math.max(a.state.guest.memoryBytes, b.state.guest.memoryBytes) / PAGE_BYTES;
  const nothing = new Uint8Array(PAGE_BYTES);
  for (let pfn = 0; pfn < pages; pfn++) {
    const [x, y] = [a.pages.get(pfn) ?? nothing, b.pages.get(pfn) ?? nothing];
    if (Buffer.compare(x, y) !== 0) pageChanges(x, y, pfn * PAGE_BYTES, found);
  }
  return found;
}

function pageChanges(x: Uint8Array, y: Uint8Array, base: number, found: MemoryChange[]): void {
  for (let i = 0; i < PAGE_BYTES; i++) {
    if (x[i] === y[i]) continue;
    const last = found.at(-1);
    const show = (bytes: Uint8Array): string => (bytes[i] ?? 0).toString(16).padStart(2, '0');
    if (last === undefined || base + i - last.last > GAP) {
      found.push({ first: base + i, last: base + i, bytes: 1, before: show(x), after: show(y) });
      continue;
    }
    // Equal bytes in between are shown, too: the text stays readable as memory.
    for (let k = Math.max(last.last + 1 - base, 0); k < i; k++) extend(last, x[k] ?? 0, y[k] ?? 0);
    extend(last, x[i] ?? 0, y[i] ?? 0);
    last.last = base + i;
    last.bytes++;
  }
}

function extend(change: MemoryChange, x: number, y: number): void {
  if (change.before.length >= 2 * SHOWN) return;
  change.before += x.toString(16).padStart(2, '0');
  change.after += y.toString(16).padStart(2, '0');
}
