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
import { FIRST_SERVER, TOOLSTACK, VCPU } from './scenario.ts';
import { AT_REST, TOOLSTACK_STEPS } from './toolstack.ts';
import { SLOT_NAMES } from './words.ts';

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
  readonly #arena: Arena;
  /** Found broken by what is about to be told. */
  readonly #broken: string[] = [];
  #deferring = false;
  #turn = 1;
  #actor = VCPU;
  #place = 'enter';
  #served = -1;
  #slot = 0;

  /** The arena is about to be made: see `narrated()`. */
  constructor(arena: Arena) {
    super();
    this.#arena = arena;
  }

  /** To be called once the arena is whole. */
  attach(): void {
    const arena = this.#arena;
    const { machine } = arena;
    arena.listener = this;
    this.story.follow(machine.vcpu, () => arena.ledger.events);
    arena.onAccess = (event) => {
      this.story.sawAccess(event);
      this.#access(event);
    };
    arena.onAnswered = () => this.story.answered();
    arena.onBegun = (insn) => {
      this.story.exit(insn);
      this.#add(`the guest's instruction ${insn} leaves the guest at a device access`);
    };
    arena.onSettled = (retired) => {
      this.story.settled(retired);
      this.#add(
        retired
          ? 'the instruction retires, RIP has moved on'
          : 'RIP is still at the instruction: it is run again',
      );
    };
    arena.observer.onFinding = () => {
      const { findings } = arena;
      this.#broken.push(findings[findings.length - 1]?.invariant ?? '');
    };
  }

  begin(): void {
    this.steps.length = 0;
    this.#broken.length = 0;
    this.#deferring = false;
    this.#turn = 1;
    this.#actor = VCPU;
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
    const { toolstack, machine } = this.#arena;
    if (actor === TOOLSTACK) {
      if (toolstack.at === AT_REST) {
        this.story.shutdown(toolstack.n + 1, 'explored', this.#place);
      } else if (toolstack.at === TOOLSTACK_STEPS.length - 1) this.story.captured(toolstack.n);
      this.#words = TOOLSTACK_STEPS[toolstack.at] ?? '';
      this.#before = this.steps.length;
    } else if (actor >= FIRST_SERVER) {
      const server = machine.servers[actor - FIRST_SERVER];
      this.#slot = server?.connection.ioreqPage.slot(0).state() ?? 0;
      this.#served = this.steps.length;
    }
  }
  #words = '';
  #before = 0;

  stepped(actor: number): void {
    if (actor === TOOLSTACK) {
      // What the step brought about is part of it.
      const parts = this.steps.splice(this.#before);
      this.#add([this.#words, ...parts.map(({ text }) => text)].join('; '));
      this.steps.at(-1)?.broken.push(...parts.flatMap(({ broken }) => broken));
      return;
    }
    const server = this.#arena.machine.servers[actor - FIRST_SERVER];
    const now = server?.connection.ioreqPage.slot(0).state() ?? 0;
    if (now !== this.#slot) {
      this.#add(`the slot goes from ${SLOT_NAMES[this.#slot] ?? '?'} to ${SLOT_NAMES[now] ?? '?'}`);
    } else if (this.steps.length === this.#served) {
      this.#add(this.#quiet(server?.busy === true));
    }
  }

  override start_deferral(_v: vcpu, granted: boolean): void {
    this.#deferring = granted;
    this.#add(`vcpu_start_shutdown_deferral(): ${granted ? 'granted' : 'refused'}`);
  }
  override end_deferral(): void {
    // It is called at every resume; only the end of a deferral is news.
    if (this.#deferring) this.#add('vcpu_end_shutdown_deferral()');
    this.#deferring = false;
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
  override pause_nosync(): void {
    this.#add('the vCPU is paused for the shutdown');
  }
  override finalised(): void {
    this.#add('the domain is shut down');
  }
  override crash(_d: unknown, reason: string): void {
    this.#add(`domain_crash(): ${reason}`);
  }

  /** A step that changed nothing to be seen. */
  #quiet(busy: boolean): string {
    const answered = this.#slot === STATE_IORESP_READY || !busy;
    if (!busy) return answered ? 'signals the vCPU' : 'finds nothing to do';
    return this.#slot === STATE_IOREQ_READY
      ? 'hears of the request'
      : 'puts its answer into the slot';
  }

  #access(event: AccessEvent): void {
    const verb = event.dir === IOREQ_READ ? 'answers' : 'receives';
    const of = event.count > 1 ? ` (element ${event.element + 1} of ${event.count})` : '';
    this.#add(`the device ${verb} ${event.data}${of}`);
  }

  #add(text: string): void {
    const { machine } = this.#arena;
    const { domain: d, vcpu: v } = machine;
    let slot = STATE_IOREQ_NONE as number;
    for (const { connection } of machine.servers) {
      const state = connection.ioreqPage.slot(0).state();
      if (state !== STATE_IOREQ_NONE) slot = state;
    }
    const server = machine.servers[this.#actor - FIRST_SERVER];
    this.steps.push({
      turn: this.#turn,
      actor:
        this.#actor === VCPU
          ? 'vCPU'
          : this.#actor === TOOLSTACK
            ? 'toolstack'
            : `device model ${server?.name ?? ''}`,
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
}

/** All that one actor did until another one went on. */
export interface Turn {
  n: number;
  actor: string;
  place: string;
  texts: string[];
  /** At its end. */
  state: StepState;
  broken: string[];
}

export function turnsOf(steps: readonly Step[]): Turn[] {
  const turns: Turn[] = [];
  for (const { turn, actor, place, text, state, broken } of steps) {
    const last = turns.at(-1);
    if (last?.n === turn) {
      last.texts.push(text);
      last.state = state;
      last.broken.push(...broken);
    } else turns.push({ n: turn, actor, place, texts: [text], state, broken: [...broken] });
  }
  return turns;
}

/** What to give an arena so that it can be narrated, and the narrator. */
export function narrated(make: (trace: (arena: Arena) => Tracer) => Arena): {
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
  return { arena, narrator: whole };
}
