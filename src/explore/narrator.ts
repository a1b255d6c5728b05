// SPDX-License-Identifier: GPL-2.0-only
// A run in plain words: who did what, step by step, with Xen's function names and what stood where afterwards.
import type { AccessEvent } from '../dm/request.ts';
import { TeeTracer } from '../machine/tee-tracer.ts';
import { requestWords } from '../toolstack/moments.ts';
import { Story } from '../toolstack/story.ts';
import type { vcpu } from '../xen/common/sched.ts';
import { NullTracer, type Tracer } from '../xen/common/trace.ts';
import { X86EMUL_NAMES, type x86emul_rc } from '../xen/hvm/x86_emulate.ts';
import {
  IOREQ_READ,
  type ioreq_t,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../xen/public/hvm_ioreq.ts';
import type { Arena } from './arena.ts';
import { PLACES, type StepListener } from './decision.ts';
import { KILLER_STEPS } from './killer.ts';
import { FIRST_KILLER, IRQ_SOURCE, serverOf, TOOLSTACK, VCPU, vcpuOf } from './scenario.ts';
import { AT_REST, TOOLSTACK_STEPS } from './toolstack.ts';
import { SLOT_NAMES } from './words.ts';
import type { World } from './world.ts';

/** What stands where after a step. */
export interface StepState {
  slot: string;
  /** The vCPU's own copy of the request. */
  latch: string;
  deferring: boolean;
  stopping: boolean;
  shutDown: boolean;
  pauseCount: number;
  blocked: boolean;
}

/** One thing that happened. */
export interface Step {
  /** Turn it belongs to, from 1: an actor's turn lasts until another one goes on. */
  turn: number;
  actor: string;
  /** Where the vCPU stood when the turn began. */
  place: string;
  text: string;
  state: StepState;
  /** Invariants found broken with this step. */
  broken: string[];
}

export class Narrator extends NullTracer implements StepListener {
  readonly steps: Step[] = [];
  readonly story: Story = new Story();
  readonly #world: World;
  /** Found broken by what is about to be told. */
  readonly #broken: string[] = [];
  /** By vCPU. */
  readonly #deferring: boolean[] = [];
  #turn = 1;
  #actor = VCPU;
  /** The vCPU that stands in the lanes' middle: the one that ran last. */
  #vcpu = 0;
  #place = 'enter';
  #served = -1;
  #slots: number[] = [];

  /** The world is about to be made: see `narrated()`. */
  constructor(world: World) {
    super();
    this.#world = world;
  }

  /** To be called once the world is whole. */
  attach(): void {
    const world = this.#world;
    const { machine, ledger, observer } = world;
    this.story.follow(machine.vcpu, () => ledger.events);
    world.onAccess = (event) => {
      if (event.vcpu <= 0) this.story.sawAccess(event);
      this.#access(event);
    };
    world.onAnswered = () => this.story.answered();
    world.onBegun = (insn, { id }) => {
      if (id === 0) this.story.exit(insn);
      this.#add(`the guest's instruction ${insn} leaves the guest at a device access`);
    };
    world.onSettled = (retired, { id }) => {
      if (id === 0) this.story.settled(retired);
      this.#add(
        retired
          ? 'the instruction retires, RIP has moved on'
          : 'RIP is still at the instruction: it is run again',
      );
    };
    observer.onFinding = () => {
      const { findings } = observer;
      this.#broken.push(findings[findings.length - 1]?.invariant ?? '');
    };
  }

  begin(): void {
    this.steps.length = 0;
    this.#broken.length = 0;
    this.#deferring.length = 0;
    this.#turn = 1;
    this.#actor = VCPU;
    this.#vcpu = 0;
    this.#place = 'enter';
    this.#served = -1;
  }

  /** What was found broken with the end of the run belongs to the last step. */
  finish(): void {
    this.steps.at(-1)?.broken.push(...this.#broken);
    this.#broken.length = 0;
  }

  turn(actor: number, place: number): void {
    if (actor !== this.#actor && this.steps.length > 0) this.#turn++;
    this.#actor = actor;
    this.#place = PLACES[place] ?? '';
    const { toolstack } = this.#world;
    if (actor === TOOLSTACK) {
      if (toolstack.at === AT_REST) {
        this.story.shutdown(toolstack.n + 1, 'explored', this.#place);
      } else if (toolstack.at === TOOLSTACK_STEPS.length - 1) this.story.captured(toolstack.n);
      this.#words = TOOLSTACK_STEPS[toolstack.at] ?? '';
      this.#before = this.steps.length;
    } else if (actor === IRQ_SOURCE) {
      this.#words = 'an edge on interrupt line 0';
      this.#before = this.steps.length;
    } else if (actor >= FIRST_KILLER) {
      const i = actor - FIRST_KILLER;
      this.#words = KILLER_STEPS[this.#world.killer.stage[i] ?? 0] ?? '';
      this.#before = this.steps.length;
    } else if (vcpuOf(actor) >= 0) this.#vcpu = vcpuOf(actor);
    else {
      this.#slots = this.#slotsOf(serverOf(actor));
      this.#served = this.steps.length;
    }
  }
  #words = '';
  #before = 0;

  stepped(actor: number): void {
    if (actor === TOOLSTACK || actor >= IRQ_SOURCE) {
      // What the step brought about is part of it.
      const parts = this.steps.splice(this.#before);
      this.#add([this.#words, ...parts.map(({ text }) => text)].join('; '));
      this.steps.at(-1)?.broken.push(...parts.flatMap(({ broken }) => broken));
      return;
    }
    const i = serverOf(actor);
    const now = this.#slotsOf(i);
    const vcpu = now.findIndex((state, id) => state !== this.#slots[id]);
    if (vcpu >= 0) {
      const of = now.length > 1 ? ` of vCPU ${vcpu}` : '';
      const [from, to] = [this.#slots[vcpu], now[vcpu]].map((state) => SLOT_NAMES[state ?? -1]);
      this.#add(`the slot${of} goes from ${from} to ${to}`);
    } else if (this.steps.length === this.#served) {
      this.#add(this.#quiet(this.#world.machine.servers[i]?.busy === true));
    }
  }

  /** States of a server's slots, by vCPU. */
  #slotsOf(server: number): number[] {
    const { vcpus, servers } = this.#world.machine;
    return vcpus.map((_, id) => servers[server]?.connection.ioreqPage.slot(id).state() ?? 0);
  }

  override start_deferral(v: vcpu, granted: boolean): void {
    this.#deferring[v.vcpu_id] = granted;
    this.#add(`vcpu_start_shutdown_deferral(): ${granted ? 'granted' : 'refused'}`);
  }
  override end_deferral({ vcpu_id }: vcpu): void {
    // It is called at every resume; only the end of a deferral is news.
    if (this.#deferring[vcpu_id] === true) this.#add('vcpu_end_shutdown_deferral()');
    this.#deferring[vcpu_id] = false;
  }
  override send(_v: vcpu, _id: number, p: ioreq_t, rc: x86emul_rc): void {
    this.#add(`hvm_send_ioreq(): ${requestWords(p)}: ${X86EMUL_NAMES[rc]}`);
  }
  override refused(): void {
    this.#add('hvmemul_do_io(): counts the request as not sent');
  }
  override do_pio(_v: vcpu, rc: x86emul_rc): void {
    this.#add(`handle_pio(): hvmemul_do_pio_buffer() gave ${X86EMUL_NAMES[rc]}`);
  }
  override response(_v: vcpu, _id: number, io_req: ioreq_t): void {
    const lost = io_req.state === STATE_IOREQ_NONE ? ', and thrown away: nothing is latched' : '';
    this.#add(`hvm_wait_for_io(): takes the response out of the slot${lost}`);
  }
  override deschedule(): void {
    this.#add('wait_on_xen_event_channel(): the vCPU leaves its CPU to wait');
  }
  override pause_nosync({ vcpu_id }: vcpu): void {
    const which = this.#world.seats.length > 1 ? `vCPU ${vcpu_id}` : 'the vCPU';
    this.#add(`${which} is paused for the shutdown`);
  }
  override finalised(): void {
    this.#add('the domain is shut down');
  }
  override crash(_d: unknown, reason: string): void {
    this.#add(`domain_crash(): ${reason}`);
  }

  /** A step that changed nothing to be seen. */
  #quiet(busy: boolean): string {
    const slot = Math.max(...this.#slots);
    const answered = slot === STATE_IORESP_READY || !busy;
    if (!busy) return answered ? 'signals the vCPU' : 'finds nothing to do';
    return slot === STATE_IOREQ_READY ? 'hears of the request' : 'puts its answer into the slot';
  }

  #access(event: AccessEvent): void {
    const verb = event.dir === IOREQ_READ ? 'answers' : 'receives';
    const of = event.count > 1 ? ` (element ${event.element + 1} of ${event.count})` : '';
    this.#add(`the device ${verb} ${event.data}${of}`);
  }

  #add(text: string): void {
    const { machine } = this.#world;
    const { domain: d } = machine;
    const v = machine.domain.vcpu[this.#vcpu] ?? machine.vcpu;
    let slot = STATE_IOREQ_NONE as number;
    for (const { connection } of machine.servers) {
      const state = connection.ioreqPage.slot(v.vcpu_id).state();
      if (state !== STATE_IOREQ_NONE) slot = state;
    }
    this.steps.push({
      turn: this.#turn,
      actor: this.#nameOf(this.#actor),
      place: this.#place,
      text,
      state: {
        slot: SLOT_NAMES[slot] ?? '?',
        latch: SLOT_NAMES[v.arch.hvm.hvm_io.io_req.state] ?? '?',
        deferring: v.defer_shutdown,
        stopping: d.is_shutting_down,
        shutDown: d.is_shut_down,
        pauseCount: v.pause_count + d.pause_count,
        blocked: v.blocked_in_xen,
      },
      broken: this.#broken.splice(0),
    });
  }

  #nameOf(actor: number): string {
    const { servers } = this.#world.machine;
    const vcpu = vcpuOf(actor);
    if (vcpu >= 0) return this.#world.seats.length > 1 ? `vCPU ${vcpu}` : 'vCPU';
    if (actor === TOOLSTACK) return 'toolstack';
    if (actor === IRQ_SOURCE) return 'interrupt source';
    const killed = actor >= FIRST_KILLER;
    const i = killed ? actor - FIRST_KILLER : serverOf(actor);
    const name = servers[i]?.name ?? '';
    // Of several of the same name the number tells which.
    const same = servers.filter((server) => server.name === name).length > 1;
    return `${killed ? 'killer of ' : ''}device model ${name}${same ? ` ${i}` : ''}`;
  }
}

/** What to give an arena so that it can be narrated, and the narrator. */
export function narrated(make: (trace: (world: World) => Tracer) => Arena): {
  arena: Arena;
  narrator: Narrator;
} {
  let narrator: Narrator | null = null;
  const arena = make((it) => {
    narrator = new Narrator(it);
    return new TeeTracer([narrator.story, narrator]);
  });
  const whole = narrator as Narrator | null;
  if (whole === null) throw new TypeError('an arena asks for its tracer');
  whole.attach();
  arena.listener = whole;
  return { arena, narrator: whole };
}
