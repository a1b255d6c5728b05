// SPDX-License-Identifier: GPL-2.0-only
// A run is over: why, and what everybody has to say to it.

import type { LedgerReport } from '../ledger/live-checker.ts';
import type { StressViolation } from '../toolstack/stress-report.ts';
import { addComplaints } from '../toolstack/stress-witnesses.ts';
import type { RunEnd } from './invariants.ts';
import { AT_REST } from './toolstack.ts';
import type { World } from './world.ts';

/** The ends of one world's runs. */
export class Ending {
  /** Of the last one. */
  why: RunEnd['why'] = 'done';
  readonly #world: World;
  readonly #report = (): LedgerReport => this.#world.ledger.checker.report();

  constructor(world: World) {
    this.#world = world;
  }

  /** The judges are told. */
  tell(why: RunEnd['why'], detail: string): void {
    const { machine, toolstack, irqSource, ledger, observer } = this.#world;
    this.why = why;
    if (why === 'done') ledger.close(machine.witnesses());
    const end: RunEnd = {
      why,
      detail,
      midCheckpoint: toolstack.at !== AT_REST,
      verdict: machine.verdict,
      testimony: this.#testimony(),
      irqs: irqSource,
    };
    observer.ended(end, this.#report);
  }

  /** What the devices complain of. */
  #testimony(): RunEnd['testimony'] {
    const found: StressViolation[] = [];
    for (const { bus } of this.#world.machine.servers) {
      for (const { device, label } of bus.attachments)
        addComplaints(found, label, device.witness(), 0);
    }
    return found;
  }
}
