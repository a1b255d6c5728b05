// SPDX-License-Identifier: GPL-2.0-only
// The vCPU's thread's end of ioreq servers whose device models are elsewhere: events out, reports in, and what the
// port needs of a host that is several threads.
import { kickCpu } from '../../cpu/native.ts';
import { VERDICTS, type Verdict } from '../../dm/device.ts';
import { type AccessEvent, type AccessObserver, newAccessEvent } from '../../dm/request.ts';
import {
  D_DEAD_SERVERS,
  D_LISTENERS,
  D_LOCKS,
  D_VERDICT,
  S_ASLEEP,
  S_PORTS,
  S_RING_PORT,
  serverBase,
  V_ASLEEP,
  V_KICK_ID,
  V_RUNNING,
  vcpuBase,
  wakeSleeper,
} from '../../mem/domain-words.ts';
import type { GuestRam } from '../../mem/guest-ram.ts';
import type { ReportedAccess, ReportRing } from '../../mem/report-ring.ts';
import type { vcpu } from '../../xen/common/sched.ts';
import { word_lock } from '../../xen/common/spinlock.ts';
import { NullTracer, type Tracer } from '../../xen/common/trace.ts';
import type { XenHost } from '../../xen/host.ts';
import { type DomainMemory, reportRing, sharedPage } from './domain-memory.ts';

/** What one thread's port needs of a host where others execute, too. `own`: the vCPU this thread runs, or -1. */
export function threadHost(
  memory: DomainMemory,
  own: number,
): Pick<XenHost, 'alloc_shared_page' | 'new_lock' | 'vcpu_sleep_sync' | 'vcpu_wake' | 'vcpu_kick'> {
  const words = new Int32Array(memory.words);
  // The same order of calls in every thread gives the same pages and locks.
  let pages = 0;
  let locks = 0;
  const wake = (v: vcpu): void => wakeSleeper(words, vcpuBase(v.vcpu_id) + V_ASLEEP);
  return {
    alloc_shared_page: () => sharedPage(memory, pages++),
    new_lock: () => new word_lock(words, D_LOCKS + locks++),
    vcpu_sleep_sync: (v) => {
      if (v.vcpu_id === own) return;
      const running = vcpuBase(v.vcpu_id) + V_RUNNING;
      while (Atomics.load(words, running) !== 0) Atomics.wait(words, running, 1, 1);
    },
    vcpu_wake: wake,
    vcpu_kick: (v) => {
      const kickId = Atomics.load(words, vcpuBase(v.vcpu_id) + V_KICK_ID);
      if (kickId !== 0) kickCpu(kickId);
      wake(v);
    },
  };
}

/** Hears when a request leaves and when its answer is taken in. */
export interface RoundTrips {
  sent(): void;
  answered(): void;
}

/** The servers of a domain as one vCPU's thread sees them. */
export class RemoteServers {
  readonly memory: DomainMemory;
  readonly words: Int32Array;
  readonly vcpuId: number;
  #onAccess: AccessObserver | null = null;
  #onTold: AccessObserver | null = null;
  roundTrips: RoundTrips | null = null;
  /** Hears that a device has taken the guest's verdict, before the answer to that access is taken. */
  onVerdict: ((verdict: Verdict) => void) | null = null;
  /** To be heard before all others: what a device has done is known before its answer is taken. */
  readonly tracer: Tracer = new AnswerTracer(this);
  /** Word of a port: where it is signalled. */
  readonly #portWord: number[] = [];
  readonly #serverOf: number[] = [];
  readonly #sleeper: number[] = [];
  readonly #rings: ReportRing[] = [];
  readonly #names: string[] = [];
  readonly #event: AccessEvent;
  #ram: GuestRam | null = null;
  /** Signals sent: a new number is a new request. */
  requests = 0;
  /** The server that was signalled last; -1: none. It alone has an access of this vCPU to tell of. */
  #asked = -1;

  constructor(memory: DomainMemory, vcpuId: number) {
    this.memory = memory;
    this.words = new Int32Array(memory.words);
    this.vcpuId = vcpuId;
    this.#event = newAccessEvent('', vcpuId);
  }

