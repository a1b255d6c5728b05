// SPDX-License-Identifier: GPL-2.0-only
// What the author of a device says about it, so that it can be checked: all of it may be left out.

import type { DeviceState, DeviceWitness, IoSize } from '../dm/device.ts';
import type { DeviceFactory } from '../dm/factory.ts';
import { parseIoRange, rangeLength } from '../dm/range.ts';
import { HvmError } from '../util/errors.ts';
import { parseScript, type Script, type Step } from './step.ts';

/** A register that a guest can read back. */
export interface RegisterRule {
  readonly name: string;
  /** Bytes from the start of the range. */
  readonly offset: number;
  readonly size: 1 | 2 | 4;
  /** What it reads after power-on. */
  readonly reset: number;
  /** Bits that read back as they were written; others keep what they read before. Default: none. */
  readonly writable?: number;
  /** Steps that make it visible, such as `w1@3=0x80`; run before each look at it. */
  readonly after?: string;
}

/** Something the data sheet says, as accesses and what has to be seen: `w1@0=0x41 out=0x41 r1@5=0x60`. */
export interface Example {
  readonly name: string;
  /**
   * Accesses `w<size>@<offset>=<value>` and `r<size>@<offset>=<answer>`; `in=<byte>` arrives, `t=<ns>` pass; behind
   * an access `out=<byte>` and `end=<verdict>`, all of them and in order, and `irq<line>=<0 or 1>` as it is then.
   */
  readonly steps: string;
  /** What it starts from, as `save()` gives it. Default: the state after power-on. */
  readonly state?: DeviceState;
  /** What `witness()` says at the end; facts that are not named may be anything. */
  readonly witness?: DeviceWitness;
}

/** What is true of a device besides what is true of all. */
export interface DeviceRules {
  /**
   * Offsets at which a read changes what is seen later, or shows something outside. A count that only `save()` and
   * `witness()` show is none. Where effects are declared they have to show. Default: `'none'`.
   */
  readonly readEffects?: 'all' | 'none' | readonly number[];
  /**
   * `'bytes'`: a wider access is byte accesses to neighbouring offsets, lowest first, as on the ISA bus.
   * `'low-bits'`: a read answers the low bits of what a wider one there answers. Default: nothing is said.
   */
  readonly widths?: 'bytes' | 'low-bits';
  /** The same registers are found again every so many bytes. Default: nothing is said. */
  readonly mirrorBytes?: number;
  /** `'runs'`: after power-on, time alone changes what is seen. Default: `'still'`. */
  readonly idle?: 'still' | 'runs';
  readonly registers?: readonly RegisterRule[];
  readonly examples?: readonly Example[];
  /** Length of its state as JSON that is no cause for suspicion, in bytes. Default: 1024. */
  readonly maxStateBytes?: number;
}

/** Rules with their texts read, and the device's size. */
export interface Subject {
  readonly factory: DeviceFactory;
  readonly rules: DeviceRules;
  /** Length of the range, in bytes. */
  readonly rangeBytes: number;
  /** Of accesses that can reach it. */
  readonly sizes: readonly IoSize[];
  readonly registers: readonly { readonly rule: RegisterRule; readonly after: readonly Step[] }[];
  readonly examples: readonly { readonly example: Example; readonly script: Script }[];
}

const ALL_SIZES: readonly IoSize[] = [1, 2, 4, 8];

/** @throws HvmError HVM_USAGE, HVM_RANGE for rules that cannot be */
export function subjectOf(
  factory: DeviceFactory,
  rules: DeviceRules,
  rangeBytes: number | undefined,
): Subject {
  const forms = [factory.defaultRange, factory.defaultMmioRange ?? factory.defaultRange].map(
    (text) => parseIoRange(text, () => 1),
  );
  const bytes = rangeBytes ?? Math.max(...forms.map(rangeLength));
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new HvmError('HVM_USAGE', `a range of ${bytes} bytes: expected at least 1`);
  }
  const inMemory = forms.some(({ space }) => space === 'mmio');
  for (const { name, offset, size } of rules.registers ?? []) {
    if (offset >= 0 && offset + size <= bytes) continue;
    throw new HvmError(
      'HVM_USAGE',
      `register '${name}' at offset ${offset} is not inside the range of ${bytes} bytes`,
    );
  }
  return {
    factory,
    rules,
    rangeBytes: bytes,
    // A port access has 4 bytes at most.
    sizes: ALL_SIZES.filter((size) => size <= bytes && (size < 8 || inMemory)),
    registers: (rules.registers ?? []).map((rule) => ({
      rule,
      after: parseScript(rule.after ?? ''),
    })),
    examples: (rules.examples ?? []).map((example) => ({
      example,
      script: parseScript(example.steps),
    })),
  };
}

/** Whether reading there is declared to change something. */
export function hasReadEffects(rules: DeviceRules, offset: number, size: number): boolean {
  const { readEffects = 'none' } = rules;
  if (typeof readEffects === 'string') return readEffects === 'all';
  return readEffects.some((at) => at >= offset && at < offset + size);
}
