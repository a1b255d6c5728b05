// SPDX-License-Identifier: GPL-2.0-only
// What the page says about the machine besides its screen.
import { SEG_CS, SEG_DS, SEG_ES, SEG_SS } from '../cpu/backend.ts';
import type { Machine } from '../machine/machine.ts';
import type { Stop } from '../machine/run-loop.ts';

export interface Shown {
  phase: 'running' | 'paused' | 'ended';
  /** Why it has ended, in words; empty while it has not. */
  why: string;
  instructions: number;
  /** Guest time, ms. */
  ms: number;
  /** Instructions at the checkpoint; null: there is none. */
  checkpoint: number | null;
  /** Why there is no way back to it, in words; empty: there is one. */
  noWayBack: string;
  /** Names and hexadecimal values, between two instructions. */
  registers: [string, string][];
  /** What the guest wanted that is not there, and how often. */
  missing: [string, number][];
}

/** So many of them are told. */
const MOST_MISSING = 24;
const NAMES = ['AX', 'CX', 'DX', 'BX', 'SP', 'BP', 'SI', 'DI'];
const FLAGS: readonly (readonly [number, string])[] = [
  [0x800, 'O'],
  [0x400, 'D'],
  [0x200, 'I'],
  [0x80, 'S'],
  [0x40, 'Z'],
  [0x10, 'A'],
  [0x4, 'P'],
  [0x1, 'C'],
];

const hex = (value: number, digits: number): string =>
  (value >>> 0).toString(16).toUpperCase().padStart(digits, '0');

/** 32 bits where the upper half is in use. */
function registersOf({ cpu: { regs } }: Machine): [string, string][] {
  const place = (segment: number, offset: number): string =>
    `${hex(regs.segment(segment).selector, 4)}:${hex(offset, 4)}`;
  const flags = FLAGS.map(([bit, name]) => (regs.rflags & bit ? name : '-')).join('');
  return [
    ['CS:IP', place(SEG_CS, regs.rip)],
    ['SS:SP', place(SEG_SS, regs.gpr(4))],
    ['DS', hex(regs.segment(SEG_DS).selector, 4)],
    ['ES', hex(regs.segment(SEG_ES).selector, 4)],
    ...[0, 3, 1, 2, 6, 7, 5].map((i): [string, string] => [NAMES[i] ?? '', hex(regs.gpr(i), 4)]),
    ['flags', flags],
  ];
}

/** Why a guest will not go on. */
export function endWords(stop: Stop, machine: Machine): string {
  const { domain, pc, verdict } = machine;
  if (domain.crashed !== null) return `crashed: ${domain.crashed.reason}`;
  const code = pc?.exitCode ?? null;
  if (code !== null) return `the program ended with exit code ${code}`;
  if (stop === 'verdict') return `the guest reported ${verdict ?? 'its end'}`;
  if (stop === 'dead') return 'HLT with interrupts off: nothing can wake the CPU';
  if (stop === 'stuck') return 'the CPU waits for an answer that will not come';
  return `the machine stopped (${stop})`;
}

/** @param rest - what the session itself knows */
export function shownOf(
  machine: Machine,
  rest: Pick<Shown, 'phase' | 'why' | 'instructions' | 'checkpoint' | 'noWayBack'>,
): Shown {
  const { pc } = machine;
  return {
    ...rest,
    ms: Math.floor((pc?.clock.nowNs() ?? 0) / 1e6),
    registers: registersOf(machine),
    missing: pc?.missing.slice(0, MOST_MISSING) ?? [],
  };
}
