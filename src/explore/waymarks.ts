// SPDX-License-Identifier: GPL-2.0-only
// Runs that begin alike need not begin at the beginning: the world is saved on the way, wherever an access has been
// carried to its end and nothing is in hand, and the next run goes on from the last such place on their common way.
import { LedgerMark } from './direct-ledger.ts';
import { isStill, MachineMark } from './machine-mark.ts';
import type { ObserverMark } from './observer.ts';
import type { Seat } from './seat.ts';
import type { World } from './world.ts';

/** How far a run has come. */
export interface Progress {
  /** Decisions and preemptions so far. */
  n: number;
  preemptions: number;
  /** Who ran last. */
  current: number;
  opportunities: number;
}

class Waymark {
  readonly progress: Progress = { n: 0, preemptions: 0, current: 0, opportunities: 0 };
  readonly machine = new MachineMark();
  readonly ledger: LedgerMark;
  readonly observer: ObserverMark = { granted: [], given: [], back: [] };
  readonly seen: number[] = [];
  readonly halted: boolean[] = [];
  readonly deadlines: number[] = [];
  readonly toolstack = { at: 0, n: 0 };
  readonly irqs = { raised: 0, merged: 0, taken: 0 };
  historyA = 0;
  historyB = 0;

  constructor(remembered: number) {
    this.ledger = new LedgerMark(remembered);
  }
}

export class Waymarks {
  readonly #world: World;
  /** On the way of the last run, in order; those not in use any more. */
  readonly #way: Waymark[] = [];
  readonly #spare: Waymark[] = [];
  readonly #possible: boolean;

  /** @param possible - false: something takes part that cannot be brought back, and no place is ever saved */
  constructor(world: World, possible: boolean) {
    this.#world = world;
    this.#possible = possible && world.machine.pc === null && world.observer.goesBack;
  }

  /** Nothing is known of the way of the next run. */
  forget(): void {
    for (let mark = this.#way.pop(); mark !== undefined; mark = this.#way.pop()) {
      this.#spare.push(mark);
    }
  }
  /** The ledger remembers another number of accesses from now on. */
  resize(): void {
    this.forget();
    this.#spare.length = 0;
  }

  /** No vCPU is inside a call: saves the place, if an access has been carried to its end since the last one. */
  pass(progress: Progress): void {
    if (!this.#possible) return;
    const { ledger } = this.#world;
    const last = this.#way.at(-1);
    if (ledger.retiredCount <= (last?.ledger.totals.retired ?? 0) || !this.#isStill()) return;
    const mark = this.#spare.pop() ?? new Waymark(ledger.remembered);
    this.#take(mark, progress);
    this.#way.push(mark);
  }

  #isStill(): boolean {
    const { machine, observer, restorer, seats, answers, ledger } = this.#world;
    if (observer.findings.length > 0 || ledger.checker.failed) return false;
    if (machine.verdict !== null || machine.domain.crashed !== null) return false;
    if (restorer?.still === false || answers.some((it) => !it.still)) return false;
    for (const { open, parts } of seats) {
      // Nobody has heard yet what becomes of it.
      if (open && parts.regs.pending) return false;
      if (parts.books?.still === false || parts.insnCpu.begun) return false;
      if (!isStill(parts.vcpu)) return false;
    }
    for (const server of machine.servers) {
      if (server.busy || server.backlog.length > 0) return false;
      const ring = server.connection.bufferedPage;
      if (ring !== null && ring.write_pointer() !== ring.read_pointer()) return false;
    }
    for (const s of machine.domain.arch.hvm.ioreq_server) {
      for (const sv of s?.ioreq_vcpu_list ?? []) if (sv.pending) return false;
    }
    return true;
  }

  #take(mark: Waymark, progress: Progress): void {
    const { rewinder, seats, toolstack, irqSource, observer, ledger, history, restorer } =
      this.#world;
    for (let i = 0; i < seats.length; i++) {
      const { parts, halted, loop } = seats[i] as Seat;
      // What the CPU would be given with its next entry is given to it now: it has to be between two instructions.
      parts.regs.settle();
      mark.halted[i] = halted;
      mark.deadlines[i] = loop.deadline;
    }
    rewinder.take(mark.machine);
    ledger.take(mark.ledger);
    observer.take(mark.observer);
    restorer?.take(mark.seen);
    Object.assign(mark.progress, progress);
    mark.toolstack.at = toolstack.at;
    mark.toolstack.n = toolstack.n;
    mark.irqs.raised = irqSource.raised;
    mark.irqs.merged = irqSource.merged;
    mark.irqs.taken = irqSource.taken;
    mark.historyA = history.a;
    mark.historyB = history.b;
  }

  /**
   * Brings the world to the last saved place that the next run passes as well.
   * @param shared - as many decisions are made as in the run before
   * @returns how far the run had come there; null: there is none, and nothing was done
   */
  goBack(shared: number): Progress | null {
    let mark = this.#way.at(-1);
    while (mark !== undefined && mark.progress.n > shared) {
      this.#spare.push(mark);
      this.#way.pop();
      mark = this.#way.at(-1);
    }
    if (mark === undefined) return null;
    const { rewinder, seats, toolstack, irqSource, observer, ledger, history, restorer } =
      this.#world;
    rewinder.restore(mark.machine);
    for (let i = 0; i < seats.length; i++) {
      (seats[i] as Seat).goBack(mark.halted[i] === true, mark.deadlines[i] as number);
    }
    ledger.goBack(mark.ledger);
    observer.goBack(mark.observer);
    restorer?.goBack(mark.seen);
    toolstack.at = mark.toolstack.at;
    toolstack.n = mark.toolstack.n;
    irqSource.goBack(mark.irqs.raised, mark.irqs.merged, mark.irqs.taken);
    history.reset();
    history.a = mark.historyA;
    history.b = mark.historyB;
    return mark.progress;
  }
}
