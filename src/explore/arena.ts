// SPDX-License-Identifier: GPL-2.0-only
// The world that is explored: one machine forked from a snapshot for each run, and a decision wherever several actors
// could go on: at each preemption point of a vCPU's path, and between the steps of all others.
//
// A vCPU's path is plain functions. The steps of the others run nested inside a point, so any number of them can come
// between any two operations of the vCPU, in any order: with one vCPU these are all the orders there are. With several,
// one vCPU's call lies within a point of the other's, or between two of its calls; docs/explore.md says what that leaves.

import type { AccessEvent } from '../dm/request.ts';
import type { StartInfo } from '../ledger/events.ts';
import type { LedgerReport } from '../ledger/live-checker.ts';
import type { Machine } from '../machine/machine.ts';
import { TeeTracer } from '../machine/tee-tracer.ts';
import { addComplaints, type StressViolation } from '../toolstack/stress.ts';
import { HvmError } from '../util/errors.ts';
import { clearList } from '../util/lists.ts';
import type { PointName, Points } from '../xen/common/points.ts';
import type { vcpu } from '../xen/common/sched.ts';
import type { Tracer } from '../xen/common/trace.ts';
import { Answers, portAnswer } from './answers.ts';
import {
  type Chooser,
  CUT,
  type Decision,
  ENTER,
  EXIT,
  IDLE,
  PLACE_OF,
  type RunResult,
  type StepListener,
} from './decision.ts';
import { DirectLedger } from './direct-ledger.ts';
import { explorableMachine } from './explorable-machine.ts';
import { HistoryHash, StateHash } from './hash.ts';
import { INVARIANTS, type Invariant, type RunEnd } from './invariants.ts';
import { IrqSource } from './irq-source.ts';
import { Killer } from './killer.ts';
import { Lineup } from './lineup.ts';
import { type Finding, Observer } from './observer.ts';
import { Restorer } from './restorer.ts';
import { Rewinder } from './rewinder.ts';
import {
  extrasOf,
  FIRST_KILLER,
  IRQ_SOURCE,
  type Scenario,
  serverOf,
  TOOLSTACK,
  VCPU,
  vcpuOf,
} from './scenario.ts';
import { Seat } from './seat.ts';
import { WorldState } from './state.ts';
import { AT_REST, ToolstackActor } from './toolstack.ts';
import type { Reference } from './undisturbed.ts';
import { type Progress, Waymarks } from './waymarks.ts';

/** Opportunities after which a run counts as unending. */
const MOST_OPPORTUNITIES = 4000;
/** Instructions of the guest after which it counts as having no further access. */
const MOST_INSTRUCTIONS = 200_000;
/** Accesses that a guest may make beyond those asked for, under a shutdown that nobody heeds. */
const BEYOND = 2;
/** Thrown once no more is to be learnt; the run's end is noted. */
const OVER: { readonly name: 'over' } = { name: 'over' };

export class Arena implements Points, Disposable {
  scenario: Scenario;
  readonly machine: Machine;
  readonly seats: readonly Seat[];
  readonly toolstack: ToolstackActor;
  readonly killer: Killer;
  readonly irqSource: IrqSource;
  readonly observer: Observer;
  readonly ledger: DirectLedger;
  readonly history: HistoryHash = new HistoryHash();
  readonly decision: Decision = {
    n: 0,
    place: 0,
    current: VCPU,
    options: [],
    count: 0,
    preempting: false,
    preemptions: 0,
  };
  /** For stories; null costs nothing. */
  listener: StepListener | null = null;
  /** Whether state hashes are needed: they cost about as much as the run. */
  hashing = true;
  /** A vCPU waits in HLT for ever, unless something is done about it: true, and it is looked at again. */
  onHalted: ((seat: Seat) => boolean) | null = null;
  readonly #rewinder: Rewinder;
  readonly #waymarks: Waymarks;
  readonly #lineup: Lineup;
  readonly #progress: Progress = { n: 0, preemptions: 0, current: VCPU, opportunities: 0 };
  readonly #world: WorldState;
  readonly #restorer: Restorer | null = null;
  readonly #scratch = new StateHash();
  readonly #info: StartInfo;
  #chooser: Chooser = (d) => d.options[0] as number;
  #current = VCPU;
  #opportunities = 0;
  #starting = true;
  /** vCPUs inside a call, the one that is running last. */
  readonly #stack: Seat[] = [];
  /** By vCPU. */
  readonly #answers: Answers[] = [];
  #judged = 0;
  /** Whether places of this run are saved for later ones. */
  #saves = false;
  #why: RunEnd['why'] = 'done';

