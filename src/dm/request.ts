// SPDX-License-Identifier: GPL-2.0-only
// What a device model does with one request: element by element, between the bus and guest memory.
import type { GuestRam } from '../mem/guest-ram.ts';
import {
  IOREQ_READ,
  IOREQ_TYPE_COPY,
  IOREQ_TYPE_PCI_CONFIG,
  IOREQ_TYPE_PIO,
  type ioreq_dir,
  type ioreq_t,
  newIoreq,
} from '../xen/public/hvm_ioreq.ts';
import type { Bus } from './bus.ts';
import type { IoSize } from './device.ts';
import { readElements, writeElements } from './elements.ts';
import type { IoSpace } from './range.ts';

/** First port of the data of PCI configuration mechanism 1. */
export const CONFIG_DATA = 0xcfc;

/** One access a device model made, as reported to an observer. Reused: copy what you keep. */
export interface AccessEvent {
  /** Name of the ioreq server. */
  server: string;
  /** -1 for an entry of the buffered ring, which does not say. */
  vcpu: number;
  space: IoSpace;
  /** Port, or guest-physical address of this element. */
  addr: number;
  size: IoSize;
  /** IOREQ_READ or IOREQ_WRITE. */
  dir: ioreq_dir;
  /** Low and high 32 bits: what was answered, or what was written. */
  data: number;
  dataHi: number;
  /** Which repetition of the request, from 0. */
  element: number;
  /** Repetitions in the request. */
  count: number;
}

/** To be filled in. */
export function newAccessEvent(server: string, vcpu: number): AccessEvent {
  return {
    server,
    vcpu,
    space: 'pio',
    addr: 0,
    size: 1,
    dir: IOREQ_READ,
    data: 0,
    dataHi: 0,
    element: 0,
    count: 1,
  };
}

/** Hears each access after the device has seen it. */
export type AccessObserver = (event: AccessEvent) => void;

/**
 * One request in hand. The fast way and the stepwise way of serving both call `access()` and
 * `store()` for element 0 to count - 1; everything that decides what an access is lives here.
 */
export class RequestInHand {
  /** The request as it was taken from the slot or the ring; `data` collects the answer. */
  readonly req: ioreq_t = newIoreq();
  /** Called after each access to the bus; null costs nothing. */
  observer: AccessObserver | null = null;
  /** Elements whose guest memory was not RAM: read as all ones, not written. */
  badPointers = 0;
  /** Requests no device could be asked about: PCI configuration space without a host bridge, impossible sizes. */
  refused = 0;
  readonly #bus: Bus;
  readonly #ram: GuestRam;
  readonly #event: AccessEvent;

  constructor(server: string, bus: Bus, ram: GuestRam) {
    this.#bus = bus;
    this.#ram = ram;
    this.#event = newAccessEvent(server, -1);
  }

  /**
   * Looks at `req`, just filled in.
   * @param vcpu - for the observer
   * @returns elements to access: 0 if the request is none for a bus. Its answer is then all ones.
   */
  begin(vcpu: number): number {
    this.#event.vcpu = vcpu;
    if (this.req.type === IOREQ_TYPE_PCI_CONFIG) this.#configuration();
    const { type, size, count, dir, data_is_ptr } = this.req;
    const isBus = type === IOREQ_TYPE_PIO || type === IOREQ_TYPE_COPY;
    const isSize = size === 1 || size === 2 || size === 4 || size === 8;
    if (isBus && isSize) return count;
    // TIMEOFFSET and INVALIDATE tell us something and want no access.
    if (isBus || type === IOREQ_TYPE_PCI_CONFIG) this.refused++;
    if (dir === IOREQ_READ && !data_is_ptr) {
      this.req.data = 0xffffffff;
      this.req.data_hi = 0xffffffff;
    }
    return 0;
  }

  /** A host bridge has the address latched, as the monitor has: it is asked at the data port that the guest used. */
  #configuration(): void {
    const { req } = this;
    const port = CONFIG_DATA + (req.addr & 3);
    if (this.#bus.attachmentAt('pio', port, req.size) === null) return;
    req.type = IOREQ_TYPE_PIO;
    req.addr = port;
  }

  /** Whether elements of this request end in guest memory: `store()` is then due after `access()`. */
  get storesToMemory(): boolean {
    return this.req.data_is_ptr && this.req.dir === IOREQ_READ;
  }

  /** Whether the answer goes back in the slot. */
  get answersInSlot(): boolean {
    return !this.req.data_is_ptr && this.req.dir === IOREQ_READ;
  }

