// SPDX-License-Identifier: GPL-2.0-only
// What one kind of entry of the HVM context has to be able to do.
import type { HvmEntry } from '../../image/hvm-context.ts';
import type { Machine } from '../../machine/machine.ts';

/** An entry to be written. */
export type HvmRecord = Pick<HvmEntry, 'code' | 'instance' | 'body'>;

/** One kind of entry. */
export interface HvmRecordCodec {
  code: number;
  /** Entries of a machine that stands still: of a vCPU, or of a device with the vCPU's number 0. */
  save(machine: Machine): HvmRecord[];
  /** What is wrong with a body as such, in words, or null. */
  problem(body: Uint8Array): string | null;
  /**
   * Puts the entries of this kind back into a machine whose CPU, memory and device models are restored.
   * @returns what does not fit, in words, or null
   */
  restore(machine: Machine, records: readonly HvmRecord[]): string | null;
}
