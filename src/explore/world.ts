// SPDX-License-Identifier: GPL-2.0-only
// Who takes part in an explored world, and who hears of it: a machine, the actors around it, the judges. It makes no
// step of its own accord; in which order the steps come is the arena's affair.

import type { AccessEvent } from '../dm/request.ts';
import type { StartInfo } from '../ledger/events.ts';
import type { Machine } from '../machine/machine.ts';
import { TeeTracer } from '../machine/tee-tracer.ts';
import { HvmError } from '../util/errors.ts';
import type { PointName, Points } from '../xen/common/points.ts';
import type { vcpu } from '../xen/common/sched.ts';
import type { Tracer } from '../xen/common/trace.ts';
import { Answers, portAnswer } from './answers.ts';
import { EXIT, PLACE_OF } from './decision.ts';
import { DirectLedger } from './direct-ledger.ts';
import { explorableMachine } from './explorable-machine.ts';
import { HistoryHash, StateHash } from './hash.ts';
import type { Invariant } from './invariants.ts';
import { IrqSource } from './irq-source.ts';
import { Killer } from './killer.ts';
import { Observer } from './observer.ts';
import { Restorer } from './restorer.ts';
import { Rewinder } from './rewinder.ts';
import {
  extrasOf,
  FIRST_KILLER,
  IRQ_SOURCE,
  type Scenario,
  serverOf,
  TOOLSTACK,
} from './scenario.ts';
import { Seat } from './seat.ts';
import { WorldState } from './state.ts';
import { ToolstackActor } from './toolstack.ts';
import type { Reference } from './undisturbed.ts';

/** Instructions of the guest after which it counts as having no further access. */
const MOST_INSTRUCTIONS = 200_000;
/** Accesses that a guest may make beyond those asked for, under a shutdown that nobody heeds. */
export const BEYOND = 2;
/** Thrown at the guest's first access, behind which every run starts. */
const FIRST_ACCESS: { readonly name: 'first access' } = { name: 'first access' };

/** Who is told when a vCPU comes to a place inside its path. */
export interface Passage {
  pass(place: number, seat: Seat): void;
}

export class World implements Points, Disposable {
  scenario: Scenario;
  readonly machine: Machine;
  readonly seats: readonly Seat[];
  /** By vCPU. */
  readonly answers: Answers[] = [];
  readonly toolstack: ToolstackActor;
  readonly killer: Killer;
  readonly irqSource: IrqSource;
  readonly observer: Observer;
  readonly ledger: DirectLedger;
  readonly history: HistoryHash = new HistoryHash();
  readonly state: WorldState;
  readonly rewinder: Rewinder;
  readonly restorer: Restorer | null = null;
  readonly #info: StartInfo;
  readonly #passage: Passage;
  readonly #scratch = new StateHash();
  #starting = true;
  #judged = 0;

  /** For stories and records. */
  onAccess: ((event: AccessEvent, server: number) => void) | null = null;
  onAnswered: (() => void) | null = null;
  onBegun: ((insn: number, seat: Seat) => void) | null = null;
  onSettled: ((retired: boolean, seat: Seat) => void) | null = null;
  onGiven: ((value: number, seat: Seat) => void) | null = null;

  /**
   * @param reference - what the guest does undisturbed; null: nothing to compare with, and the CPU is the real one
   * @param trace - hears the port besides
   * @throws HvmError for a guest or devices that cannot be, or a guest that accesses no device
   */
  constructor(
    scenario: Scenario,
    invariants: readonly Invariant[],
    reference: Reference | null,
    trace: ((world: World) => Tracer) | null,
    passage: Passage,
  ) {
    this.scenario = scenario;
    this.#passage = passage;
    const { vcpus, kills, irqs } = extrasOf(scenario);
    this.observer = new Observer(invariants, this.history, reference?.answers ?? []);
    this.ledger = new DirectLedger(this.history, () => this.#judge());
    const tracer = trace === null ? this.observer : new TeeTracer([this.observer, trace(this)]);
    this.machine = explorableMachine(scenario, reference?.scripts ?? null, {
      ledger: this.ledger,
      points: this,
      trace: tracer,
    });
    const { machine } = this;
    try {
      this.killer = new Killer(machine, kills);
      this.irqSource = new IrqSource(machine, irqs);
      this.toolstack = this.#newToolstack();
      this.state = new WorldState(machine, this.toolstack, this.killer, this.irqSource);
      this.seats = machine.vcpus.map((it) => new Seat(machine, it, this.state, this.history));
      this.#remember();
      this.#listenToServers();
      for (const seat of this.seats) this.#listenTo(seat);
      this.#info = {
        guest: machine.guest.name,
        revision: scenario.revision,
        seed: 0,
        vcpus,
        devices: machine.ledgerDevices,
      };
      this.#toFirstAccess();
      this.rewinder = new Rewinder(machine);
      for (const seat of this.seats) seat.attach();
      // Several vCPUs may share a device, whose answers then depend on their order.
      const restores = reference !== null && this.observer.restores && vcpus === 1;
      this.restorer = restores ? new Restorer(this, reference) : null;
    } catch (error) {
      machine[Symbol.dispose]();
      throw error;
    }
  }

