// SPDX-License-Identifier: GPL-2.0-only
// A saved state in another machine: it must go on as the guest does that nobody has disturbed, access by access, in the
// eyes of each device model. Nobody disturbs it there.
import { ScriptedCpu } from '../cpu/scripted.ts';
import type { ServerState } from '../dm/server.ts';
import { Machine } from '../machine/machine.ts';
import { RunLoop } from '../machine/run-loop.ts';
import { Snapshot } from '../toolstack/snapshot.ts';
import { p2m_ram_rw } from '../xen/hvm/p2m.ts';
import type { IrqSource } from './irq-source.ts';
import type { Rewinder } from './rewinder.ts';
import type { Scenario } from './scenario.ts';
import { accessWords, type Reference } from './undisturbed.ts';

/** Instructions after which the guest counts as making no further access. */
const MOST_INSTRUCTIONS = 200_000;

/** What is saved, of the world that is looked at. */
interface Original {
  readonly scenario: Scenario;
  readonly machine: Machine;
  readonly irqSource: IrqSource;
  readonly rewinder: Rewinder;
}

export class Restorer implements Disposable {
  readonly #original: Original;
  readonly #reference: Reference;
  readonly #twin: Machine;
  readonly #loop: RunLoop;
  /** By device model: accesses in the run that is looked at, and in the twin. */
  readonly #seen: number[];
  readonly #again: number[];
  /** What was found, by state. */
  readonly #known = new Map<number, string | null>();
  #early: ServerState[] | null = null;
  #problem: string | null = null;
  #left = 0;

  constructor(original: Original, reference: Reference) {
    this.#original = original;
    this.#reference = reference;
    const { machine, scenario } = original;
    const isDevice = (gpa: number): boolean =>
      this.#twin.domain.arch.hvm.p2m.type_at(gpa) !== p2m_ram_rw;
    this.#twin = new Machine({
      ...(scenario.cpu === 'scripted'
        ? { cpu: (ram) => new ScriptedCpu(reference.scripts[0] ?? [], ram, isDevice) }
        : {}),
      guest: machine.guest,
      devices: machine.devices,
      straight: false,
    });
    this.#seen = machine.servers.map(() => 0);
    this.#again = machine.servers.map(() => 0);
    for (const [i, server] of this.#twin.servers.entries()) {
      server.onAccess = (event) => this.#sawAgain(i, accessWords(event));
    }
    this.#loop = new RunLoop(this.#twin);
    this.#loop.onEnter = () => this.#problem === null && this.#left > 0;
  }

  /** A new run. */
  reset(): void {
    this.#seen.fill(0);
    this.#early = null;
  }
  /** Whether nothing was saved early: else the run has to go on to its end. */
  get still(): boolean {
    return this.#early === null;
  }
  /** Accesses so far, by device model, for `goBack()`. */
  take(seen: number[]): void {
    for (let i = 0; i < this.#seen.length; i++) seen[i] = this.#seen[i] as number;
  }
  /** A run that goes on from there. */
  goBack(seen: readonly number[]): void {
    this.reset();
    for (let i = 0; i < this.#seen.length; i++) this.#seen[i] = seen[i] ?? 0;
  }

  /** A device model of the run was accessed. */
  saw(server: number): void {
    this.#seen[server] = (this.#seen[server] ?? 0) + 1;
  }

  /** A toolstack at fault saves the devices now. */
  devicesSaved(): void {
    this.#early = this.#original.machine.servers.map((server) => server.save());
  }

  /**
   * The machine stands still and is saved.
   * @param history - of the run: CPU, memory and devices follow from it
   * @returns what is wrong with it, or null
   */
  check(history: number): string | null {
    // What devices were saved early is in no hash.
    if (this.#early !== null) return this.#goesOn();
    const known = this.#known.get(history);
    if (known !== undefined) return known;
    const found = this.#goesOn();
    this.#known.set(history, found);
    return found;
  }

  #goesOn(): string | null {
    const { machine, rewinder, irqSource } = this.#original;
    const twin = this.#twin;
    rewinder.collect();
    const snapshot = new Snapshot(machine);
    snapshot.capture(machine);
    if (this.#early !== null) snapshot.servers.splice(0, this.#early.length, ...this.#early);
    this.#early = null;
    snapshot.restore(twin);
    twin.vcpu.in_guest = false;
    twin.domain.crashed = null;
    this.#loop.forget();
    this.#loop.deadline = twin.cpu.icount + MOST_INSTRUCTIONS;
    this.#problem = null;
    this.#left = 0;
    this.#seen.forEach((seen, i) => {
      this.#again[i] = seen;
      this.#left += Math.max(0, (this.#reference.accesses[i]?.length ?? 0) - seen);
    });
    const waits = (twin.cpu.irq >= 0 ? 1 : 0) + (twin.interrupts.save() & 1);
    if (waits !== irqSource.waiting) return 'an interrupt that waited is gone';
    while (this.#left > 0 && this.#problem === null) {
      const stop = this.#loop.run();
      if (stop === 'halted' || stop === 'verdict') {
        if (stop === 'verdict') break;
        twin.interrupts.pulse(0);
        continue;
      }
      if (this.#problem !== null || this.#left <= 0) break;
      return `it ends (${stop}) before it has made its accesses`;
    }
    return this.#problem;
  }

  #sawAgain(i: number, words: string): void {
    const n = this.#again[i] ?? 0;
    this.#again[i] = n + 1;
    const expected = this.#reference.accesses[i]?.[n];
    if (expected === undefined) return;
    this.#left--;
    if (words === expected || this.#problem !== null) return;
    const name = this.#twin.servers[i]?.name ?? '';
    this.#problem = `device model ${name} sees a ${words}, undisturbed a ${expected}`;
  }

  [Symbol.dispose](): void {
    this.#twin[Symbol.dispose]();
  }
}
