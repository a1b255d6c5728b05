// SPDX-License-Identifier: GPL-2.0-only
// The events around one instruction, in order, with Xen's function names: what a race looks like.
import type { AccessEvent } from '../dm/request.ts';
import type { LaneStory } from '../ledger/lanes.ts';
import type { domain, vcpu } from '../xen/common/sched.ts';
import { NullTracer } from '../xen/common/trace.ts';
import type { x86emul_rc } from '../xen/hvm/x86_emulate.ts';
import { copyIoreq, type ioreq_t } from '../xen/public/hvm_ioreq.ts';
import {
  copyMoment,
  look,
  type Moment,
  type MomentKind,
  newMoment,
  type StoryEvent,
  storyEvent,
} from './moments.ts';
import { laneStory } from './story-lanes.ts';

export type { StoryEvent } from './moments.ts';

/** Moments kept for one instruction: more than nearly any has. */
const MOST_MOMENTS = 96;

/** Moments in places that are used again: recording allocates nothing. */
class Pages {
  readonly #all: Moment[] = [];
  #length = 0;
  omitted = 0;
  checkpoint = 0;

  /** The place for one more; when all are taken the last one's. */
  next(): Moment {
    if (this.#length === MOST_MOMENTS) {
      this.omitted++;
      return this.#all[MOST_MOMENTS - 1] as Moment;
    }
    const m = this.#all[this.#length] ?? newMoment();
    this.#all[this.#length++] = m;
    return m;
  }
  get last(): Moment | undefined {
    return this.#length === 0 ? undefined : this.#all[this.#length - 1];
  }
  get moments(): readonly Moment[] {
    return this.#all.slice(0, this.#length);
  }
  clear(): void {
    this.#length = 0;
    this.omitted = 0;
    this.checkpoint = 0;
  }
  copy(): Pages {
    const copy = new Pages();
    for (const m of this.moments) copy.#all[copy.#length++] = copyMoment(m);
    copy.omitted = this.omitted;
    copy.checkpoint = this.checkpoint;
    return copy;
  }
}

/** Follows one instruction with device accesses after another; keeps those that are asked for. */
export class Story extends NullTracer {
  /** Number of the checkpoint whose instruction is to be kept; 0: none. */
  keepAt = 0;
  #broken: Pages | null = null;
  #kept: Pages | null = null;
  #now = new Pages();
  /** The last instruction that is over and had a shutdown in it. */
  #before = new Pages();
  #vcpu: vcpu | null = null;
  #events: () => number = () => 0;
  #seen = 0;
  #insn = -1;
  #served = false;
  #again = false;
  #keepThis = false;

  /**
   * To be called before anything happens.
   * @param events - how many events the ledger has
   */
  follow(v: vcpu, events: () => number): void {
    this.#vcpu = v;
    this.#events = events;
  }

  /** The first instruction that was executed again after a device had been accessed, or else the one asked for. */
  get told(): StoryEvent[] {
    const pages = this.#broken ?? this.#kept;
    return (pages?.moments ?? []).map(storyEvent).filter((e) => e !== null);
  }
  /** The checkpoint whose shutdown broke an instruction; 0: none did. */
  get brokenAt(): number {
    return this.#broken?.checkpoint ?? 0;
  }
  /** The same for a chart, or else the last instruction that a shutdown fell into; null: there is none. */
  get lanes(): LaneStory | null {
    const v = this.#vcpu;
    if (v === null) return null;
    const tell = (about: LaneStory['about'], pages: Pages): LaneStory =>
      laneStory(
        pages.moments,
        { about, checkpoint: pages.checkpoint, omitted: pages.omitted },
        v.domain.host.revision,
      );
    if (this.#broken !== null) return tell('again', this.#broken);
    if (this.#again) return tell('again', this.#now);
    if (this.#kept !== null) return tell('chosen', this.#kept);
    return this.#before.last === undefined ? null : tell('last', this.#before);
  }

  #add(kind: MomentKind): Moment {
    const m = this.#now.next();
    m.kind = kind;
    if (this.#vcpu !== null) look(m, this.#vcpu);
    const events = this.#events();
    m.first = this.#seen;
    m.booked = events - this.#seen;
    this.#seen = events;
    return m;
  }

  /** The CPU has left the guest at an access of instruction `insn`. */
  exit(insn: number): void {
    if (insn !== this.#insn) this.#clear();
    this.#insn = insn;
    this.#add('exit');
  }
  /** The shutdown of checkpoint `n` lands, at `where`: to be told just before. */
  shutdown(n: number, window: string, where: string): void {
    if (this.#now.checkpoint === 0) this.#now.checkpoint = n;
    if (n === this.keepAt) this.#keepThis = true;
    const m = this.#add('shutdown');
    m.n = n;
    m.name = window;
    m.where = where;
    m.stopping = true;
  }
  /** Checkpoint `n` is taken: to be told just before the domain goes on. */
  captured(n: number): void {
    const m = this.#add('captured');
    m.n = n;
    m.stopping = false;
  }
  override start_deferral(_v: vcpu, granted: boolean): void {
    this.#add('deferral').yes = granted;
  }
  override send(_v: vcpu, _id: number, p: ioreq_t, rc: x86emul_rc): void {
    const m = this.#add('send');
    copyIoreq(m.p, p);
    m.rc = rc;
  }
  override refused(_v: vcpu, p: ioreq_t): void {
    copyIoreq(this.#add('refused').p, p);
  }
  override end_deferral(): void {
    this.#add('end-deferral');
  }
  override do_pio(_v: vcpu, rc: x86emul_rc): void {
    this.#add('do-pio').rc = rc;
  }
  override pause_nosync(): void {
    this.#add('paused');
  }
  override finalised(_d: domain): void {
    this.#add('shut-down');
  }
  override response(_v: vcpu, _id: number, io_req: ioreq_t): void {
    copyIoreq(this.#add('response').p, io_req);
  }
  /** A device was accessed, and the books have it. */
  readonly sawAccess = (event: AccessEvent): void => {
    this.#served = true;
    const { last } = this.#now;
    // A batch of a REP is one event.
    if (
      last?.kind === 'access' &&
      last.name === event.server &&
      event.element === last.lastElement + 1 &&
      event.count === last.p.count
    ) {
      last.lastElement = event.element;
      last.p.data = event.data;
      const events = this.#events();
      last.booked += events - this.#seen;
      this.#seen = events;
      return;
    }
    const m = this.#add('access');
    m.name = event.server;
    m.p.dir = event.dir;
    m.p.count = event.count;
    m.p.data = m.firstData = event.data;
    m.element = m.lastElement = event.element;
  };
  /** A device model has put its answer into the slot and signalled nobody yet. */
  answered(): void {
    this.#add('device-answer');
  }

  /** The instruction is over, or starts again. */
  settled(retired: boolean): void {
    this.#add('settled').yes = retired;
    if (!retired) {
      if (this.#served) this.#again = true;
      return;
    }
    if (this.#again && this.#broken === null) this.#broken = this.#now.copy();
    if (this.#keepThis && this.#kept === null) this.#kept = this.#now.copy();
    if (this.#now.checkpoint !== 0) [this.#now, this.#before] = [this.#before, this.#now];
    this.#clear();
  }

  #clear(): void {
    this.#now.clear();
    this.#again = this.#served = this.#keepThis = false;
  }
}