  /**
   * @param trace - hears the port besides
   * @param reference - what the guest does undisturbed; null: nothing to compare with, and the CPU is the real one
   * @throws HvmError for a guest or devices that cannot be, or a guest that accesses no device
   */
  constructor(
    scenario: Scenario,
    invariants: readonly Invariant[] = INVARIANTS,
    trace: ((arena: Arena) => Tracer) | null = null,
    reference: Reference | null = null,
  ) {
    this.scenario = scenario;
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
      this.#world = new WorldState(machine, this.toolstack, this.killer, this.irqSource);
      this.seats = machine.vcpus.map((it) => new Seat(machine, it, this.#world, this.history));
      this.#listen();
      this.#info = {
        guest: machine.guest.name,
        revision: scenario.revision,
        seed: 0,
        vcpus,
        devices: machine.ledgerDevices,
      };
      this.#toFirstAccess();
      this.#rewinder = new Rewinder(machine);
      for (const seat of this.seats) seat.attach();
      // Several vCPUs may share a device, whose answers then depend on their order.
      const restores = reference !== null && this.observer.restores && vcpus === 1;
      this.#restorer = restores ? new Restorer(this, reference, this.#rewinder) : null;
      this.#waymarks = this.#newWaymarks();
      this.#lineup = new Lineup(this);
    } catch (error) {
      machine[Symbol.dispose]();
      throw error;
    }
  }

  /** For stories and records. */
  onAccess: ((event: AccessEvent, server: number) => void) | null = null;
  onAnswered: (() => void) | null = null;
  onBegun: ((insn: number, seat: Seat) => void) | null = null;
  onSettled: ((retired: boolean, seat: Seat) => void) | null = null;
  onGiven: ((value: number, seat: Seat) => void) | null = null;

  get findings(): readonly Finding[] {
    return this.observer.findings;
  }

  #newToolstack(): ToolstackActor {
    const { machine, scenario } = this;
    return new ToolstackActor(machine, scenario.checkpoints, scenario.bug?.faults ?? {}, {
      settling: () => {
        for (const seat of this.seats) this.#released(seat);
        // Devices are put to sleep.
        this.#rewinder.touchAll();
      },
      devicesSaved: () => this.#restorer?.devicesSaved(),
      saved: (n, problems) => this.observer.captured(n, problems),
      captured: (n, problems) => {
        this.ledger.checkpoint(n, 'explored');
        this.observer.captured(n, problems);
        if (this.#restorer === null || this.findings.length > 0 || this.killer.any) return;
        const wrong = this.#restorer.check(this.history.key());
        if (wrong !== null) this.observer.restored(n, wrong);
      },
      resumed: (n) => this.ledger.resume(n),
    });
  }

