// SPDX-License-Identifier: GPL-2.0-only
// Where an access of the straight way goes: device, server and slot, remembered by stretch of ports or page of memory
// until something that decides it changes.
import type { Device } from '../dm/device.ts';
import type { InlineServer } from '../dm/inline-server.ts';
import type { IoreqSlot } from '../mem/ioreq-page.ts';
import type { domain, vcpu } from '../xen/common/sched.ts';
import type { hvm_ioreq_vcpu } from '../xen/hvm/state.ts';
import { straight_server } from '../xen/hvm/straight.ts';

/** Where accesses within one stretch of ports, or of memory within a page, go. */
export interface Target {
  readonly sv: hvm_ioreq_vcpu;
  readonly slot: IoreqSlot;
  readonly model: InlineServer;
  readonly device: Device;
  /** Where the device begins. */
  readonly start: number;
  /** Of the slot, at the CPU's `sender`; -1: not asked for yet. */
  sent: number;
}

export interface Place {
  /** `hvm_domain.routing` when it was looked up. */
  routing: number;
  isPort: boolean;
  first: number;
  last: number;
  target: Target | null;
}

/** A power of two. */
const PLACES = 64;
const PAGE = 4096;

export class StraightPlaces {
  readonly #v: vcpu;
  readonly #d: domain;
  readonly #servers: readonly InlineServer[];
  readonly #places: Place[];

  /** @param servers - on this thread */
  constructor(v: vcpu, servers: readonly InlineServer[]) {
    this.#v = v;
    this.#d = v.domain;
    this.#servers = servers;
    this.#places = Array.from({ length: PLACES }, () => ({
      routing: -1,
      isPort: true,
      first: 0,
      last: -1,
      target: null,
    }));
  }

  /** The target of an access, or null: it goes the ordinary way. Good until `routing` moves. */
  targetOf(isPort: boolean, addr: number, size: number): Target | null {
    const { hvm } = this.#d.arch;
    const place = this.#places[(isPort ? addr >>> 2 : addr >>> 12) & (PLACES - 1)] as Place;
    if (
      addr < place.first ||
      addr + size - 1 > place.last ||
      place.isPort !== isPort ||
      place.routing !== hvm.routing
    ) {
      this.#look(place, isPort, addr, size);
    }
    return place.target;
  }

  #look(place: Place, isPort: boolean, addr: number, size: number): void {
    const v = this.#v;
    const { hvm } = this.#d.arch;
    place.target = null;
    place.last = -1;
    const last = addr + size - 1;
    const s = straight_server(v, isPort, addr, last);
    const sv = s?.sv[v.vcpu_id];
    const page = s?.ioreq.va ?? null;
    const model = this.#servers.find(({ id }) => id === s?.id);
    const attachment = model?.bus.attachmentAt(isPort ? 'pio' : 'mmio', addr, size) ?? null;
    if (sv === undefined || page === null || model === undefined || attachment === null) return;
    const { device, range } = attachment;
    const pageStart = addr - (addr % PAGE);
    place.first = isPort ? range.start : Math.max(range.start, pageStart);
    place.last = isPort ? range.end : Math.min(range.end, pageStart + PAGE - 1);
    if (straight_server(v, isPort, place.first, place.last) !== s) {
      place.first = addr;
      place.last = last;
    }
    place.isPort = isPort;
    place.routing = hvm.routing;
    place.target = { sv, slot: page.slot(v.vcpu_id), model, device, start: range.start, sent: -1 };
  }
}
