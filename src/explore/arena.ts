// SPDX-License-Identifier: GPL-2.0-only
// Runs through an explored world, one after another, with a decision wherever several actors could go on: at each
// preemption point of a vCPU's path, and between the steps of all others.
//
// A vCPU's path is plain functions. The steps of the others run nested inside a point, so any number of them can come
// between any two operations of the vCPU, in any order: with one vCPU these are all the orders there are. With several,
// one vCPU's call lies within a point of the other's, or between two of its calls; docs/explore.md says what that leaves.

import { clearList } from '../util/lists.ts';
import type { Tracer } from '../xen/common/trace.ts';
import {
  type Chooser,
  CUT,
  type Decision,
  ENTER,
  IDLE,
  type RunResult,
  type StepListener,
} from './decision.ts';
import { Ending } from './ending.ts';
import { StateHash } from './hash.ts';
import { INVARIANTS, type Invariant, type RunEnd } from './invariants.ts';
import { Lineup, putFirst } from './lineup.ts';
import type { Finding } from './observer.ts';
import { type Scenario, VCPU, vcpuOf } from './scenario.ts';
import type { Seat } from './seat.ts';
import { AT_REST } from './toolstack.ts';
import type { Reference } from './undisturbed.ts';
import { type Progress, Waymarks } from './waymarks.ts';
import { BEYOND, type Passage, World } from './world.ts';

/** Opportunities after which a run counts as unending. */
const MOST_OPPORTUNITIES = 4000;
/** Thrown once no more is to be learnt; the run's end is noted. */
const OVER: { readonly name: 'over' } = { name: 'over' };

export class Arena implements Passage, Disposable {
  readonly world: World;
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
  readonly #waymarks: Waymarks;
  readonly #lineup: Lineup;
  readonly #ending: Ending;
  readonly #progress: Progress = { n: 0, preemptions: 0, current: VCPU, opportunities: 0 };
  readonly #scratch = new StateHash();
  #chooser: Chooser = (d) => d.options[0] as number;
  #current = VCPU;
  #opportunities = 0;
  /** vCPUs inside a call, the one that is running last. */
  readonly #stack: Seat[] = [];
  /** Whether places of this run are saved for later ones. */
  #saves = false;
  /** Steps of others than the vCPU at whose place they were made. */
  #switches = 0;

  /**
   * @param trace - hears the port besides
   * @param reference - what the guest does undisturbed; null: nothing to compare with, and the CPU is the real one
   * @throws HvmError as `World` does
   */
  constructor(
    scenario: Scenario,
    invariants: readonly Invariant[] = INVARIANTS,
    trace: ((world: World) => Tracer) | null = null,
    reference: Reference | null = null,
  ) {
    this.world = new World(scenario, invariants, reference, trace, this);
    // A place is saved between two instructions, and this fault is about a CPU that is not.
    this.#waymarks = new Waymarks(this.world, scenario.bug?.faults?.stopReplays !== true);
    this.#lineup = new Lineup(this.world);
    this.#ending = new Ending(this.world);
  }

  get findings(): readonly Finding[] {
    return this.world.observer.findings;
  }

  /** The same world, with so many accesses and checkpoints. */
  resize(ios: number, checkpoints: number): void {
    this.world.resize(ios, checkpoints);
    this.#waymarks.resize();
  }