  #newWaymarks(): Waymarks {
    const { machine, seats, toolstack, irqSource, observer, ledger, history, scenario } = this;
    const rewinder = this.#rewinder;
    const restorer = this.#restorer;
    const answers = this.#answers;
    return new Waymarks(
      {
        machine,
        rewinder,
        seats,
        answers,
        toolstack,
        irqSource,
        observer,
        ledger,
        history,
        restorer,
      },
      // A place is saved between two instructions, and this fault is about a CPU that is not.
      scenario.bug?.faults?.stopReplays !== true,
    );
  }

  /** Each access can happen again at each checkpoint; a guest can go on a little. */
  #remember(): void {
    const { ios, checkpoints } = this.scenario;
    const most = 16 + (ios + BEYOND) * (checkpoints + 1) * this.seats.length;
    this.ledger.remembered = Math.min(256, most);
  }

  #listen(): void {
    this.#remember();
    const { machine } = this;
    for (const [i, server] of machine.servers.entries()) {
      server.onAccess = (event: AccessEvent) => {
        this.#rewinder.touch(i);
        this.#restorer?.saw(i);
        machine.vcpus[event.vcpu]?.books?.onAccess(event);
        this.observer.access(event);
        this.onAccess?.(event, i);
      };
      server.onAnswered = () => this.onAnswered?.();
    }
    for (const seat of this.seats) {
      const { books } = seat.parts;
      this.#answers.push(new Answers(machine, seat, (value) => this.#given(value, seat)));
      if (books === null) continue;
      books.early = true;
      books.onBegun = (insn) => {
        if (this.#starting) throw OVER;
        seat.open = true;
        this.observer.begun(insn, seat.id);
        this.onBegun?.(insn, seat);
        this.#pass(EXIT, seat);
      };
      books.onSettled = (retired) => {
        this.observer.settled(retired, seat.id);
        this.onSettled?.(retired, seat);
      };
    }
  }

  #given(value: number, seat: Seat): void {
    this.observer.given(value, seat.id);
    this.onGiven?.(value, seat);
  }

  /** The same world, with so many accesses and checkpoints. */
  resize(ios: number, checkpoints: number): void {
    this.scenario = { ...this.scenario, ios, checkpoints };
    this.toolstack.most = checkpoints;
    this.#remember();
    this.#waymarks.resize();
  }

  // What the guest does before its first access concerns nobody else: every run starts behind it.
  #toFirstAccess(): void {
    const { machine } = this;
    this.ledger.restart(this.#info);
    for (const { loop, parts } of this.seats) {
      loop.deadline = MOST_INSTRUCTIONS;
      try {
        loop.run();
      } catch (stop) {
        if (stop !== OVER) throw stop;
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

  /**
   * One run. What it broke is in `findings` until the next one.
   * @param shared - its first decisions, as many, are made as in the last run; it may then go on from the middle of that,
   *   and the chooser is asked for later ones only. Null: nothing is known, and the next run starts from the beginning, too
   */
  run(chooser: Chooser, shared: number | null = null): RunResult {
    this.#chooser = chooser;
    this.#saves = shared !== null && this.history.tape === null;
    if (shared === null) this.#waymarks.forget();
    const from = shared === null ? null : this.#waymarks.goBack(shared);
    if (from === null) this.#fromStart();
    this.killer.reset();
    this.#world.reset();
    for (const answers of this.#answers) answers.forget();
    clearList(this.#stack);
    this.#judged = 0;
    this.#current = from?.current ?? VCPU;
    this.#opportunities = from?.opportunities ?? 0;
    this.decision.n = from?.n ?? 0;
    this.decision.preemptions = from?.preemptions ?? 0;
    try {
      // Scheduled for the first time.
      if (from === null) for (const seat of this.seats) this.#segment(seat);
      for (let seat = this.#next(); seat !== null; seat = this.#next()) this.#segment(seat);
      return this.#result(this.#why);
    } catch (stop) {
      if (stop === CUT) return this.#result('cut');
      if (stop !== OVER) throw stop;
      return this.#result(this.#why);
    }
  }

  #fromStart(): void {
    this.#rewinder.restore(this.#rewinder.start);
    this.toolstack.reset();
    this.irqSource.reset();
    for (const seat of this.seats) seat.reset(MOST_INSTRUCTIONS);
    this.observer.reset();
    this.#restorer?.reset();
    this.history.reset();
    this.ledger.restart(this.#info);
  }

  /** The world is saved here, if it can be, and later runs may go on from here. */
  #mayBeSaved(): void {
    if (!this.#saves || this.killer.any) return;
    const { decision } = this;
    const progress = this.#progress;
    progress.n = decision.n;
    progress.preemptions = decision.preemptions;
    progress.current = this.#current;
    progress.opportunities = this.#opportunities;
    this.#waymarks.pass(progress);
  }

  #result(end: RunResult['end']): RunResult {
    return { end, decisions: this.decision.n, preemptions: this.decision.preemptions };
  }

  /** What the devices complain of. */
  #testimony(): RunEnd['testimony'] {
    const found: StressViolation[] = [];
    for (const { bus } of this.machine.servers) {
      for (const { device, label } of bus.attachments)
        addComplaints(found, label, device.witness(), 0);
    }
    return found;
  }

  readonly #report = (): LedgerReport => this.ledger.checker.report();

  /** The run is over from inside a call. */
  #end(why: RunEnd['why'], detail: string): never {
    this.#ended(why, detail);
    throw OVER;
  }
  #ended(why: RunEnd['why'], detail: string): null {
    const { machine, toolstack, irqSource } = this;
    this.#why = why;
    if (why === 'done') this.ledger.close(machine.witnesses());
    const end: RunEnd = {
      why,
      detail,
      midCheckpoint: toolstack.at !== AT_REST,
      verdict: machine.verdict,
      testimony: this.#testimony(),
      irqs: irqSource,
    };
    this.observer.ended(end, this.#report);
    return null;
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

  /** Nobody is inside a call: others run as long as the chooser wants. @returns the vCPU that goes on; null: the end */
  #next(): Seat | null {
    const { seats, toolstack } = this;
    const rests = toolstack.at === AT_REST;
    let done = rests;
    for (const seat of seats) {
      if (!seat.parts.vcpu.in_guest) {
        done = false;
        continue;
      }
      this.#released(seat);
      const beyond = this.#lineup.beyond(seat);
      if (beyond < 0) done = false;
      // A shutdown that nobody heeds: the guest has one more chance to.
      else if (beyond >= BEYOND)
        return this.#ended('unending', 'the guest goes on and on without finishing its accesses');
    }
    if (done) return this.#ended('done', '');
    this.#mayBeSaved();
    const last = seats[Math.max(vcpuOf(this.#current), 0)] as Seat;
    const seat = this.#opportunity(last.parts.vcpu.in_guest ? ENTER : IDLE, null);
    if (seat !== null) return seat;
    if (seats.some((it) => it.halted)) return this.#ended('halted', 'the guest has halted');
    const waits = seats.some((it) => it.parts.vcpu.blocked_in_xen);
    return this.#ended(
      'stuck',
      `the vCPU does not go on: ${waits ? 'it waits for a device model that has nothing to do' : 'it is paused'}`,
    );
  }

  /** Lets a vCPU run to its next place between two calls. */
  #segment(seat: Seat): void {
    const { machine } = this;
    const { vcpu: v } = seat.parts;
    if (this.hashing) seat.place.boundary();
    seat.active = true;
    seat.halted = false;
    seat.granted = v.in_guest;
    this.#stack.push(seat);
    const stop = seat.loop.run();
    this.#stack.pop();
    seat.active = false;
    if (stop === 'crashed') {
      this.#end('crashed', machine.domain.crashed?.reason ?? 'no reason recorded');
    } else if (stop === 'verdict') {
      this.#end('verdict', `the guest reports ${machine.verdict}`);
    } else if (stop === 'dead') {
      this.#end('halted', 'the guest has halted with interrupts off');
    } else if (stop === 'halted') {
      // Nothing else tells a guest that has come to its HLT from one that is still on its way there.
      this.history.add(0x90 + 0x100 * seat.id);
      seat.halted = !(this.onHalted?.(seat) ?? false);
      if (seat.halted && !this.irqSource.enabled() && this.seats.length === 1)
        this.#end('halted', 'the guest has halted');
    } else if (stop === 'deadline') {
      if (!seat.atEntry) {
        if (seat.parts.cpu.kind === 'scripted') this.#end('halted', 'the list of accesses ends');
        this.#end('unending', 'the guest goes on and on without finishing its accesses');
      }
      seat.atEntry = false;
    } else if (stop === 'stuck' && v.in_guest) {
      this.#end('stuck', 'the vCPU does not go on: it repeats one instruction');
    }
  }

  /** What the CPU is given with its next entry is part of the guest's history. */
  #released(seat: Seat): void {
    const { regs, cpu } = seat.parts;
    this.#answers[seat.id]?.settled();
    if (!regs.pending || !seat.open) return;
    seat.open = false;
    this.history.add(0x40 | (regs.advanced ? 1 : 0) | (regs.answered ? 2 : 0));
    this.history.add(regs.answer);
    if (regs.advanced && cpu.exitDir === 1) this.#given(portAnswer(seat), seat);
  }

  hit(point: PointName, curr: vcpu): void {
    if (this.#starting) return;
    const seat = this.seats[curr.vcpu_id] as Seat;
    const { p } = curr.arch.hvm;
    // A broadcast is filled from a request of its own, and no access.
    if (point === 'send_filled' && p.vp_eport !== 0) seat.parts.books?.sending(curr, p);
    this.#pass(PLACE_OF.get(point) as number, seat);
  }

  /** A place inside a vCPU's path. */
  #pass(place: number, seat: Seat): void {
    seat.place.passes();
    const before = this.#switches;
    this.#opportunity(place, seat);
    // Only if others have run does the vCPU find something else than it left.
    if (this.hashing && before !== this.#switches) seat.place.resumes();
  }
  /** Steps of others than the vCPU at whose place they were made. */
  #switches = 0;

  /** The state at the decision under way, whoever ran last. */
  stateKey(): number {
    const h = this.#scratch;
    h.reset();
    for (const seat of this.#stack) {
      h.add(seat.id);
      seat.place.addTo(h);
    }
    h.add(this.decision.place);
    this.#world.addTo(h);
    h.add(this.history.a);
    h.add(this.history.b);
    return h.key();
  }

  /**
   * Lets others run here as long as the chooser wants.
   * @param top - whose place it is; null: nobody's, all are between two calls
   * @returns the vCPU that goes on: `top` if there is one; null: nobody can
   */
  #opportunity(place: number, top: Seat | null): Seat | null {
    const { decision, toolstack } = this;
    const { options } = decision;
    const startedAt = this.#switches;
    for (;;) {
      if (++this.#opportunities > MOST_OPPORTUNITIES)
        this.#end('unending', 'the guest does not come to an end: the same goes round and round');
      const count = this.#lineup.fill(options, top);
      if (count === 0) return null;
      let choice = options[0] as number;
      const last = this.#current;
      if (count > 1) {
        // The one that ran last goes first: the default takes nothing from anybody.
        let at = 0;
        while (at < count && options[at] !== last) at++;
        decision.preempting = at < count;
        if (at > 0 && at < count) {
          for (let k = at; k > 0; k--) options[k] = options[k - 1] as number;
          options[0] = last;
        }
        decision.count = count;
        decision.place = place;
        decision.current = last;
        choice = this.#chooser(decision, this);
        decision.n++;
        if (decision.preempting && choice !== last) decision.preemptions++;
      }
      this.#current = choice;
      const id = vcpuOf(choice);
      if (id >= 0) {
        const seat = this.seats[id] as Seat;
        if (startedAt !== this.#switches || place === IDLE || choice !== last)
          this.listener?.turn(choice, place);
        if (top === null || seat === top) return seat;
        this.#switches++;
        this.#segment(seat);
        if (seat.parts.vcpu.in_guest) this.#released(seat);
        continue;
      }
      this.listener?.turn(choice, place);
      this.#switches++;
      if (choice === TOOLSTACK) toolstack.step();
      else if (choice === IRQ_SOURCE) this.irqSource.step();
      else if (choice >= FIRST_KILLER) this.#kill(choice - FIRST_KILLER);
      else this.#serverStep(serverOf(choice));
      this.listener?.stepped?.(choice);
    }
  }

  #kill(i: number): void {
    this.#rewinder.keepServers();
    this.#rewinder.touch(i);
    this.killer.step(i);
    this.observer.killed();
  }

  #serverStep(i: number): void {
    const server = this.machine.servers[i];
    if (server === undefined) return;
    if (this.hashing) this.#world.serverSteps(i, this.history, this.#scratch);
    server.step();
    if (this.hashing) this.#world.serverStepped(i);
  }

  [Symbol.dispose](): void {
    this.#restorer?.[Symbol.dispose]();
    this.machine[Symbol.dispose]();
  }
}
