// SPDX-License-Identifier: GPL-2.0-only
// The same guest without checkpoints: it follows a run that had them, and the two are compared, access by access on the
// way, and as they stand at the end.
import { Ledger } from '../../ledger/ledger.ts';
import { chooseDevices } from '../../machine/choose-devices.ts';
import { loadGuest } from '../../machine/loader.ts';
import { Machine } from '../../machine/machine.ts';
import { RunLoop, type Stop } from '../../machine/run-loop.ts';
import type { GuestSetup } from '../guest-setup.ts';
import type { Watch } from '../limits.ts';
import { type MuseumBug, revisionOf } from '../museum/index.ts';
import { type EndDifference, endDifferences } from './end-state.ts';
import { OutputDigest } from './output-digest.ts';
import { type AccessTape, TapeComparison } from './tape.ts';

/** Instructions between two looks at signals. */
const SLICE = 1_000_000;

/** A run with checkpoints, at its end. */
export interface Disturbed {
  readonly machine: Machine;
  /** Why it stands where it does. */
  readonly stop: Stop;
  /** null: nobody has listened all the time. */
  readonly output: OutputDigest | null;
}

/** What came of the comparison. */
export interface EndReport {
  /** Completed at the place where the two were compared, by the run that was judged. */
  readonly instructions: number;
  /** Device accesses compared. */
  readonly accesses: number;
  readonly differences: readonly EndDifference[];
}

export class Undisturbed implements Disposable {
  readonly machine: Machine;
  readonly #loop: RunLoop;
  readonly #ledger: Ledger;
  readonly #tape: AccessTape;
  readonly #comparison: TapeComparison;
  readonly #output = new OutputDigest();

  /** @param tape - of the run that is followed */
  constructor(options: GuestSetup & { bug?: MuseumBug | null }, tape: AccessTape) {
    this.#tape = tape;
    this.#comparison = new TapeComparison(tape);
    this.#ledger = new Ledger({ sinks: [this.#comparison] });
    const guest = loadGuest(options.guest, { iterations: 0, ...options.load });
    this.machine = new Machine({
      guest,
      devices: chooseDevices(guest, options.devices),
      revision: options.bug ? revisionOf(options.bug) : options.revision,
      ledger: this.#ledger,
      output: this.#output.put,
    });
    this.#loop = new RunLoop(this.machine);
    const devices = this.machine.ledgerDevices;
    this.#ledger.start({
      guest: guest.name,
      revision: options.revision,
      seed: 0,
      vcpus: 1,
      devices,
    });
  }

  /**
   * Runs up to an instruction count that the other run has come to, and compares the accesses until there.
   * @returns why it stands where it does; null: the signal has come
   */
  async follow(to: number, watch: Watch): Promise<Stop | null> {
    const { machine } = this;
    let stop: Stop = 'deadline';
    while (stop === 'deadline' && instructionsOf(machine) < to) {
      if (watch.signal.aborted) return null;
      this.#loop.deadline = Math.min(instructionsOf(machine) + SLICE, to);
      stop = this.#loop.run();
      await watch.tick(0, null);
    }
    // An end in the middle of an access is counted where the other run counts it: behind it.
    if (stop !== 'deadline') machine.regs.settle();
    this.#ledger.drain();
    this.#comparison.turn();
    return stop;
  }

  /** @returns null: the signal has come */
  async compare(other: Disturbed, watch: Watch): Promise<EndReport | null> {
    const instructions = instructionsOf(other.machine);
    const goesOn = other.stop === 'deadline';
    const stop = await this.follow(goesOn ? instructions : instructions + 1, watch);
    if (stop === null) return null;
    const differences: EndDifference[] = [];
    const mine = instructionsOf(this.machine);
    if (stop !== other.stop || mine !== instructions) {
      const say = (s: Stop, n: number): string => `${STOPS[s] ?? s} after ${n} instructions`;
      const message = `undisturbed, ${say(stop, mine)}; here, ${say(other.stop, instructions)}`;
      differences.push({ aspect: 'stop', message });
    }
    const { difference } = this.#comparison;
    if (difference !== null) differences.push({ aspect: 'accesses', message: difference });
    if (other.output !== null && !this.#output.equals(other.output)) {
      const [plain, here] = [this.#output.bytes, other.output.bytes];
      const message =
        plain === here ? `other ones of ${here} bytes` : `undisturbed ${plain} bytes, here ${here}`;
      differences.push({ aspect: 'output', message });
    }
    differences.push(...endDifferences(this.machine, other.machine));
    return { instructions, accesses: this.#tape.accesses, differences };
  }

  [Symbol.dispose](): void {
    this.machine[Symbol.dispose]();
  }
}

/** Completed, time that a HLT has skipped included. */
export function instructionsOf({ cpu }: Machine): number {
  return cpu.icount + cpu.charged;
}

const STOPS: Partial<Record<Stop, string>> = {
  deadline: 'it goes on',
  verdict: 'a verdict',
  dead: 'halted with interrupts off',
};
