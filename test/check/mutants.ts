// SPDX-License-Identifier: GPL-2.0-only
// Faults of device models, each a change in one source file of a device.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { DeviceFactory } from '../../src/dm/factory.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DM = join(ROOT, 'src', 'dm');

export interface Mutant {
  /** What is wrong. */
  readonly name: string;
  /** Below src/dm/devices/. */
  readonly file: string;
  /** The changed source. @throws Error when it does not fit any more */
  apply(source: string): string;
}

/** A replacement of one text that occurs once. */
function edit(name: string, file: string, find: string, replace: string): Mutant {
  return {
    name: `${file}: ${name}`,
    file,
    apply(source) {
      const parts = source.split(find);
      if (parts.length !== 2)
        throw new Error(`${name}: '${find}' is ${parts.length - 1} times in ${file}`);
      return parts.join(replace);
    },
  };
}

/** Members added to a device's class, before its read(). */
function add(name: string, file: string, members: string): Mutant {
  return {
    name: `${file}: ${name}`,
    file,
    apply: (source) => source.replace(/^ {2}read\(/m, () => `  ${members}\n\n  read(`),
  };
}

/** Faults as people make them, most of them about what a checkpoint needs. */
export const BY_HAND: readonly Mutant[] = [
  add(
    'save() gives its own state away',
    'counter.ts',
    'override save() { return this.state as never; }',
  ),
  add(
    'save() copies one level',
    'serial.ts',
    'override save() { return { ...this.state } as never; }',
  ),
  add(
    'save() forgets a field',
    'rmw.ts',
    'override save() { const { open: _, ...rest } = super.save(); return rest; }',
  ),
  add('save() counts', 'blank.ts', 'override save() { this.state.reads++; return super.save(); }'),
  add(
    'save() empties the receiver',
    'serial.ts',
    'override save() { const all = super.save(); this.state.received = []; return all; }',
  ),
  add(
    'save() turns a count into text',
    'counter.ts',
    'override save() { return { ...super.save(), writes: String(this.state.writes) }; }',
  ),
  add(
    'restore() keeps what it is given',
    'sequence.ts',
    'override restore(saved: never) { super.restore(saved); this.state = saved; }',
  ),
  add(
    'restore() takes anything',
    'counter.ts',
    'override restore(saved: never) { this.state = structuredClone(saved); }',
  ),
  add(
    'restore() adds up',
    'sequence.ts',
    'override restore(saved: never) { const { writes } = this.state; super.restore(saved); this.state.writes += writes; }',
  ),
  add(
    'restore() keeps a flag of the past',
    'rmw.ts',
    'override restore(saved: never) { const { open } = this.state; super.restore(saved); this.state.open ||= open; }',
  ),
  add(
    'restore() works before it refuses',
    'verdict.ts',
    'override restore(saved: never) { this.state.last = 0; super.restore(saved); }',
  ),
  add(
    'restore() refuses with an error of its own',
    'blank.ts',
    "override restore(saved: never) { try { super.restore(saved); } catch { throw new Error('no'); } }",
  ),
  add(
    'restore() gives the verdict again',
    'verdict.ts',
    "override restore(saved: never) { super.restore(saved); if (this.state.reports > 0) this.#context.endGuest('success'); }",
  ),
  edit(
    'witness() counts',
    'counter.ts',
    'const { low, high, writes } = this.state;',
    'const { low, high } = this.state; const writes = ++this.state.writes;',
  ),
  add(
    'reset() forgets a count',
    'counter.ts',
    'override reset() { const { writes } = this.state; super.reset(); this.state.writes = writes; }',
  ),
  add('reset() does nothing', 'verdict.ts', 'override reset() {}'),
  add(
    'reset() goes back to the last restore',
    'rmw.ts',
    '#kept: unknown = null; override restore(saved: never) { super.restore(saved); this.#kept = structuredClone(saved); } override reset() { super.reset(); if (this.#kept !== null) this.state = structuredClone(this.#kept) as never; }',
  ),
  add(
    'reset() shows a message',
    'debugcon.ts',
    'override reset() { super.reset(); this.#context.output(0x0a); }',
  ),
  edit(
    'reset() leaves the line high',
    'serial.ts',
    'super.reset();\n    this.#updateLine();',
    'super.reset();',
  ),
  edit(
    'restore() leaves the line as it was',
    'serial.ts',
    'super.restore(...args);\n    this.#updateLine();',
    'super.restore(...args);',
  ),
  edit('takes input asleep', 'serial.ts', 'if (this.asleep || ', 'if ('),
  edit(
    'never wakes up',
    'serial.ts',
    'super.wake();\n    this.#updateLine();',
    'this.#updateLine();',
  ),
  add(
    'sleep() empties the receiver',
    'serial.ts',
    'override sleep() { super.sleep(); this.state.received = []; }',
  ),
  edit(
    'the count is shared by all devices',
    'counter.ts',
    'const state = this.state;\n    const low = (state.low + 1) >>> 0;',
    'const state = this.state;\n    const all = globalThis as unknown as { served?: number }; all.served = (all.served ?? 0) + 1;\n    const low = all.served >>> 0;',
  ),
  edit(
    'answers by chance',
    'blank.ts',
    'this.state.reads++;\n    return 0;',
    'this.state.reads++;\n    return Math.floor(Math.random() * 16);',
  ),
  edit(
    'looks at the clock of the host',
    'debugcon.ts',
    'return PRESENT;',
    'return Number(process.hrtime.bigint() & 0xffn);',
  ),
  edit(
    'answers nothing at an odd offset',
    'blank.ts',
    'this.state.reads++;\n    return 0;',
    'this.state.reads++;\n    return (offset & 1) === 1 ? (undefined as never) : 0;',
  ),
  edit(
    'throws for eight bytes',
    'debugcon.ts',
    'for (let i = 0',
    "if (size === 8) throw new RangeError('8');\n    for (let i = 0",
  ),
  edit(
    'throws at the end of its range',
    'rmw.ts',
    'read(_offset: number, size: IoSize): number {',
    "read(offset: number, size: IoSize): number {\n    if (offset + size > 0xff0) throw new RangeError('end');",
  ),
  edit(
    'outputs more than a byte',
    'debugcon.ts',
    '(word >>> (8 * (i & 3))) & 0xff',
    'word >>> (8 * (i & 3))',
  ),
];

export function sourceOf(file: string): string {
  return readFileSync(join(DM, 'devices', file), 'utf8');
}

/** Devices out of changed sources, in a folder that goes away with it. */
export class Workshop implements Disposable {
  readonly #folder: string;
  #made = 0;

  constructor() {
    mkdirSync(join(ROOT, 'build'), { recursive: true });
    this.#folder = mkdtempSync(join(ROOT, 'build', 'device-mutants-'));
  }

  /** @throws what the changed source throws when it is loaded */
  async make({ file, apply }: Mutant): Promise<DeviceFactory> {
    const text = apply(sourceOf(file))
      .replaceAll("from '../../", `from '${join(ROOT, 'src')}/`)
      .replaceAll("from '../", `from '${DM}/`)
      .replaceAll("from './", `from '${join(DM, 'devices')}/`);
    const path = join(this.#folder, `${this.#made++}-${file}`);
    writeFileSync(path, text);
    const module = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
    const isFactory = (value: unknown): value is DeviceFactory =>
      typeof value === 'object' && value !== null && 'defaultRange' in value;
    const factory = Object.values(module).find(isFactory);
    if (factory === undefined) throw new Error(`${file} announces no device`);
    return factory;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
