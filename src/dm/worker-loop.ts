// SPDX-License-Identifier: GPL-2.0-only
// The life of a device model in a thread of its own: waits for events, serves, and does what the toolstack asks.
import { BufferedPage } from '../mem/buffered-page.ts';
import {
  announce,
  D_LISTENERS,
  S_ASLEEP,
  S_COMMAND,
  S_POLLS,
  S_PORTS,
  S_RING_PORT,
  serverBase,
  V_ASLEEP,
  V_BLOCKED,
  vcpuBase,
  wakeSleeper,
} from '../mem/domain-words.ts';
import type { GuestRam } from '../mem/guest-ram.ts';
import { IoreqPage, type IoreqSlot } from '../mem/ioreq-page.ts';
import type { ReportRing } from '../mem/report-ring.ts';
import { STATE_IOREQ_READY } from '../xen/public/hvm_ioreq.ts';
import type { AccessEvent } from './request.ts';
import type { DeviceServer } from './server.ts';

/** What the toolstack can ask of a device model's thread, through `S_COMMAND`. */
export const COMMAND_NONE = 0;
/** Serve what is in the ring, then sleep: nothing is served until `COMMAND_WAKE`. */
export const COMMAND_SLEEP = 1;
export const COMMAND_WAKE = 2;
/** Send the devices' state and what they testify. */
export const COMMAND_REPORT = 3;
export const COMMAND_STOP = 4;
/** To the state after power-on. Of device models in other processes. */
export const COMMAND_RESET = 5;
/** To the state that was sent along. */
export const COMMAND_RESTORE = 6;

/** What a loop is joined to. */
export interface WorkerLoopOptions {
  /** The domain's words. */
  words: Int32Array;
  /** Number of the server. */
  server: number;
  vcpus: number;
  ioreqPage: Uint8Array;
  bufferedPage: Uint8Array;
  ram: GuestRam;
  /** By vCPU: where its thread reads what was done for it. */
  reports: readonly ReportRing[];
  /** Rounds without work before the thread sleeps. */
  spins: number;
  /** Called for COMMAND_REPORT. */
  report: () => void;
  /** Called for COMMAND_RESTORE; absent: its devices have no state. */
  restore?: () => void;
  /** Called before the thread sleeps: what devices have written to consoles goes out. */
  idle: () => void;
}

/** Looks at the slots between two looks at everything else. */
const LOOK_UP_EVERY = 16;

/** How long a full report ring is waited for before its reader is looked for again, in ms. */
const FULL_WAIT_MS = 1;

export class WorkerLoop {
  readonly #server: DeviceServer;
  readonly #o: WorkerLoopOptions;
  readonly #base: number;
  readonly #slots: IoreqSlot[] = [];
  #vcpu = 0;

