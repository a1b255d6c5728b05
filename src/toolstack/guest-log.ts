// SPDX-License-Identifier: GPL-2.0-only
// The second witness: the values a guest has logged in its own RAM.

import { readLog, readParameterBlock } from '../machine/guest-manifest.ts';
import type { Machine } from '../machine/machine.ts';

/** A value that is not the one before it plus 1. */
export interface LogGap {
  /** Free-running index of the value in the log. */
  index: number;
  expected: number;
  got: number;
}

/** Reads what was logged since the last look, and checks it by the manifest's rule. */
export class GuestLog {
  /** Values seen. */
  values = 0;
  /** The first that broke the rule, or null. */
  gap: LogGap | null = null;
  /** The latest values, oldest first, at most 16. */
  readonly recent: number[] = [];
  readonly #machine: Machine;
  readonly #modulus: number;
  #next = 0;
  #last: number | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
    const rule = machine.guest.manifest.log?.rule;
    this.#modulus = rule === 'plus-1' ? 2 ** 32 : rule === 'plus-1-mod-256' ? 256 : 0;
  }

  /** Whether the guest keeps a log that can be judged. */
  get present(): boolean {
    return this.#modulus !== 0 && this.#machine.guest.blockBase !== null;
  }

  /** Where it stands: for a saved image. */
  get position(): { values: number; next: number; last: number | null } {
    return { values: this.values, next: this.#next, last: this.#last };
  }

  /** Goes on where another log stood. */
  resume(from: { values: number; next: number; last: number | null }): void {
    this.values = from.values;
    this.#next = from.next;
    this.#last = from.last;
  }

  /** To be called at instruction boundaries, often enough that the ring does not lap. */
  look(): void {
    const { guest, ram } = this.#machine;
    if (!this.present || guest.blockBase === null) return;
    const block = readParameterBlock(ram.bytes, guest.blockBase);
    const slice = block === null ? null : readLog(ram.bytes, block, this.#next);
    if (slice === null) return;
    // A guest that noticed by itself says what it was due and what it got.
    if (this.#machine.verdict === 'failure' && block !== null && block.expected !== block.got) {
      this.gap ??= { index: this.values, expected: block.expected, got: block.got };
    }
    if (slice.missed > 0) this.#last = null;
    for (const value of slice.values) {
      if (this.#last !== null && this.gap === null) {
        const expected = (this.#last + 1) % this.#modulus;
        if (value !== expected) this.gap = { index: this.values, expected, got: value };
      }
      this.#last = value;
      this.values++;
      if (this.recent.length === 16) this.recent.shift();
      this.recent.push(value);
    }
    this.#next = slice.next;
  }
}