  #newToolstack(): ToolstackActor {
    const { machine, scenario } = this;
    return new ToolstackActor(machine, scenario.checkpoints, scenario.bug?.faults ?? {}, {
      settling: () => {
        for (const seat of this.seats) this.released(seat);
        // Devices are put to sleep.
        this.rewinder.touchAll();
      },
      devicesSaved: () => this.restorer?.devicesSaved(),
      saved: (n, problems) => this.observer.captured(n, problems),
      captured: (n, problems) => {
        this.ledger.checkpoint(n, 'explored');
        this.observer.captured(n, problems);
        if (this.restorer === null || this.observer.findings.length > 0 || this.killer.any) return;
        const wrong = this.restorer.check(this.history.key());
        if (wrong !== null) this.observer.restored(n, wrong);
      },
      resumed: (n) => this.ledger.resume(n),
    });
  }

  /** Each access can happen again at each checkpoint; a guest can go on a little. */
  #remember(): void {
    const { ios, checkpoints } = this.scenario;
    const most = 16 + (ios + BEYOND) * (checkpoints + 1) * this.seats.length;
    this.ledger.remembered = Math.min(256, most);
  }

  #listenToServers(): void {
    const { machine } = this;
    for (const [i, server] of machine.servers.entries()) {
      server.onAccess = (event: AccessEvent) => {
        this.rewinder.touch(i);
        this.restorer?.saw(i);
        machine.vcpus[event.vcpu]?.books?.onAccess(event);
        this.observer.access(event);
        this.onAccess?.(event, i);
      };
      server.onAnswered = () => this.onAnswered?.();
    }
  }

  #listenTo(seat: Seat): void {
    const { books } = seat.parts;
    this.answers.push(new Answers(this.machine, seat, (value) => this.#given(value, seat)));
    if (books === null) return;
    books.early = true;
    books.onBegun = (insn) => {
      if (this.#starting) throw FIRST_ACCESS;
      seat.open = true;
      this.observer.begun(insn, seat.id);
      this.onBegun?.(insn, seat);
      this.#passage.pass(EXIT, seat);
    };
    books.onSettled = (retired) => {
      this.observer.settled(retired, seat.id);
      this.onSettled?.(retired, seat);
    };
  }

  /** The same world, with so many accesses and checkpoints. */
  resize(ios: number, checkpoints: number): void {
    this.scenario = { ...this.scenario, ios, checkpoints };
    this.toolstack.most = checkpoints;
    this.#remember();
  }

  // What the guest does before its first access concerns nobody else.
  #toFirstAccess(): void {
    const { machine } = this;
    this.ledger.restart(this.#info);
    for (const { loop, parts } of this.seats) {
      loop.deadline = MOST_INSTRUCTIONS;
      try {
        loop.run();
      } catch (stop) {
        if (stop !== FIRST_ACCESS) throw stop;
        parts.cpu.rollback();
        continue;
      }
      throw new HvmError(
        'HVM_USAGE',
        `guest '${machine.guest.name}' accesses no device in its first ${parts.cpu.icount} instructions: there is nothing to explore`,
      );
    }
    this.#starting = false;
  }

  /** Back to where every run starts. */
  goToStart(): void {
    this.rewinder.restore(this.rewinder.start);
    this.toolstack.reset();
    this.irqSource.reset();
    for (const seat of this.seats) seat.reset(MOST_INSTRUCTIONS);
    this.observer.reset();
    this.restorer?.reset();
    this.history.reset();
    this.ledger.restart(this.#info);
  }

  /** A run begins, wherever the world was brought back to. */
  begin(): void {
    this.killer.reset();
    this.state.reset();
    for (const answers of this.answers) answers.forget();
    this.#judged = 0;
  }

  #judge(): void {
    const { checker } = this.ledger;
    if (!checker.failed) return;
    const { violations } = checker.report();
    for (; this.#judged < violations.length; this.#judged++) {
      const violation = violations[this.#judged];
      if (violation !== undefined) this.observer.judged(violation);
    }
  }

  /** What the CPU is given with its next entry is part of the guest's history. */
  released(seat: Seat): void {
    const { regs, cpu } = seat.parts;
    this.answers[seat.id]?.settled();
    if (!regs.pending || !seat.open) return;
    seat.open = false;
    this.history.add(0x40 | (regs.advanced ? 1 : 0) | (regs.answered ? 2 : 0));
    this.history.add(regs.answer);
    if (regs.advanced && cpu.exitDir === 1) this.#given(portAnswer(seat), seat);
  }

  #given(value: number, seat: Seat): void {
    this.observer.given(value, seat.id);
    this.onGiven?.(value, seat);
  }

  hit(point: PointName, curr: vcpu): void {
    if (this.#starting) return;
    const seat = this.seats[curr.vcpu_id] as Seat;
    const { p } = curr.arch.hvm;
    // A broadcast is filled from a request of its own, and no access.
    if (point === 'send_filled' && p.vp_eport !== 0) seat.parts.books?.sending(curr, p);
    this.#passage.pass(PLACE_OF.get(point) as number, seat);
  }

  /**
   * A step of one that is no vCPU.
   * @param hashing - whether state hashes are needed
   */
  step(actor: number, hashing: boolean): void {
    if (actor === TOOLSTACK) this.toolstack.step();
    else if (actor === IRQ_SOURCE) this.irqSource.step();
    else if (actor >= FIRST_KILLER) this.#kill(actor - FIRST_KILLER);
    else this.#serverStep(serverOf(actor), hashing);
  }

  #serverStep(i: number, hashing: boolean): void {
    const server = this.machine.servers[i];
    if (server === undefined) return;
    if (hashing) this.state.serverSteps(i, this.history, this.#scratch);
    server.step();
    if (hashing) this.state.serverStepped(i);
  }

  /** Device model `i` dies, or its server is destroyed: a step of that. */
  #kill(i: number): void {
    this.rewinder.keepServers();
    this.rewinder.touch(i);
    this.killer.step(i);
    this.observer.killed();
  }

  [Symbol.dispose](): void {
    this.restorer?.[Symbol.dispose]();
    this.machine[Symbol.dispose]();
  }
}