  constructor(server: DeviceServer, options: WorkerLoopOptions) {
    this.#server = server;
    this.#o = options;
    this.#base = serverBase(options.server);
    const { ram, words, vcpus } = options;
    const page = new IoreqPage(options.ioreqPage);
    for (let vcpu = 0; vcpu < vcpus; vcpu++) this.#slots.push(page.slot(vcpu));
    server.connect({
      ioreqPage: page,
      bufferedPage: new BufferedPage(options.bufferedPage),
      vcpuPorts: Array.from({ length: vcpus }, (_, vcpu) => vcpu),
      bufferedPort: vcpus,
      // One that is not marked as blocked looks at its slot. The mark comes before the request, or before a last look.
      notify: (vcpu) => {
        const base = vcpuBase(vcpu);
        if (Atomics.load(words, base + V_BLOCKED) === 0) return;
        Atomics.store(words, base + V_BLOCKED, 0);
        wakeSleeper(words, base + V_ASLEEP);
      },
      ram,
      straight: true,
    });
    ram.onHostWrite = (gpa, length) => {
      while (!this.#ring.wrote(gpa, length)) this.#waitForReader();
    };
    server.onAccess = (event) => this.#tell(event);
  }

  /** The vCPU whose request is in hand; that of the last one while the ring is served. */
  get vcpu(): number {
    return this.#vcpu;
  }

  /** Serves until COMMAND_STOP. */
  run(): void {
    const { words, vcpus, spins } = this.#o;
    const server = this.#server;
    const ports = this.#base + S_PORTS;
    const ring = this.#base + S_RING_PORT;
    const command = this.#base + S_COMMAND;
    let idle = 0;
    let until = 0;
    Atomics.store(words, this.#base + S_POLLS, 1);
    for (;;) {
      let worked = false;
      // Whatever was signalled: a request is one once its slot says so.
      for (let vcpu = 0; vcpu < vcpus; vcpu++) {
        if ((this.#slots[vcpu] as IoreqSlot).state() !== STATE_IOREQ_READY) continue;
        this.#vcpu = vcpu;
        worked = server.serveNow(vcpu) || worked;
      }
      if (worked) idle = 0;
      if (--until > 0) continue;
      until = LOOK_UP_EVERY;
      for (let vcpu = 0; vcpu < vcpus; vcpu++) {
        if (Atomics.load(words, ports + vcpu) !== 0) Atomics.store(words, ports + vcpu, 0);
      }
      if (Atomics.load(words, ring) !== 0) {
        Atomics.store(words, ring, 0);
        server.drainBufferedNow();
        worked = true;
      }
      if (Atomics.load(words, command) !== COMMAND_NONE) {
        if (!this.#obey(Atomics.load(words, command))) return;
        worked = true;
      }
      idle = worked ? 0 : idle + LOOK_UP_EVERY;
      if (idle > spins) {
        this.#sleep();
        idle = 0;
      }
    }
  }

  /** @returns false: stop */
  #obey(command: number): boolean {
    const { words, vcpus } = this.#o;
    const server = this.#server;
    if (command === COMMAND_SLEEP) {
      server.drainBufferedNow();
      server.sleep();
    } else if (command === COMMAND_WAKE) {
      server.wake();
      // What arrived meanwhile lies in slots and ring; its event has been taken.
      for (let i = 0; i <= vcpus; i++) Atomics.store(words, this.#portWord(i), 1);
    } else if (command === COMMAND_REPORT) {
      this.#o.idle();
      this.#o.report();
    } else if (command === COMMAND_RESTORE) this.#o.restore?.();
    else this.#o.idle();
    Atomics.store(words, this.#base + S_COMMAND, COMMAND_NONE);
    Atomics.notify(words, this.#base + S_COMMAND);
    announce(words);
    return command !== COMMAND_STOP;
  }

  #portWord(i: number): number {
    return this.#base + (i === this.#o.vcpus ? S_RING_PORT : S_PORTS + i);
  }

  #sleep(): void {
    const { words, vcpus } = this.#o;
    const asleep = this.#base + S_ASLEEP;
    this.#o.idle();
    // Asleep first, then a last look: whoever signals first writes its word, then looks here.
    Atomics.store(words, asleep, 1);
    let work = Atomics.load(words, this.#base + S_COMMAND) !== COMMAND_NONE;
    for (let i = 0; i <= vcpus; i++) work = work || Atomics.load(words, this.#portWord(i)) !== 0;
    for (const slot of this.#server.asleep ? [] : this.#slots) {
      work = work || slot.state() === STATE_IOREQ_READY;
    }
    if (work) Atomics.store(words, asleep, 0);
    else Atomics.wait(words, asleep, 1);
  }

  get #ring(): ReportRing {
    return this.#o.reports[this.#vcpu] as ReportRing;
  }

  #tell(event: AccessEvent): void {
    // An entry of the buffered ring does not say whose it is.
    if (event.vcpu < 0) return;
    // Plain: it changes only while its vCPU does not run.
    if ((((this.#o.words[D_LISTENERS] ?? 0) >>> event.vcpu) & 1) === 0) return;
    while (!this.#ring.access(event)) this.#waitForReader();
  }

  #waitForReader(): void {
    const { words } = this.#o;
    wakeSleeper(words, vcpuBase(this.#vcpu) + V_ASLEEP);
    // Nobody writes this word to end the wait: it is a pause.
    Atomics.wait(words, this.#base + S_COMMAND, COMMAND_NONE, FULL_WAIT_MS);
  }
}
