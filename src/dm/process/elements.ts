// SPDX-License-Identifier: GPL-2.0-only
// One request of a device model in another process, as far as guest memory is concerned: its elements go out with it
// or come back with its answer, so that the other side needs no guest memory.
import type { GuestRam } from '../../mem/guest-ram.ts';
import {
  IOREQ_READ,
  IOREQ_TYPE_COPY,
  IOREQ_TYPE_PIO,
  IOREQ_WRITE,
  type ioreq_t,
  newIoreq,
} from '../../xen/public/hvm_ioreq.ts';
import type { IoSize } from '../device.ts';
import { type AccessEvent, type AccessObserver, newAccessEvent } from '../request.ts';
import { MAX_ELEMENT_BYTES } from './frames.ts';
import type { Answer } from './messages.ts';

const NOTHING = new Uint8Array(0);
const TWO_32 = 2 ** 32;

/** Who hears what the request did. */
export interface ElementListener {
  onAccess: AccessObserver;
  onStored: (vcpu: number, gpa: number, length: number) => void;
}

export class ElementsInHand {
  /** The request as it was taken from the slot. */
  readonly req: ioreq_t = newIoreq();
  /** Elements whose guest memory was not RAM: read as all ones, not written. */
  badPointers = 0;
  readonly #ram: GuestRam;
  readonly #event: AccessEvent;
  #loaded: Uint8Array = NOTHING;

  constructor(server: string, ram: GuestRam) {
    this.#ram = ram;
    this.#event = newAccessEvent(server, 0);
  }

  /** Whether this is a request for a bus, of a size and a length that there are. */
  get #isAccess(): boolean {
    const { type, size, count } = this.req;
    const isSize = size === 1 || size === 2 || size === 4 || size === 8;
    return (
      (type === IOREQ_TYPE_PIO || type === IOREQ_TYPE_COPY) &&
      isSize &&
      count * size <= MAX_ELEMENT_BYTES
    );
  }

  /** What guest memory holds for each repetition of a write; nothing for other requests. */
  load(): Uint8Array {
    const { req } = this;
    this.#loaded = NOTHING;
    if (!req.data_is_ptr || req.dir !== IOREQ_WRITE || !this.#isAccess) return NOTHING;
    const { size, count } = req;
    const bytes = new Uint8Array(size * count);
    for (let i = 0; i < count; i++) {
      const gpa = this.#place(i);
      if (this.#ram.contains(gpa, size)) this.#ram.readBytes(gpa, bytes, i * size, size);
      else {
        this.badPointers++;
        bytes.fill(0xff, i * size, (i + 1) * size);
      }
    }
    this.#loaded = bytes;
    return bytes;
  }

  /** Bytes of elements its answer must carry. */
  get answerBytes(): number {
    const { req } = this;
    if (!req.data_is_ptr || req.dir !== IOREQ_READ || !this.#isAccess) return 0;
    return req.size * req.count;
  }

  /** The answer is in: guest memory is written and every access told. */
  finish(vcpu: number, answer: Answer, tell: ElementListener): void {
    if (!this.#isAccess) return;
    const { req } = this;
    const { size, count } = req;
    const event = this.#event;
    event.vcpu = vcpu;
    event.space = req.type === IOREQ_TYPE_PIO ? 'pio' : 'mmio';
    event.size = size as IoSize;
    event.dir = req.dir;
    event.count = count;
    const elements = req.dir === IOREQ_READ ? answer.elements : this.#loaded;
    const source = req.data_is_ptr ? null : req.dir === IOREQ_READ ? answer : req;
    if (req.data_is_ptr && req.dir === IOREQ_READ) this.#store(vcpu, answer.elements, tell);
    const mask = size >= 4 ? 0xffffffff : (1 << (8 * size)) - 1;
    for (let i = 0; i < count; i++) {
      event.addr = event.space === 'pio' ? req.addr : this.#element(req.addr, i);
      event.element = i;
      event.data = ((source === null ? word(elements, i * size, size) : source.data) & mask) >>> 0;
      event.dataHi = 0;
      if (size === 8) {
        event.dataHi = source === null ? word(elements, i * size + 4, 4) : source.data_hi;
      }
      tell.onAccess(event);
    }
  }

  #store(vcpu: number, elements: Uint8Array, tell: ElementListener): void {
    const { size, count } = this.req;
    let from = 0;
    let end = 0;
    for (let i = 0; i < count; i++) {
      const gpa = this.#place(i);
      if (!this.#ram.contains(gpa, size)) {
        this.badPointers++;
        continue;
      }
      for (let b = 0; b < size; b++) this.#ram.bytes[gpa + b] = elements[i * size + b] as number;
      from = end === 0 ? gpa : Math.min(from, gpa);
      end = Math.max(end, gpa + size);
    }
    if (end > 0) tell.onStored(vcpu, from, end - from);
  }

  /** Guest memory of element `i`. */
  #place(i: number): number {
    return this.#element(this.req.data_hi * TWO_32 + this.req.data, i);
  }

  #element(base: number, i: number): number {
    return this.req.df ? base - i * this.req.size : base + i * this.req.size;
  }
}

/** Up to 4 bytes at `at`, little endian. */
function word(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let b = Math.min(size, 4) - 1; b >= 0; b--) value = (value << 8) | (bytes[at + b] as number);
  return value >>> 0;
}
