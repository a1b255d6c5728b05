// SPDX-License-Identifier: GPL-2.0-only
// What is done to a device under check, one step at a time, and the text that writes it down and reads it back.
import type { IoSize } from '../dm/device.ts';
import { HvmError } from '../util/errors.ts';
import { hex, hex64 } from '../util/hex.ts';

/** 64 bits in two unsigned halves. */
export interface Value {
  readonly low: number;
  readonly high: number;
}

/** One step of a script. */
export type Step =
  | {
      readonly do: 'read';
      readonly offset: number;
      readonly size: IoSize;
      /** Examples only: what has to be answered. */
      readonly expect?: Value;
    }
  | {
      readonly do: 'write';
      readonly offset: number;
      readonly size: IoSize;
      readonly value: Value;
    }
  /** One byte arrives from outside. */
  | { readonly do: 'input'; readonly byte: number }
  /** The machine's time goes on. */
  | { readonly do: 'time'; readonly ns: number }
  /** Where the property under check does what it is about. */
  | { readonly do: 'mark' }
  /** Examples only: the device has output this byte, given this verdict, drives this line so. */
  | { readonly do: 'output'; readonly byte: number }
  | { readonly do: 'verdict'; readonly verdict: string }
  | { readonly do: 'line'; readonly line: number; readonly high: boolean };

export type Script = readonly Step[];

/** An access of a device. */
export type Access = Extract<Step, { do: 'read' | 'write' }>;

export function isAccess(step: Step): step is Access {
  return step.do === 'read' || step.do === 'write';
}

/** `r1@0x5`, `w2@0x0=0x41`, `in=0x31`, `t=1000`, `|`; in examples also `r1@0x5=0x60`, `out=0x41`, `irq4=1`. */
export function formatStep(step: Step): string {
  switch (step.do) {
    case 'read': {
      const text = `r${step.size}@${hex(step.offset)}`;
      return step.expect === undefined ? text : `${text}=${formatValue(step.expect)}`;
    }
    case 'write':
      return `w${step.size}@${hex(step.offset)}=${formatValue(step.value)}`;
    case 'input':
      return `in=${hex(step.byte)}`;
    case 'time':
      return `t=${step.ns}`;
    case 'mark':
      return '|';
    case 'output':
      return `out=${hex(step.byte)}`;
    case 'verdict':
      return `end=${step.verdict}`;
    case 'line':
      return `irq${step.line}=${step.high ? 1 : 0}`;
  }
}

export function formatValue({ low, high }: Value): string {
  return hex64(low, high);
}

export function formatScript(script: Script): string {
  return script.map(formatStep).join(' ');
}

const NUMBER = '(0x[0-9a-fA-F]{1,16}|[0-9]{1,15})';
const ACCESS = new RegExp(`^([rw])([1248])@${NUMBER}(?:=${NUMBER})?$`);
const OTHER = new RegExp(`^(in|t|out|irq([0-9]{1,3}))=${NUMBER}$`);
const END = /^end=([a-z]+)$/;

/**
 * Reads what `formatScript()` writes. Numbers may be decimal.
 * @throws HvmError HVM_USAGE with the word that is none
 */
export function parseScript(text: string): Step[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map(parseStep);
}

function parseStep(word: string): Step {
  if (word === '|') return { do: 'mark' };
  const [, verdict] = END.exec(word) ?? [];
  if (verdict !== undefined) return { do: 'verdict', verdict };
  const access = ACCESS.exec(word);
  if (access !== null) return parseAccess(word, access);
  const [, what, line, digits] = OTHER.exec(word) ?? [];
  if (what === undefined || digits === undefined) throw malformed(word);
  const number = Number(digits);
  if (what === 't') return { do: 'time', ns: number };
  if (line !== undefined) return { do: 'line', line: Number(line), high: number !== 0 };
  if (number > 0xff) throw malformed(word);
  return what === 'in' ? { do: 'input', byte: number } : { do: 'output', byte: number };
}

function parseAccess(word: string, match: RegExpExecArray): Step {
  const [, kind, size, at, digits] = match;
  const place = { offset: Number(at), size: Number(size) as IoSize };
  const value = digits === undefined ? undefined : parseValue(digits);
  if (!Number.isSafeInteger(place.offset)) throw malformed(word);
  if (kind === 'r') return { do: 'read', ...place, ...(value && { expect: value }) };
  if (value === undefined) throw malformed(word);
  return { do: 'write', ...place, value: cut(value, place.size) };
}

function parseValue(digits: string): Value {
  const all = BigInt(digits);
  return { low: Number(all & 0xffffffffn), high: Number(all >> 32n) };
}

/** A value as wide as an access. */
export function cut({ low, high }: Value, size: IoSize): Value {
  if (size === 8) return { low: low >>> 0, high: high >>> 0 };
  return { low: size === 4 ? low >>> 0 : low & ((1 << (8 * size)) - 1), high: 0 };
}

function malformed(word: string): HvmError {
  return new HvmError(
    'HVM_USAGE',
    `'${word}' is no step: expected r1@0x5, w2@0x0=0x41, in=0x31, t=1000 or | (in examples also r1@0x5=0x60, out=0x41, irq4=1, end=success)`,
  );
}
