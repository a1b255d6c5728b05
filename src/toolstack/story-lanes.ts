// SPDX-License-Identifier: GPL-2.0-only
// From the moments of one instruction to lanes: who did what to whom, which access went twice, and where books and
// world part. Every row is a recorded moment, or a decision that the moments around it leave no doubt about.
import type { Stage } from '../ledger/events.ts';
import type { LaneEvent, LaneState, LaneStory, SlotState } from '../ledger/lanes.ts';
import type { XenRevision } from '../xen/hvm/revision.ts';
import { X86EMUL_OKAY, X86EMUL_RETRY } from '../xen/hvm/x86_emulate.ts';
import { IOREQ_READ, STATE_IOREQ_NONE } from '../xen/public/hvm_ioreq.ts';
import { type Moment, requestWords, thrownAway, valueWords } from './moments.ts';
import * as rows from './story-rows.ts';

const SLOT_STATES: readonly SlotState[] = ['NONE', 'READY', 'INPROCESS', 'RESP_READY'];

const STAGES: Partial<Record<Moment['kind'], Stage>> = {
  access: 'issued',
  response: 'answered',
  settled: 'retired',
};

function stateOf(m: Moment): LaneState {
  return {
    slot: SLOT_STATES[m.slot] ?? 'NONE',
    latch: SLOT_STATES[m.latch] ?? 'NONE',
    deferring: m.deferring,
    stopping: m.stopping,
  };
}

function bookedBy(m: Moment): LaneEvent['ledger'] {
  const stage = STAGES[m.kind];
  if (stage === undefined || m.booked === 0 || (m.kind === 'settled' && !m.yes)) return null;
  return { stage, first: m.first, last: m.first + m.booked - 1 };
}

/** Builds the events in one pass; an attempt is one execution of the instruction. */
class Teller {
  readonly events: LaneEvent[] = [];
  readonly #moments: readonly Moment[];
  readonly #revision: XenRevision;
  /** Accesses a device has served, by their place in the instruction: the first event, and its attempt. */
  readonly #served = new Map<number, { event: LaneEvent; attempt: number }>();
  #attempt = 0;
  /** Requests sent in this attempt. */
  #sent = 0;
  #deferring = false;
  #announced = false;
  #servedNow = false;
  #lost = false;
  #value = '';

  constructor(moments: readonly Moment[], revision: XenRevision) {
    this.#moments = moments;
    this.#revision = revision;
  }

  tell(): LaneEvent[] {
    for (const [i, m] of this.#moments.entries()) this.#tell(m, i);
    return this.events;
  }

  #push(m: Moment, row: rows.Row): LaneEvent {
    const { lanes, label, text, xen, mark = null, parts = null } = row;
    const [from, to] = lanes;
    const state = stateOf(m);
    const event = { from, to, label, text, xen, state, mark, parts, ledger: bookedBy(m) };
    this.events.push(event);
    return event;
  }