  /** Element `i` at the device: the part the world sees. */
  access(i: number): void {
    const req = this.req;
    const space: IoSpace = req.type === IOREQ_TYPE_PIO ? 'pio' : 'mmio';
    const size = req.size as IoSize;
    // The elements of a port request all go to the one port.
    const addr = space === 'pio' ? req.addr : this.#element(req.addr, i);
    if (req.dir === IOREQ_READ) {
      const value = this.#bus.read(space, addr, size);
      this.#value = value;
      this.#valueHi = this.#bus.high.hi;
      if (!req.data_is_ptr) {
        req.data = value;
        req.data_hi = this.#valueHi;
      }
    } else {
      if (req.data_is_ptr) this.#load(this.#element(req.data_hi * 2 ** 32 + req.data, i), size);
      else {
        this.#value = req.data;
        this.#valueHi = req.data_hi;
      }
      this.#bus.write(space, addr, size, this.#value, this.#valueHi);
    }
    if (this.observer !== null) this.#report(this.observer, space, addr, size, i);
  }

  /**
   * All elements of a REP INS or OUTS in hand, upwards in guest memory, as `access()` and `store()` for each would do
   * them; for when nobody wants to hear of each. `tellStored()` is due.
   * @returns false: it is none, and nothing was done
   */
  batch(): boolean {
    const { type, addr, size, count, dir, df, data_is_ptr, data, data_hi } = this.req;
    if (!data_is_ptr || df || type !== IOREQ_TYPE_PIO || size > 4) return false;
    if (this.observer !== null) return false;
    const length = count * size;
    const gpa = data_hi * 2 ** 32 + data;
    const found = this.#bus.attachmentAt('pio', addr, size);
    if (found === null || !this.#ram.contains(gpa, length)) return false;
    const bytes = this.#ram.bytes.subarray(gpa, gpa + length);
    const offset = addr - found.range.start;
    if (dir === IOREQ_READ) {
      this.#storedFrom = gpa;
      this.#storedEnd = gpa + length;
      readElements(found.device, offset, size as IoSize, bytes);
    } else writeElements(found.device, offset, size as IoSize, bytes);
    return true;
  }

  /** Tells the observer of a single access that was made by other hands. */
  tellAccess(data: number, dataHi: number): void {
    const { type, addr, size } = this.req;
    this.#value = data;
    this.#valueHi = dataHi;
    if (this.observer === null) return;
    this.#report(this.observer, type === IOREQ_TYPE_PIO ? 'pio' : 'mmio', addr, size as IoSize, 0);
  }

  /** Element `i` into guest memory: what `access(i)` answered. `tellStored()` is due before the guest runs. */
  store(i: number): void {
    const { data, data_hi, size } = this.req;
    const gpa = this.#element(data_hi * 2 ** 32 + data, i);
    if (!this.#ram.contains(gpa, size)) {
      this.badPointers++;
      return;
    }
    this.#ram.writeUnheard(gpa, size === 8 ? 4 : size, this.#value);
    if (size === 8) this.#ram.writeUnheard(gpa + 4, 4, this.#valueHi);
    if (this.#storedEnd === 0) {
      this.#storedFrom = gpa;
      this.#storedEnd = gpa + size;
    } else if (gpa < this.#storedFrom) this.#storedFrom = gpa;
    else this.#storedEnd = gpa + size;
  }

  /** Says that guest memory has changed; the elements of one request are side by side. */
  tellStored(): void {
    if (this.#storedEnd === 0) return;
    const from = this.#storedFrom;
    const length = this.#storedEnd - from;
    this.#storedEnd = 0;
    this.#ram.onHostWrite?.(from, length);
  }

  /** Where `store()` has written since `tellStored()`; nowhere while the end is 0. */
  #storedFrom = 0;
  #storedEnd = 0;

  /** The value of the element in hand. */
  #value = 0;
  #valueHi = 0;

  #element(base: number, i: number): number {
    return this.req.df ? base - i * this.req.size : base + i * this.req.size;
  }

  #load(gpa: number, size: IoSize): void {
    if (!this.#ram.contains(gpa, size)) {
      this.badPointers++;
      this.#value = 0xffffffff;
      this.#valueHi = 0xffffffff;
      return;
    }
    this.#value = this.#ram.read(gpa, size === 8 ? 4 : size);
    this.#valueHi = size === 8 ? this.#ram.read(gpa + 4, 4) : 0;
  }

  #report(
    observer: AccessObserver,
    space: IoSpace,
    addr: number,
    size: IoSize,
    element: number,
  ): void {
    const event = this.#event;
    const mask = size >= 4 ? 0xffffffff : (1 << (8 * size)) - 1;
    event.space = space;
    event.addr = addr;
    event.size = size;
    event.dir = this.req.dir;
    event.data = (this.#value & mask) >>> 0;
    event.dataHi = size === 8 ? this.#valueHi : 0;
    event.element = element;
    event.count = this.req.count;
    observer(event);
  }
}
