// SPDX-License-Identifier: GPL-2.0-only
// What is explored: a guest, a revision, who takes part, and how much of it.

import type { GuestSetup } from '../toolstack/guest-setup.ts';
import type { MuseumBug } from '../toolstack/museum/index.ts';

/** Which CPU runs the guest: the emulator with the guest's own code, or a list of its accesses. */
export type ExploreCpu = 'real' | 'scripted';

/** One small world whose orders are searched. The same scenario and the same choices: the same run. */
export interface Scenario extends GuestSetup {
  /** An exhibit of the museum, which has a revision of its own; null or absent: none. */
  bug?: MuseumBug | null;
  cpu: ExploreCpu;
  /** Accesses the guest carries to their end; with several vCPUs each of them. */
  ios: number;
  /** Checkpoints the toolstack may take. */
  checkpoints: number;
  /** 1 unless given. */
  vcpus?: number;
  /** Device models that may die; 0 unless given. */
  kills?: number;
  /** Edges of the interrupt source, on line 0; 0 unless given. */
  irqs?: number;
}

/** What a scenario may have besides accesses and checkpoints. */
export interface Extras {
  vcpus: number;
  kills: number;
  irqs: number;
}

export function extrasOf({ vcpus = 1, kills = 0, irqs = 0 }: Partial<Extras>): Extras {
  return { vcpus, kills, irqs };
}

export const MOST_VCPUS = 4;
export const MOST_SERVERS = 10;
export const MOST_IRQS = 9;

/** How much of it is looked at. */
export interface Bounds {
  /** Switches away from an actor that could have gone on. */
  preemptions: number;
  /** Complete runs; null: no bound. */
  schedules: number | null;
  /** Milliseconds; null: no bound. */
  timeMs: number | null;
}

/** The actors by number: vCPU 0, the toolstack, one per device model, further vCPUs, interrupts, one killer each. */
export const VCPU = 0;
export const TOOLSTACK = 1;
export const FIRST_SERVER = 2;
export const SECOND_VCPU: number = FIRST_SERVER + MOST_SERVERS;
export const IRQ_SOURCE: number = SECOND_VCPU + MOST_VCPUS - 1;
export const FIRST_KILLER: number = IRQ_SOURCE + 1;
export const ACTORS: number = FIRST_KILLER + MOST_SERVERS;

/** One letter for each, for schedules. */
const LETTERS = 'vt0123456789wxyiABCDEFGHIJ';

/** The actor that vCPU number `id` is. */
export function vcpuActor(id: number): number {
  return id === 0 ? VCPU : SECOND_VCPU + id - 1;
}

/** The number of the vCPU that `actor` is, or -1. */
export function vcpuOf(actor: number): number {
  if (actor === VCPU) return 0;
  return actor >= SECOND_VCPU && actor < IRQ_SOURCE ? actor - SECOND_VCPU + 1 : -1;
}

/** The number of the device model that `actor` is, or -1. */
export function serverOf(actor: number): number {
  return actor >= FIRST_SERVER && actor < SECOND_VCPU ? actor - FIRST_SERVER : -1;
}

export function actorLetter(actor: number): string {
  return LETTERS[actor] ?? '?';
}

/** The actor of a letter, or -1. */
export function actorOf(letter: string): number {
  return LETTERS.indexOf(letter);
}
