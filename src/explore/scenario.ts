// SPDX-License-Identifier: GPL-2.0-only
// What is explored: a guest, a revision, and how much of them.
import type { DeviceSpec } from '../dm/registry.ts';
import type { LoadOptions } from '../machine/loader.ts';
import type { MuseumBug } from '../toolstack/museum/index.ts';
import type { RevisionName } from '../xen/hvm/revision.ts';

/** Which CPU runs the guest: the emulator with the guest's own code, or a list of its accesses. */
export type ExploreCpu = 'real' | 'scripted';

/** One small world whose orders are searched. The same scenario and the same choices: the same run. */
export interface Scenario {
  guest: string;
  load: LoadOptions;
  devices: readonly DeviceSpec[];
  revision: RevisionName;
  /** An exhibit of the museum, which has a revision of its own; null or absent: none. */
  bug?: MuseumBug | null;
  cpu: ExploreCpu;
  /** Accesses the guest carries to their end. */
  ios: number;
  /** Checkpoints the toolstack may take. */
  checkpoints: number;
}

/** How much of it is looked at. */
export interface Bounds {
  /** Switches away from an actor that could have gone on. */
  preemptions: number;
  /** Complete runs; null: no bound. */
  schedules: number | null;
  /** Milliseconds; null: no bound. */
  timeMs: number | null;
}

/** The actors by number: the vCPU, the toolstack, then one per device model. */
export const VCPU = 0;
export const TOOLSTACK = 1;
export const FIRST_SERVER = 2;

/** One letter for each actor, for schedules: `v`, `t`, then digits. */
export function actorLetter(actor: number): string {
  if (actor === VCPU) return 'v';
  return actor === TOOLSTACK ? 't' : (actor - FIRST_SERVER).toString(36);
}

/** The actor of a letter, or -1. */
export function actorOf(letter: string): number {
  if (letter === 'v') return VCPU;
  if (letter === 't') return TOOLSTACK;
  return /^[0-9]$/.test(letter) ? FIRST_SERVER + Number(letter) : -1;
}
