// SPDX-License-Identifier: GPL-2.0-only
// The world that is explored: one machine forked from a snapshot for each run, and a decision wherever several actors
// could go on: at each preemption point of the vCPU's path, between the steps of device models and toolstack.
//
// The vCPU's path is plain functions. The steps of the others run nested inside a point, so any number of them can come
// between any two operations of the vCPU, in any order: with one vCPU these are all the orders there are.

import { ScriptedCpu, type ScriptInsn } from '../cpu/scripted.ts';
import type { AccessEvent } from '../dm/request.ts';
import type { StartInfo } from '../ledger/events.ts';
import { chooseDevices } from '../machine/choose-devices.ts';
import { loadGuest } from '../machine/loader.ts';
import { Machine } from '../machine/machine.ts';
import { RunLoop } from '../machine/run-loop.ts';
import { TeeTracer } from '../machine/tee-tracer.ts';
import { revisionOf } from '../toolstack/museum/index.ts';
import { testimonyViolations } from '../toolstack/stress.ts';
import { HvmError } from '../util/errors.ts';
import type { PointName, Points } from '../xen/common/points.ts';
import { type vcpu, vcpu_runnable } from '../xen/common/sched.ts';
import type { Tracer } from '../xen/common/trace.ts';
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
import { howItEnded } from './ending.ts';
import { HistoryHash, StateHash } from './hash.ts';
import { HashingInsnCpu } from './hashing-insn-cpu.ts';
import { INVARIANTS, type Invariant, type RunEnd } from './invariants.ts';
import { type Finding, Observer } from './observer.ts';
import { VcpuPlace } from './place.ts';
import { StartState } from './reset.ts';
import { FIRST_SERVER, type Scenario, TOOLSTACK, VCPU } from './scenario.ts';
import { WorldState } from './state.ts';
import { AT_REST, ToolstackActor } from './toolstack.ts';

/** Opportunities after which a run counts as unending. */
const MOST_OPPORTUNITIES = 4000;
/** Instructions of the guest after which it counts as having no further access. */
const MOST_INSTRUCTIONS = 200_000;
/** Thrown once no more is to be learnt. */
const OVER: { readonly name: 'over' } = { name: 'over' };

export class Arena implements Points, Disposable {
  scenario: Scenario;
  readonly machine: Machine;
  readonly insnCpu: HashingInsnCpu;
  readonly toolstack: ToolstackActor;
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
  readonly #loop: RunLoop;
  readonly #start: StartState;
  readonly #world: WorldState;
  readonly #place: VcpuPlace;
  readonly #scratch = new StateHash();
  readonly #info: StartInfo;
  #chooser: Chooser = (d) => d.options[0] as number;
  #current = VCPU;
  #opportunities = 0;
  #starting = true;
  /** By server: its devices may have changed in this run. */
  readonly #touched: boolean[] = [];
  #judged = 0;

  /**
   * @param trace - hears the port besides
   * @param script - for the scripted CPU; null: the real one
   * @throws HvmError for a guest or devices that cannot be, or a guest that accesses no device
   */
  constructor(
    scenario: Scenario,
    invariants: readonly Invariant[] = INVARIANTS,
    trace: ((arena: Arena) => Tracer) | null = null,
    script: readonly ScriptInsn[] | null = null,
  ) {
    this.scenario = scenario;
    const guest = loadGuest(scenario.guest, { iterations: 0, ...scenario.load });
    this.observer = new Observer(invariants, this.history);
    this.ledger = new DirectLedger(this.history, () => this.#judge());
    const tracer = trace === null ? this.observer : new TeeTracer([this.observer, trace(this)]);
    this.machine = new Machine({
      ...(script === null ? {} : { cpu: (ram) => new ScriptedCpu(script, ram) }),
      guest,
      devices: chooseDevices(guest, scenario.devices),
      revision: scenario.bug ? revisionOf(scenario.bug) : scenario.revision,
      ledger: this.ledger,
      points: this,
      trace: tracer,
    });
    const { machine } = this;
    try {
      if (machine.servers.length > 10) {
        throw new HvmError(
          'HVM_USAGE',
          `${machine.servers.length} device models: at most 10 can be explored`,
        );
      }
      this.#loop = new RunLoop(machine);
      const faults = scenario.bug?.faults ?? {};
      this.toolstack = new ToolstackActor(machine, scenario.checkpoints, faults, {
        settling: () => {
          this.#released();
          // Devices are put to sleep.
          this.#touched.fill(true);
        },
        saved: (n, problems) => this.observer.captured(n, problems),
        captured: (n, problems) => {
          this.ledger.checkpoint(n, 'explored');
          this.observer.captured(n, problems);
        },
        resumed: (n) => this.ledger.resume(n),
      });
      this.insnCpu = new HashingInsnCpu(machine.insnCpu, this.history);
      machine.vcpu.arch.hvm.cpu = this.insnCpu;
      this.#world = new WorldState(machine, this.toolstack);
      this.#place = new VcpuPlace(this.#world, this.history);
      this.#listen();
      this.#info = {
        guest: guest.name,
        revision: scenario.revision,
        seed: 0,
        vcpus: 1,
        devices: machine.ledgerDevices,
      };
      this.#toFirstAccess();
      this.#start = new StartState(machine);
      this.#touched.push(...machine.servers.map(() => true));
      this.#loop.onEnter = () => this.#enter();
      this.#loop.onIdle = () => this.#idle();
    } catch (error) {
      machine[Symbol.dispose]();
      throw error;
    }
  }

