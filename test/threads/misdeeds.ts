// SPDX-License-Identifier: GPL-2.0-only
// The faults themselves, done by a device model to the memory it shares with Xen: nothing else is in its reach.
import { MessageChannel } from 'node:worker_threads';
import type { DeviceServer } from '../../src/dm/server.ts';
import type { DeviceWorkerData } from '../../src/machine/threads/device-host.ts';
import { sharedPage } from '../../src/machine/threads/domain-memory.ts';
import { REPORT_BYTES } from '../../src/mem/report-ring.ts';
import { Random } from '../../src/util/random.ts';
import {
  STATE_IOREQ_INPROCESS,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../../src/xen/public/hvm_ioreq.ts';
import { type FaultPlan, told } from './fault-plan.ts';

const SLOT_WORDS = 8;
/** Bytes in front of a report ring's records. */
const RING_HEAD = 0;
const RING_TAIL = 16;
const RING_RECORDS = 32;
/** Longest wait for something that may never be, in ms. */
const BOUND_MS = 20;

const pause = new Int32Array(new SharedArrayBuffer(4));
function sleep(ms: number): void {
  Atomics.wait(pause, 0, 0, ms);
}

export class Misdeeds {
  readonly #plan: FaultPlan;
  readonly #data: DeviceWorkerData;
  readonly #server: DeviceServer;
  readonly #random: Random;
  readonly #page: Int32Array;
  #requests = 0;
  #vcpu = 0;

  constructor(plan: FaultPlan, data: DeviceWorkerData, server: DeviceServer) {
    this.#plan = plan;
    this.#data = data;
    this.#server = server;
    this.#random = new Random(plan.seed);
    const { buffer, byteOffset, byteLength } = sharedPage(data.memory, 2 * data.server);
    this.#page = new Int32Array(buffer, byteOffset, byteLength / 4);
  }

  /** From here on requests are counted. */
  arm(): void {
    const server = this.#server;
    if (this.#plan.kind === 'deaf') {
      server.sleep = () => {
        if (++this.#requests < Math.min(3, this.#plan.at)) return;
        this.#commit();
        this.#hang();
      };
      return;
    }
    const serveNow = server.serveNow.bind(server);
    server.serveNow = (vcpu) => {
      if (!server.hasRequest(vcpu) || ++this.#requests !== this.#plan.at) return serveNow(vcpu);
      this.#vcpu = vcpu;
      this.#goWrong();
      return true;
    };
  }

  /** The request is served in indivisible steps; the fault comes between two of them, or after the last. */
  #goWrong(): void {
    const random = this.#random;
    const count = this.#server.connection.ioreqPage.slot(this.#vcpu).count();
    const steps = this.#server.serve(this.#vcpu);
    let done = false;
    for (let n = random.below(6 + 2 * Math.min(count, 64)); n >= 0 && !done; n--) {
      done = steps.next().done === true;
    }
    this.#commit();
    if (!this.#act()) return;
    while (!done) done = steps.next().done === true;
    if (this.#plan.kind === 'twice') this.#answerAgain();
  }

  #commit(): void {
    Atomics.store(new Int32Array(this.#plan.reached), 0, 1);
  }

  /** @returns whether the request is served to its end afterwards */
  #act(): boolean {
    const random = this.#random;
    switch (this.#plan.kind) {
      case 'dies':
        return this.#die();
      case 'hangs':
        return this.#hang();
      case 'late':
        sleep(this.#plan.answerTimeoutMs * random.pick([0.1, 0.5, 1.5, 3]));
        return true;
      case 'bad-state':
        this.#setState(4 + random.below(12));
        this.#notify();
        return random.below(2) === 0;
      case 'backwards':
        this.#setState(random.pick([STATE_IOREQ_NONE, STATE_IOREQ_READY, STATE_IOREQ_INPROCESS]));
        this.#notify();
        return random.below(2) === 0;
      case 'other-slot':
        return this.#otherSlot();
      case 'garbage-page':
        this.#garbage(this.#page, random.below(2) === 0 ? this.#vcpu * SLOT_WORDS : 0);
        this.#notify();
        return random.below(2) === 0;
      case 'garbage-ring':
        return this.#ring();
      case 'garbage-ram':
        return this.#ram();
      case 'garbage-reports':
        return this.#reports();
      case 'garbage-messages':
        return this.#messages();
      default:
        return true;
    }
  }

  #die(): never {
    switch (this.#random.below(5)) {
      case 0:
        return process.exit(this.#random.below(256));
      case 1:
        throw new Error('a device model that fails');
      case 2:
        throw null;
      case 3:
        throw undefined;
      default:
        throw Object.assign(() => {}, { message: Symbol('no text') });
    }
  }

  /** @returns false: alive, but silent */
  #hang(): false {
    switch (this.#random.below(4)) {
      case 0:
        // One that computes for ever, without taking the other vCPUs' processor for as long.
        for (let n = 0; ; n = (n + 1) | 0) if (n === 0) sleep(1);
      case 1:
        for (;;) sleep(1000);
      case 2: {
        // It signals and signals, and says nothing.
        const end = performance.now() + 3 * this.#plan.answerTimeoutMs;
        while (performance.now() < end) this.#notify();
        return this.#fallSilent();
      }
      default:
        return this.#fallSilent();
    }
  }

  #fallSilent(): false {
    this.#server.serveNow = () => false;
    return false;
  }

  #answerAgain(): void {
    const random = this.#random;
    const again = random.below(3);
    const end = performance.now() + BOUND_MS;
    if (again === 1) while (this.#state() === STATE_IORESP_READY && performance.now() < end);
    if (again === 2) while (this.#state() !== STATE_IOREQ_READY && performance.now() < end);
    if (again !== 0) {
      this.#page[this.#vcpu * SLOT_WORDS + 2] = random.next();
      this.#setState(STATE_IORESP_READY);
    }
    for (let n = random.below(5); n >= 0; n--) this.#notify();
  }

  #otherSlot(): boolean {
    const random = this.#random;
    const { vcpus } = this.#data.memory;
    const most = vcpus > 1 ? vcpus : 128;
    const other = (this.#vcpu + 1 + random.below(most - 1)) % most;
    this.#garbage(this.#page, other * SLOT_WORDS, (other + 1) * SLOT_WORDS);
    if (other < vcpus) this.#server.connection.notify(other);
    return true;
  }

  #ring(): boolean {
    const { buffer, byteOffset, byteLength } = sharedPage(
      this.#data.memory,
      2 * this.#data.server + 1,
    );
    const ring = new Int32Array(buffer, byteOffset, byteLength / 4);
    // All of it, or the pointers alone.
    this.#garbage(ring, 0, this.#random.below(2) === 0 ? ring.length : 2);
    return true;
  }

  #ram(): boolean {
    const random = this.#random;
    const bytes = new Uint8Array(this.#data.memory.ram, 0, this.#data.memory.ramBytes);
    for (let n = random.below(8); n >= 0; n--) {
      const start =
        random.below(2) === 0 ? 0x7c00 + random.below(0x200) : random.below(bytes.length);
      const end = Math.min(bytes.length, start + 1 + random.below(256));
      for (let gpa = start; gpa < end; gpa++) bytes[gpa] = random.next();
      if (told(this.#plan)) this.#server.connection.ram.onHostWrite?.(start, end - start);
    }
    return true;
  }

  #reports(): boolean {
    const random = this.#random;
    const { memory, server } = this.#data;
    const offset = (server * (memory.vcpus + 1) + this.#vcpu) * REPORT_BYTES;
    const ring = new Int32Array(memory.reports, offset, REPORT_BYTES / 4);
    const records = random.below(4);
    if (records !== 0) this.#garbage(ring, RING_RECORDS, RING_RECORDS + 8 * 64 * records);
    const head = random.below(4);
    if (head === 0) Atomics.store(ring, RING_HEAD, random.next() | 0);
    else if (head === 1) Atomics.add(ring, RING_HEAD, random.below(1200));
    else if (head === 2) Atomics.store(ring, RING_TAIL, random.next() | 0);
    else this.#garbage(ring, 0, ring.length);
    return true;
  }

  #messages(): boolean {
    const { port } = this.#data;
    const spare = new MessageChannel();
    for (const message of [
      null,
      7,
      'report',
      {},
      { what: 'output' },
      { what: 'output', bytes: 'text' },
      { what: 'report' },
      { what: 'report', witnesses: 3, testimonies: null, state: {} },
      { what: 'report', witnesses: [null, 7], testimonies: [1], state: { devices: 1 } },
      {
        what: 'report',
        witnesses: [{ __proto__: null, 'verdict@0xf4': { reads: -1, writes: 'x' } }],
        testimonies: { 'counter@0x200-0x207': { readsServed: { more: 1 } } },
        state: {},
      },
      new Map([[1, 2]]),
      new SharedArrayBuffer(8),
    ]) {
      port.postMessage(message);
    }
    port.postMessage(spare.port1, [spare.port1]);
    spare.port2.close();
    return true;
  }

  #garbage(words: Int32Array, from: number, to: number = words.length): void {
    for (let i = from; i < to; i++) Atomics.store(words, i, this.#random.next() | 0);
  }
  #state(): number {
    return this.#server.connection.ioreqPage.slot(this.#vcpu).state();
  }
  #setState(state: number): void {
    this.#server.connection.ioreqPage.slot(this.#vcpu).setState(state);
  }
  #notify(): void {
    this.#server.connection.notify(this.#vcpu);
  }
}
