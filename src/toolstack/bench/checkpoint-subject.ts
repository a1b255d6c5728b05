// SPDX-License-Identifier: GPL-2.0-only
// Checkpoints in memory, one after the other, of a guest that reads a device and writes memory in between.

import { BugError } from '../../util/errors.ts';
import { domain_shutdown } from '../../xen/common/domain.ts';
import { SHUTDOWN_suspend } from '../../xen/public/sched.ts';
import { checkpoint } from '../checkpoint.ts';
import { Snapshot } from '../snapshot.ts';
import { CHECKPOINT_PROGRAM } from './programs.ts';
import { MachineSubject, type Subject } from './subject.ts';

/** Instructions between two checkpoints. */
export const CHECKPOINT_EVERY = 50;

/** One unit is one checkpoint with what the guest does before it. */
export class CheckpointSubject implements Subject {
  readonly #inner: MachineSubject = new MachineSubject(CHECKPOINT_PROGRAM, 'server');
  readonly #snapshot: Snapshot = new Snapshot(this.#inner.machine);

  run(units: number): number {
    const { machine, loop } = this.#inner;
    for (let i = 0; i < units; i++) {
      loop.deadline = machine.cpu.icount + CHECKPOINT_EVERY;
      this.#expect(loop.run(), 'deadline');
      domain_shutdown(machine.domain, SHUTDOWN_suspend);
      this.#expect(loop.run(), 'shutdown');
      checkpoint(machine, this.#snapshot, () => {});
    }
    return units;
  }

  #expect(stop: string, wanted: string): void {
    if (stop !== wanted) throw new BugError(`between checkpoints: ${stop} instead of ${wanted}`);
  }

  [Symbol.dispose](): void {
    this.#inner[Symbol.dispose]();
  }
}
