// SPDX-License-Identifier: GPL-2.0-only
// A device model's side of one ioreq server: takes requests from the shared pages, serves them, answers.
import type { BufferedPage } from '../mem/buffered-page.ts';
import type { GuestRam } from '../mem/guest-ram.ts';
import type { IoreqPage, IoreqSlot } from '../mem/ioreq-page.ts';
import type { Steps } from '../util/actor.ts';
import { BugError, HvmError } from '../util/errors.ts';
import {
  type buf_ioreq_t,
  copyIoreq,
  IOREQ_TYPE_PIO,
  IOREQ_WRITE,
  type ioreq_state,
  type ioreq_t,
  newIoreq,
  STATE_IOREQ_INPROCESS,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../xen/public/hvm_ioreq.ts';
import { Bus } from './bus.ts';
import type { DeviceState, DeviceWitness } from './device.ts';
import { type AccessObserver, RequestInHand } from './request.ts';

/** What the hypervisor gives a device model: its pages, its event channels, the guest's memory. */
export interface ServerConnection {
  readonly ioreqPage: IoreqPage;
  /** Null without buffered handling. */
  readonly bufferedPage: BufferedPage | null;
  /** The server's end of each vCPU's event channel, by vCPU number. */
  readonly vcpuPorts: readonly number[];
  /** The channel of the buffered ring; 0 without one. */
  readonly bufferedPort: number;
  /** Signals the other end of one of `vcpuPorts`. */
  readonly notify: (port: number) => void;
  readonly ram: GuestRam;
  /** A single access goes from READY to RESP_READY: nobody is to see that it was taken in between. */
  readonly straight?: boolean;
}

/** What `save()` gives: plain JSON, one entry per device, keyed `name@range`. */
export interface ServerState {
  readonly devices: { readonly [key: string]: DeviceState };
}

/**
 * Serves requests in one of two ways that share every decision: `serveNow()` at once, and `serve()`
 * in indivisible steps, giving way before each thing another actor can see.
 */
export class DeviceServer {
  readonly name: string;
  readonly bus: Bus = new Bus();
  /** Requests answered, those of the buffered ring included. */
  get served(): number {
    return this.#served + Math.max(0, (this.ahead?.asked ?? 0) - 1);
  }
  set served(count: number) {
    this.#served = count;
  }
  #served = 0;
  /** Requests that somebody has asked the devices for and not counted yet, the last of them not over; null: nobody. */
  ahead: { readonly asked: number } | null = null;
  /** Requests that were taken out of the slot by the other side while being served. */
  abandoned = 0;
  /** Hears that an answer is in its slot, before the vCPU is signalled. */
  onAnswered: (() => void) | null = null;
  #connection: ServerConnection | null = null;
  #hand: RequestInHand | null = null;
  #observer: AccessObserver | null = null;
  #asleep = false;
  readonly #entry: buf_ioreq_t = { type: 0, dir: IOREQ_WRITE, size: 0, addr: 0, data: 0 };
  readonly #entryHigh: buf_ioreq_t = { type: 0, dir: IOREQ_WRITE, size: 0, addr: 0, data: 0 };

  /** @param name - for messages, the observer and the ledger */
  constructor(name: string) {
    this.name = name;
  }

  /** Joins the server to its pages. Again after a restore into new pages. */
  connect(connection: ServerConnection): void {
    this.#connection = connection;
    this.#hand = new RequestInHand(this.name, this.bus, connection.ram);
    this.#hand.observer = this.#observer;
  }

  /** Hears every access to a device of this server; null for none, which costs nothing. */
  get onAccess(): AccessObserver | null {
    return this.#observer;
  }

  set onAccess(observer: AccessObserver | null) {
    this.#observer = observer;
    if (this.#hand !== null) this.#hand.observer = observer;
  }

  /** Accesses to ranges no device claims, bad guest pointers, requests that are none for a bus. */
  get counts(): { misses: number; badPointers: number; refused: number } {
    const hand = this.#hand;
    return {
      misses: this.bus.misses,
      badPointers: hand?.badPointers ?? 0,
      refused: hand?.refused ?? 0,
    };
  }

  get asleep(): boolean {
    return this.#asleep;
  }

  /** The connection. @throws BugError before `connect()` */
  get connection(): ServerConnection {
    if (this.#connection === null) throw new BugError(`server '${this.name}' is not connected`);
    return this.#connection;
  }

  /** Whether a request of this vCPU waits in its slot. */
  hasRequest(vcpuId: number): boolean {
    return this.connection.ioreqPage.slot(vcpuId).state() === STATE_IOREQ_READY;
  }

  /**
   * Serves the request in the vCPU's slot, if there is one.
   * @returns whether there was one
   */
  serveNow(vcpuId: number): boolean {
    const slot = this.connection.ioreqPage.slot(vcpuId);
    if (this.#asleep || slot.state() !== STATE_IOREQ_READY) return false;
    if (this.connection.straight && slot.isSingle()) {
      this.#serveOne(slot, vcpuId);
      return true;
    }
    const hand = this.#take(slot);
    const count = hand.begin(vcpuId);
    const stores = hand.storesToMemory;
    try {
      const done = count > 1 && hand.batch() ? count : 0;
      for (let i = done; i < count; i++) {
        hand.access(i);
        if (stores) hand.store(i);
      }
    } finally {
      // Also when a device throws: what is in memory must be known.
      if (stores) hand.tellStored();
    }
    if (hand.answersInSlot) slot.setData(hand.req.data, hand.req.data_hi);
    if (!this.#answer(slot)) return true;
    this.#notify(vcpuId);
    return true;
  }

  #serveOne(slot: IoreqSlot, vcpuId: number): void {
    const hand = this.#hand as RequestInHand;
    slot.read(hand.req);
    if (hand.begin(vcpuId) === 1) hand.access(0);
    if (hand.answersInSlot) slot.setData(hand.req.data, hand.req.data_hi);
    if (this.#answer(slot, STATE_IOREQ_READY)) this.#notify(vcpuId);
  }

  /**
   * The end of `serveNow()` for the request of `vcpuId`, whose device was accessed by other hands.
   * @param p - the request; `data` is the answer of a read
   */
  finishStraight(vcpuId: number, p: ioreq_t): void {
    const hand = this.#hand as RequestInHand;
    copyIoreq(hand.req, p);
    hand.begin(vcpuId);
    hand.tellAccess(p.data, p.data_hi);
    const slot = this.connection.ioreqPage.slot(vcpuId);
    if (hand.answersInSlot) slot.setData(p.data, p.data_hi);
    if (this.#answer(slot)) this.#notify(vcpuId);
  }

  /** The same in steps: yields before each effect another actor can see, and between elements. */
  *serve(vcpuId: number): Steps<boolean> {
    const slot = this.connection.ioreqPage.slot(vcpuId);
    yield;
    if (this.#asleep || slot.state() !== STATE_IOREQ_READY) return false;
    const hand = this.#take(slot);
    const count = hand.begin(vcpuId);
    const stores = hand.storesToMemory;
    for (let i = 0; i < count; i++) {
      yield this.#awake;
      hand.access(i);
      if (!stores) continue;
      yield this.#awake;
      hand.store(i);
      hand.tellStored();
    }
    if (hand.answersInSlot) {
      yield this.#awake;
      slot.setData(hand.req.data, hand.req.data_hi);
    }
    yield this.#awake;
    if (!this.#answer(slot)) return true;
    yield;
    this.#notify(vcpuId);
    return true;
  }

  /** Serves everything in the buffered ring, oldest first. @returns requests served */
  drainBufferedNow(): number {
    let served = 0;
    while (!this.#asleep && this.#takeBuffered()) {
      this.#serveBuffered();
      served++;
    }
    return served;
  }

  /** The same in steps. @returns requests served */
  *drainBuffered(): Steps<number> {
    let served = 0;
    for (;;) {
      yield this.#awake;
      if (!this.#takeBuffered()) return served;
      yield this.#awake;
      this.#serveBuffered();
      served++;
    }
  }

  /** Puts all devices to sleep; from here nothing is served. Idempotent. */
  sleep(): void {
    this.#asleep = true;
    for (const { device } of this.bus.attachments) device.sleep();
  }

  /** Idempotent. Requests that arrived meanwhile are still in their slots. */
  wake(): void {
    this.#asleep = false;
    for (const { device } of this.bus.attachments) device.wake();
  }

  reset(): void {
    for (const { device } of this.bus.attachments) device.reset();
  }

  save(): ServerState {
    const devices: Record<string, DeviceState> = {};
    for (const { device, label } of this.bus.attachments) devices[label] = device.save();
    return { devices };
  }

  /** @throws HvmError HVM_DEVICE_STATE when the devices or a device's fields are not the saved ones */
  restore(state: ServerState): void {
    const attachments = this.bus.attachments;
    const saved = Object.keys(state.devices);
    if (
      saved.length !== attachments.length ||
      !attachments.every(({ label }) => Object.hasOwn(state.devices, label))
    ) {
      const keys = attachments.map(({ label }) => label);
      throw new HvmError(
        'HVM_DEVICE_STATE',
        `server '${this.name}': saved with ${saved.join(', ') || 'no device'}, has ${keys.join(', ') || 'no device'}`,
      );
    }
    for (const { device, label } of attachments) {
      device.restore(state.devices[label] as DeviceState);
    }
  }

  /** What each device testifies, keyed `name@range`. */
  witnesses(): Record<string, DeviceWitness> {
    const all: Record<string, DeviceWitness> = {};
    for (const { device, label } of this.bus.attachments) all[label] = device.witness();
    return all;
  }

  // READY to INPROCESS; the fields are read after the state, as the writer published them before it.
  #take(slot: IoreqSlot): RequestInHand {
    const hand = this.#hand as RequestInHand;
    slot.read(hand.req);
    slot.setState(STATE_IOREQ_INPROCESS);
    return hand;
  }

  // A server disabled meanwhile finds its slot wiped: nobody waits for the answer then.
  #answer(slot: IoreqSlot, expected: ioreq_state = STATE_IOREQ_INPROCESS): boolean {
    if (!slot.pass(expected, STATE_IORESP_READY)) {
      this.abandoned++;
      return false;
    }
    this.served++;
    this.onAnswered?.();
    return true;
  }

  #notify(vcpuId: number): void {
    const { vcpuPorts, notify } = this.connection;
    notify(vcpuPorts[vcpuId] as number);
  }

  readonly #awake = (): boolean => !this.#asleep;

  // The ring holds requests without a slot: the entry is copied out and its place given back.
  #takeBuffered(): boolean {
    const page = this.connection.bufferedPage;
    if (page === null) return false;
    const read = page.read_pointer();
    const filled = (page.write_pointer() - read) >>> 0;
    if (filled === 0) return false;
    page.readEntry(read, this.#entry);
    // Size code 3: eight bytes, the high half of the data in a second entry.
    const entries = this.#entry.size === 3 && filled >= 2 ? 2 : 1;
    this.#entryHigh.data = 0;
    if (entries === 2) page.readEntry(read + 1, this.#entryHigh);
    page.advanceReadPointer(entries);
    return true;
  }

  #serveBuffered(): void {
    const hand = this.#hand as RequestInHand;
    const { type, dir, size, addr, data } = this.#entry;
    copyIoreq(hand.req, ZERO);
    hand.req.type = type;
    hand.req.dir = dir;
    hand.req.size = 1 << size;
    hand.req.addr = type === IOREQ_TYPE_PIO ? addr & 0xffff : addr;
    hand.req.data = data;
    hand.req.data_hi = this.#entryHigh.data;
    hand.req.count = 1;
    if (hand.begin(-1) === 1) hand.access(0);
    this.served++;
  }
}

const ZERO = newIoreq();