  /**
   * One run. What it broke is in `findings` until the next one.
   * @param shared - its first decisions, as many, are made as in the last run; it may then go on from the middle of that,
   *   and the chooser is asked for later ones only. Null: nothing is known, and the next run starts from the beginning, too
   */
  run(chooser: Chooser, shared: number | null = null): RunResult {
    const { world, decision } = this;
    this.#chooser = chooser;
    this.#saves = shared !== null && world.history.tape === null;
    if (shared === null) this.#waymarks.forget();
    const from = shared === null ? null : this.#waymarks.goBack(shared);
    if (from === null) world.goToStart();
    world.begin();
    clearList(this.#stack);
    this.#current = from?.current ?? VCPU;
    this.#opportunities = from?.opportunities ?? 0;
    decision.n = from?.n ?? 0;
    decision.preemptions = from?.preemptions ?? 0;
    try {
      // Scheduled for the first time.
      if (from === null) for (const seat of world.seats) this.#segment(seat);
      for (let seat = this.#next(); seat !== null; seat = this.#next()) this.#segment(seat);
      return this.#result(this.#ending.why);
    } catch (stop) {
      if (stop === CUT) return this.#result('cut');
      if (stop !== OVER) throw stop;
      return this.#result(this.#ending.why);
    }
  }

  #result(end: RunResult['end']): RunResult {
    return { end, decisions: this.decision.n, preemptions: this.decision.preemptions };
  }

  /** The run is over from inside a call. */
  #end(why: RunEnd['why'], detail: string): never {
    this.#ending.tell(why, detail);
    throw OVER;
  }
  #ended(why: RunEnd['why'], detail: string): null {
    this.#ending.tell(why, detail);
    return null;
  }

  /** The world is saved here, if it can be, and later runs may go on from here. */
  #mayBeSaved(): void {
    if (!this.#saves || this.world.killer.any) return;
    const { decision } = this;
    const progress = this.#progress;
    progress.n = decision.n;
    progress.preemptions = decision.preemptions;
    progress.current = this.#current;
    progress.opportunities = this.#opportunities;
    this.#waymarks.pass(progress);
  }

  /** Nobody is inside a call: others run as long as the chooser wants. @returns the vCPU that goes on; null: the end */
  #next(): Seat | null {
    const { world } = this;
    const { seats, toolstack } = world;
    const rests = toolstack.at === AT_REST;
    let done = rests;
    for (const seat of seats) {
      if (!seat.parts.vcpu.in_guest) {
        done = false;
        continue;
      }
      world.released(seat);
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
    const { machine, history, irqSource, seats } = this.world;
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
      history.add(0x90 + 0x100 * seat.id);
      seat.halted = !(this.onHalted?.(seat) ?? false);
      if (seat.halted && !irqSource.enabled() && seats.length === 1)
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

  /** A place inside a vCPU's path. */
  pass(place: number, seat: Seat): void {
    seat.place.passes();
    const before = this.#switches;
    this.#opportunity(place, seat);
    // Only if others have run does the vCPU find something else than it left.
    if (this.hashing && before !== this.#switches) seat.place.resumes();
  }

  /** The state at the decision under way, whoever ran last. */
  stateKey(): number {
    const { history, state } = this.world;
    const h = this.#scratch;
    h.reset();
    for (const seat of this.#stack) {
      h.add(seat.id);
      seat.place.addTo(h);
    }
    h.add(this.decision.place);
    state.addTo(h);
    h.add(history.a);
    h.add(history.b);
    return h.key();
  }

  /**
   * Lets others run here as long as the chooser wants.
   * @param top - whose place it is; null: nobody's, all are between two calls
   * @returns the vCPU that goes on: `top` if there is one; null: nobody can
   */
  #opportunity(place: number, top: Seat | null): Seat | null {
    const { decision, world } = this;
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
        decision.preempting = putFirst(options, count, last);
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
        const seat = world.seats[id] as Seat;
        if (startedAt !== this.#switches || place === IDLE || choice !== last)
          this.listener?.turn(choice, place);
        if (top === null || seat === top) return seat;
        this.#switches++;
        this.#segment(seat);
        if (seat.parts.vcpu.in_guest) world.released(seat);
        continue;
      }
      this.listener?.turn(choice, place);
      this.#switches++;
      world.step(choice, this.hashing);
      this.listener?.stepped?.(choice);
    }
  }

  [Symbol.dispose](): void {
    this.world[Symbol.dispose]();
  }
}