  /** The first moment of one of these kinds behind `i`, within the same attempt. */
  #next(i: number, ...kinds: Moment['kind'][]): Moment | undefined {
    for (let k = i + 1; k < this.#moments.length; k++) {
      const m = this.#moments[k] as Moment;
      if (kinds.includes(m.kind)) return m;
      if (m.kind === 'exit') return undefined;
    }
    return undefined;
  }

  #tell(m: Moment, i: number): void {
    switch (m.kind) {
      case 'exit':
        this.#attempt++;
        this.#sent = 0;
        this.#deferring = this.#announced = this.#servedNow = this.#lost = false;
        this.#push(m, rows.exitRow(this.#next(i, 'send', 'refused'), this.#attempt > 1));
        break;
      case 'deferral':
        this.#deferring = m.yes;
        this.#announced = false;
        this.#push(m, rows.deferralRow(m.yes));
        break;
      case 'send':
        this.#send(m, i);
        break;
      case 'refused':
        if (m.slot !== STATE_IOREQ_NONE) this.#push(m, rows.FORGOTTEN);
        else this.#push(m, rows.withdrawnRow(this.#servedNow));
        break;
      case 'access':
        this.#access(m);
        break;
      case 'device-answer':
        this.#push(m, rows.DEVICE_ANSWER);
        break;
      case 'response':
        this.#response(m);
        break;
      case 'do-pio':
        this.#doPio(m, i);
        break;
      case 'paused':
        // The end of the deferral is what pauses it; said afterwards by the port.
        this.#undefer(m);
        this.#push(m, rows.PAUSED);
        break;
      case 'end-deferral':
        this.#undefer(m);
        break;
      case 'shut-down':
        this.#push(m, rows.SHUT_DOWN);
        break;
      case 'shutdown':
        this.#shutdown(m, i);
        break;
      case 'captured':
        this.#push(m, rows.resumeRow(m));
        break;
      case 'settled':
        this.#settled(m);
        break;
    }
  }

  #undefer(m: Moment): void {
    if (this.#deferring) this.#push(m, rows.UNDEFER);
    this.#deferring = false;
  }

  /** The request is in the slot: said once, where it is first seen there. */
  #announce(seen: Moment, request: Moment): void {
    if (this.#announced) return;
    this.#announced = true;
    const event = this.#push(seen, rows.sendRow(request, this.#served.has(this.#sent)));
    // Seen from a shutdown inside the send: that one is told next.
    if (seen.kind === 'shutdown' && event.state !== null) event.state.stopping = false;
    this.#sent++;
  }

  #send(m: Moment, i: number): void {
    if (!this.#deferring) return;
    this.#announce(m, m);
    const refused = this.#next(i, 'refused', 'access')?.kind === 'refused';
    if (m.stopping && !refused) this.#push(m, rows.STILL_EXPECTED);
  }

  #access(m: Moment): void {
    const place = this.#sent - 1;
    const before = this.#served.get(place);
    const again = before !== undefined && before.attempt !== this.#attempt;
    const event = this.#push(m, rows.accessRow(m, again));
    if (again && before.event.mark === null) before.event.mark = 'first';
    if (before === undefined) this.#served.set(place, { event, attempt: this.#attempt });
    this.#value = valueWords(m);
    this.#servedNow = true;
  }

  #response(m: Moment): void {
    const thrown = thrownAway(m);
    this.#lost = thrown && m.p.dir === IOREQ_READ;
    this.#push(m, rows.responseRow(m, thrown, this.#lost ? this.#value : null));
  }

  #doPio(m: Moment, i: number): void {
    const inSlot = m.slot !== STATE_IOREQ_NONE;
    if (m.rc === X86EMUL_OKAY && !inSlot && this.#servedNow && this.#wasRead()) {
      this.#push(m, rows.registerRow(this.#value));
      return;
    }
    this.#push(m, rows.resultRow(m));
    const end = this.#next(i, 'settled');
    const parted = this.events.some((e) => e.mark === 'parts');
    if (m.rc !== X86EMUL_RETRY || !m.stopping || !inSlot || parted || end === undefined) return;
    this.#push(m, rows.decisionRow(end.yes, this.#revision.io_suspended_flag));
  }

  #shutdown(m: Moment, i: number): void {
    const send = this.#next(i, 'send');
    if (this.#deferring && send !== undefined && m.slot !== STATE_IOREQ_NONE) {
      this.#announce(m, send);
    }
    this.#push(m, rows.shutdownRow(m));
  }

  #settled(m: Moment): void {
    if (m.yes) {
      this.#push(m, rows.RETIRED);
      return;
    }
    const lost = this.#servedNow && !this.#lost && this.#wasRead();
    this.#push(m, rows.notDoneRow(lost ? this.#value : null));
  }

  #wasRead(): boolean {
    return this.#moments.some((m) => m.kind === 'access' && m.p.dir === IOREQ_READ);
  }
}

/** @param moments - of one instruction, in order */
export function laneStory(
  moments: readonly Moment[],
  told: { about: LaneStory['about']; checkpoint: number; omitted: number },
  revision: XenRevision,
): LaneStory {
  const request = moments.find((m) => m.kind === 'send' || m.kind === 'refused');
  return {
    about: told.about,
    checkpoint: told.checkpoint === 0 ? null : told.checkpoint,
    access: request === undefined ? '' : requestWords(request.p),
    omitted: told.omitted,
    events: new Teller(moments, revision).tell(),
  };
}