  /** For stories. */
  onAccess: ((event: AccessEvent) => void) | null = null;
  onAnswered: (() => void) | null = null;
  onBegun: ((insn: number) => void) | null = null;
  onSettled: ((retired: boolean) => void) | null = null;

  get findings(): readonly Finding[] {
    return this.observer.findings;
  }

  /** Each access can happen again at each checkpoint; a guest can go on a little. */
  #remember(): void {
    const { ios, checkpoints } = this.scenario;
    this.ledger.remembered = Math.min(256, 16 + (ios + 2) * (checkpoints + 1));
  }

  #listen(): void {
    this.#remember();
    const { machine } = this;
    const { books } = machine;
    for (const [i, server] of machine.servers.entries()) {
      server.onAccess = (event: AccessEvent) => {
        this.#touched[i] = true;
        books?.onAccess(event);
        this.observer.access(event);
        this.onAccess?.(event);
      };
      server.onAnswered = () => this.onAnswered?.();
    }
    if (books !== null) {
      books.early = true;
      books.onBegun = (insn) => {
        if (this.#starting) throw OVER;
        this.observer.begun(insn);
        this.onBegun?.(insn);
        this.#pass(EXIT);
      };
      books.onSettled = (retired) => {
        this.observer.settled(retired);
        this.onSettled?.(retired);
      };
    }
  }

  /** The same world, with so many accesses and checkpoints. */
  resize(ios: number, checkpoints: number): void {
    this.scenario = { ...this.scenario, ios, checkpoints };
    this.toolstack.most = checkpoints;
    this.#remember();
  }

  // What the guest does before its first access concerns nobody else: every run starts behind it.
  #toFirstAccess(): void {
    const { machine } = this;
    this.ledger.restart(this.#info);
    this.#loop.deadline = MOST_INSTRUCTIONS;
    try {
      this.#loop.run();
    } catch (stop) {
      if (stop !== OVER) throw stop;
      machine.cpu.rollback();
      this.#starting = false;
      return;
    }
    throw new HvmError(
      'HVM_USAGE',
      `guest '${machine.guest.name}' accesses no device in its first ${machine.cpu.icount} instructions: there is nothing to explore`,
    );
  }

  /** One run from the start. What it broke is in `findings` until the next one. */
  run(chooser: Chooser): RunResult {
    const { machine, decision, history } = this;
    this.#chooser = chooser;
    this.#start.restore(this.#touched);
    this.#touched.fill(false);
    this.toolstack.reset();
    this.#loop.forget();
    this.#world.reset();
    this.observer.reset();
    history.reset();
    this.ledger.restart(this.#info);
    this.#judged = 0;
    this.#current = VCPU;
    this.#opportunities = 0;
    decision.n = 0;
    decision.preemptions = 0;
    this.#boundary();
    this.#loop.deadline = machine.cpu.icount + MOST_INSTRUCTIONS;
    try {
      const [why, detail] = howItEnded(this.#loop.run(), machine, this.#finished);
      if (why === 'done') this.ledger.close(machine.witnesses());
      this.#end(why, detail);
    } catch (stop) {
      if (stop === CUT) return this.#result('cut');
      if (stop !== OVER) throw stop;
      this.#end('unending', 'the guest does not come to an end: the same goes round and round');
      return this.#result('unending');
    }
    return this.#result(this.#why);
  }

  #why: RunEnd['why'] = 'done';

  #result(end: RunResult['end']): RunResult {
    return { end, decisions: this.decision.n, preemptions: this.decision.preemptions };
  }

  #end(why: RunEnd['why'], detail: string): void {
    const { machine, toolstack } = this;
    this.#why = why;
    const end: RunEnd = {
      why,
      detail,
      midCheckpoint: toolstack.at !== AT_REST,
      verdict: machine.verdict,
      testimony: testimonyViolations(machine.testimonies(), 0),
      vcpu: machine.vcpu,
    };
    this.observer.ended(end, this.ledger.checker.report());
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

  #finished = false;

  /** The vCPU is about to enter the guest. */
  #enter(): boolean {
    this.#released();
    this.#finished = false;
    const done = this.ledger.retiredRequests - this.scenario.ios;
    if (done >= 0) {
      if (this.toolstack.at === AT_REST) {
        this.#finished = true;
        return false;
      }
      // A shutdown that nobody heeds: the guest has one more chance to.
      if (done >= 2) return false;
    }
    this.#opportunity(ENTER);
    this.#boundary();
    return true;
  }

  /** What the CPU is given with its next entry is part of the guest's history. */
  #released(): void {
    const { regs } = this.machine;
    if (!regs.pending) return;
    this.history.add(0x40 | (regs.advanced ? 1 : 0) | (regs.answered ? 2 : 0));
    this.history.add(regs.answer);
  }

  /** The vCPU cannot go on. */
  #idle(): boolean {
    const went = this.#opportunity(IDLE);
    this.#boundary();
    return went;
  }

  hit(point: PointName, curr: vcpu): void {
    if (this.#starting) return;
    const { p } = curr.arch.hvm;
    // A broadcast is filled from a request of its own, and no access.
    if (point === 'send_filled' && p.vp_eport !== 0) this.machine.books?.sending(curr, p);
    this.#pass(PLACE_OF.get(point) as number);
  }

  /** A place inside the vCPU's path. */
  #pass(place: number): void {
    this.#place.passes();
    const before = this.#opportunities;
    const ran = this.#opportunity(place);
    if (before === this.#opportunities || !this.hashing) return;
    // Only if others have run does the vCPU find something else than it left.
    if (!ran) return;
    this.#place.resumes();
  }

  /** The vCPU stands between two calls. */
  #boundary(): void {
    if (this.hashing) this.#place.boundary();
  }

  /** The state at the decision under way. */
  stateKey(): number {
    return this.#place.key(this.decision.place, this.decision.current);
  }

  /**
   * Lets others run here as long as the chooser wants.
   * @returns in the vCPU's path: whether others ran. Idle: whether the vCPU can go on
   */
  #opportunity(place: number): boolean {
    const { vcpu: v, domain: d, servers } = this.machine;
    const { decision, toolstack } = this;
    const idle = place === IDLE;
    const { options } = decision;
    let ran = false;
    for (;;) {
      if (++this.#opportunities > MOST_OPPORTUNITIES) throw OVER;
      const mine = !idle || vcpu_runnable(v) || d.crashed !== null;
      let count = 0;
      if (mine) options[count++] = VCPU;
      for (let i = 0; i < servers.length; i++) {
        if (servers[i]?.runnable()) options[count++] = FIRST_SERVER + i;
      }
      if (toolstack.enabled()) options[count++] = TOOLSTACK;
      if (count === 0) return false;
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
      if (choice === VCPU) {
        if (ran || idle) this.listener?.turn(VCPU, place);
        return idle ? true : ran;
      }
      this.listener?.turn(choice, place);
      ran = true;
      if (choice === TOOLSTACK) toolstack.step();
      else this.#serverStep(choice - FIRST_SERVER);
      this.listener?.stepped?.(choice);
    }
  }

  #serverStep(i: number): void {
    const server = this.machine.servers[i];
    if (server === undefined) return;
    if (this.hashing) this.#world.serverSteps(i, this.history, this.#scratch);
    server.step();
    if (this.hashing) this.#world.serverStepped(i);
  }

  [Symbol.dispose](): void {
    this.machine[Symbol.dispose]();
  }
}
