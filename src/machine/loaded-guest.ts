// SPDX-License-Identifier: GPL-2.0-only
// A guest as it is put into memory: what goes where and how the CPU starts; for each of its vCPUs.
import { HvmError } from '../util/errors.ts';
import { hex } from '../util/hex.ts';
import type { GuestFormat, GuestManifest } from './guest-manifest.ts';
import type { EntryRegisters, Piece } from './image-formats.ts';
import type { PcConfig } from './pc/config.ts';

/** A guest ready to be put into memory. */
export interface LoadedGuest {
  readonly name: string;
  /** The image file. */
  readonly path: string;
  readonly format: GuestFormat;
  /** For a bare file: what was assumed. */
  readonly manifest: GuestManifest;
  /** True if there is a guest.json. */
  readonly hasManifest: boolean;
  readonly memoryBytes: number;
  /** What goes where in guest-physical memory; they do not overlap. */
  readonly pieces: readonly Piece[];
  readonly entry: EntryRegisters;
  /** Guest-physical address `readParameterBlock()` wants, or null for a guest without a block. */
  readonly blockBase: number | null;
  /** The PC it runs on; null: a bare machine. */
  readonly pc: PcConfig | null;
}

/** Copies of a guest for several vCPUs lie so many bytes apart. */
export const VCPU_STRIDE = 0x20000;

/**
 * The guest as one of its vCPUs has it: a copy of image and parameter block `VCPU_STRIDE` bytes behind the one before,
 * its segments moved likewise. The vCPU finds its number in BX.
 * @throws HvmError HVM_MEMORY when memory ends before the copy does
 */
export function guestForVcpu(guest: LoadedGuest, vcpu: number): LoadedGuest {
  if (vcpu === 0) return guest;
  const by = vcpu * VCPU_STRIDE;
  const { entry } = guest;
  const pieces = guest.pieces.map((p) => ({ ...p, gpa: p.gpa + by }));
  for (const { gpa, bytes } of pieces) {
    if (gpa + bytes.length <= guest.memoryBytes) continue;
    throw new HvmError(
      'HVM_MEMORY',
      `guest '${guest.name}' for vCPU ${vcpu}: its copy ends at ${hex(gpa + bytes.length)}, memory at ${hex(guest.memoryBytes)}`,
    );
  }
  const segment = by / 16;
  return {
    ...guest,
    pieces,
    entry: {
      ...entry,
      cs: entry.cs + segment,
      ds: entry.ds + segment,
      es: entry.es + segment,
      ss: entry.ss + segment,
    },
    blockBase: guest.blockBase === null ? null : guest.blockBase + by,
  };
}