  /**
   * A server has its ports.
   * @param vcpuPorts - by vCPU number
   */
  connect(
    server: number,
    name: string,
    vcpuPorts: readonly number[],
    ringPort: number,
    ram: GuestRam,
  ): void {
    const base = serverBase(server);
    vcpuPorts.forEach((port, vcpu) => {
      this.#portWord[port] = base + S_PORTS + vcpu;
      this.#serverOf[port] = server;
      this.#sleeper[port] = base + S_ASLEEP;
    });
    this.#portWord[ringPort] = base + S_RING_PORT;
    this.#sleeper[ringPort] = base + S_ASLEEP;
    this.#names[server] = name;
    this.#rings[server] = reportRing(this.memory, server, this.vcpuId);
    this.#ram = ram;
  }

  /** Hears what the devices have seen of this vCPU's accesses, before their answers are taken; null: is not told. */
  get onAccess(): AccessObserver | null {
    return this.#onAccess;
  }
  set onAccess(observer: AccessObserver | null) {
    this.#onAccess = observer;
    this.#listen();
  }

  /** Hears the same before `onAccess`: what the machine itself goes by. */
  set onTold(observer: AccessObserver | null) {
    this.#onTold = observer;
    this.#listen();
  }

  #listen(): void {
    const bit = 1 << this.vcpuId;
    if (this.#onAccess === null && this.#onTold === null) {
      Atomics.and(this.words, D_LISTENERS, ~bit);
    } else Atomics.or(this.words, D_LISTENERS, bit);
  }

  /** Whether nobody wants to hear of single accesses. */
  get quiet(): boolean {
    return this.#onAccess === null && this.#onTold === null && this.roundTrips === null;
  }

  /** A request was put into the slot of `server`: it alone has something to tell of. */
  asked(server: number): void {
    this.requests++;
    this.#asked = server;
  }

  /** An answer of `server` is about to be taken: guest memory it wrote, and the guest's verdict, come first. */
  hear(server: number): void {
    this.#asked = server;
    if ((this.#rings[server] as ReportRing).filled) this.drain();
    if (this.words[D_VERDICT] !== 0) this.lookForVerdict();
  }

  /** Signals a port towards its device model. */
  readonly send = (port: number): void => {
    const word = this.#portWord[port];
    if (word === undefined) return;
    this.requests++;
    const server = this.#serverOf[port];
    if (server !== undefined) this.#asked = server;
    this.roundTrips?.sent();
    Atomics.store(this.words, word, 1);
    wakeSleeper(this.words, this.#sleeper[port] as number);
  };

  /** Servers that died or hang: a bit each. */
  get dead(): number {
    return Atomics.load(this.words, D_DEAD_SERVERS);
  }

  /** A server is given up on: what it says of accesses from now on is about none of this vCPU's. */
  giveUp(server: number): void {
    if (this.#asked === server) this.#asked = -1;
  }

  /** Takes in what device models report, in the order in which each did it. */
  drain(): void {
    for (let s = 0; s < this.#rings.length; s++) {
      (this.#rings[s] as ReportRing).drain(s === this.#asked ? this.#access : NOBODYS, this.#wrote);
    }
  }

  lookForVerdict(): void {
    const word = Atomics.load(this.words, D_VERDICT);
    if (word !== 0) this.onVerdict?.(VERDICTS[word - 1] ?? 'error');
  }

  /** Reports that made no sense, by server. */
  get refused(): readonly number[] {
    return this.#rings.map((ring) => ring.refused);
  }

  readonly #access = (a: ReportedAccess): void => {
    if (this.#onAccess === null && this.#onTold === null) return;
    const event = this.#event;
    event.server = this.#names[this.#asked] as string;
    event.space = a.space;
    event.addr = a.addr;
    event.size = a.size as AccessEvent['size'];
    event.dir = a.dir as AccessEvent['dir'];
    event.data = a.data;
    event.dataHi = a.dataHi;
    event.element = a.element;
    event.count = a.count;
    this.#onTold?.(event);
    this.#onAccess?.(event);
  };

  // What the other side claims is not believed further than RAM goes.
  readonly #wrote = (gpa: number, length: number): void => {
    const ram = this.#ram;
    if (ram?.contains(gpa, length) && length > 0) ram.onHostWrite?.(gpa, length);
  };
}

/** Accesses of a server that nobody asked. */
const NOBODYS = (): void => {};

class AnswerTracer extends NullTracer {
  readonly #remote: RemoteServers;

  constructor(remote: RemoteServers) {
    super();
    this.#remote = remote;
  }
  override response(): void {
    this.#remote.roundTrips?.answered();
    this.#remote.drain();
    this.#remote.lookForVerdict();
  }
}
