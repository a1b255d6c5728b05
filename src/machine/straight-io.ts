// SPDX-License-Identifier: GPL-2.0-only
// Guest and device by turns without a step in between that nobody can look at: IN and OUT through an ioreq server on the
// vCPU's thread, from the exit to the device and back into the guest in one loop. Anything out of the ordinary is left
// to the ordinary way, before the device is asked or right behind it.
import { EXIT_PIO, type ExitReason } from '../cpu/backend.ts';
import type { MachineCpu } from '../cpu/machine-cpu.ts';
import type { Device, HighWord, IoSize } from '../dm/device.ts';
import type { InlineServer } from '../dm/inline-server.ts';
import type { IoreqSlot } from '../mem/ioreq-page.ts';
import type { domain, vcpu } from '../xen/common/sched.ts';
import type { hvm_ioreq_vcpu } from '../xen/hvm/state.ts';
import {
  straight_allowed,
  straight_complete,
  straight_possible,
  straight_send,
  straight_server,
} from '../xen/hvm/straight.ts';
import { copyIoreq, IOREQ_READ, type ioreq_dir, newIoreq } from '../xen/public/hvm_ioreq.ts';
import type { Bookkeeper } from './bookkeeper.ts';
import type { GuestRegs } from './guest-regs.ts';
import type { InterruptSource } from './interrupts.ts';
import type { TimeSource } from './time-source.ts';

/** Where accesses of one width to one port go. */
interface Target {
  readonly sv: hvm_ioreq_vcpu;
  readonly slot: IoreqSlot;
  readonly model: InlineServer;
  readonly device: Device;
  /** First port of the device. */
  readonly start: number;
  /** Bits of an access. */
  readonly mask: number;
}

interface Place {
  /** `hvm_domain.routing` when it was looked up. */
  routing: number;
  port: number;
  size: number;
  target: Target | null;
}

/** What is joined here. */
export interface StraightParts {
  readonly vcpu: vcpu;
  readonly cpu: MachineCpu;
  readonly regs: GuestRegs;
  readonly servers: readonly InlineServer[];
  readonly books: Bookkeeper | null;
  readonly interrupts: InterruptSource;
  readonly timer: TimeSource;
}

/** What its caller wants, looked at before each entry. */
export interface StraightLimits {
  readonly deadline: number;
  /** Whether the guest is to go on. */
  readonly goesOn: boolean;
  readonly exits: number[];
}

/** `enter()`: the guest is not to be entered now, or the exit is dealt with in the ordinary way already. */
export const NOT_ENTERED = -1;

/** A power of two. */
const PLACES = 64;

export class StraightIo {
  /** Accesses that went this way. */
  taken = 0;
  readonly #parts: StraightParts;
  readonly #v: vcpu;
  readonly #d: domain;
  readonly #places: Place[];
  readonly #request = newIoreq();
  readonly #high: HighWord = { hi: 0 };

  private constructor(parts: StraightParts) {
    this.#parts = parts;
    this.#v = parts.vcpu;
    this.#d = parts.vcpu.domain;
    this.#places = Array.from({ length: PLACES }, () => ({
      routing: -1,
      port: 0,
      size: 0,
      target: null,
    }));
  }

  /** For a machine with nobody at the preemption points, and no tracer but its own; null where it cannot be. */
  static of(parts: StraightParts): StraightIo | null {
    return straight_possible(parts.vcpu) ? new StraightIo(parts) : null;
  }

  /**
   * Enters the guest, again and again while its exits can be dealt with here. Everybody is settled when it is called.
   * @returns an exit for the ordinary way, which has to deal with all of it; or NOT_ENTERED
   */
  enter(limits: StraightLimits): ExitReason | -1 {
    const { cpu, regs, books, interrupts, timer } = this.#parts;
    const v = this.#v;
    const hvm = this.#d.arch.hvm;
    const { exits } = limits;
    regs.release();
    // Nobody but the guest works between the end of one turn and the next exit: looked at once, it stays so.
    const calm = straight_allowed(v) && this.#calm();
    for (;;) {
      cpu.deadline = Math.min(limits.deadline, timer.next);
      if (interrupts.pending) interrupts.offer(cpu);
      const exit = cpu.run();
      exits[exit] = (exits[exit] ?? 0) + 1;
      if (exit !== EXIT_PIO || !calm) return exit;
      const port = cpu.exitPort;
      const size = cpu.exitSize;
      const place = this.#places[(port ^ (size << 3)) & (PLACES - 1)] as Place;
      if (place.port !== port || place.size !== size || place.routing !== hvm.routing) {
        this.#look(place, port, size);
      }
      const { target } = place;
      if (target === null) return exit;
      const { sv, slot, model, device, start, mask } = target;
      if (!slot.isFree(sv.ioreq_evtchn)) return exit;

      const { stirs } = hvm;
      const dir = cpu.exitDir;
      let data = cpu.exitData;
      regs.begin(dir, size, data);
      regs.advanced = true;
      straight_send(v, sv, slot, port, size, dir, data);
      if (dir === IOREQ_READ) {
        this.#high.hi = 0;
        data = (device.read(port - start, size as IoSize, this.#high) & mask) >>> 0;
      } else device.write(port - start, size as IoSize, data, 0);
      if (hvm.stirs !== stirs || !slot.isInProcess()) {
        this.#goOnOrdinarily(model, size, dir, port, data);
        return NOT_ENTERED;
      }
      model.served++;
      straight_complete(v, sv, slot, dir, data);
      if (books !== null) books.whole(dir, port, size, data);
      this.taken++;
      if (!limits.goesOn) {
        if (dir === IOREQ_READ) regs.takeAnswer(data, mask);
        return NOT_ENTERED;
      }
      regs.pending = false;
      cpu.answer(data, 0);
    }
  }

  /** The device model goes on where it was, and the vCPU waits for it as if nothing had been left out. */
  #goOnOrdinarily(
    model: InlineServer,
    size: number,
    dir: ioreq_dir,
    port: number,
    data: number,
  ): void {
    const v = this.#v;
    const p = v.arch.hvm.p;
    copyIoreq(p, v.arch.hvm.hvm_io.io_req);
    p.size = size;
    p.addr = port;
    p.dir = dir;
    p.data = data;
    const { books } = this.#parts;
    if (books !== null) {
      books.begin();
      books.sending(v, p);
    }
    model.finishStraight(v.vcpu_id, p);
  }

  /** Whether no device model has anything to do before it is asked, and nobody but the books hears of it. */
  #calm(): boolean {
    const { books, servers } = this.#parts;
    if (books !== null && !books.quiet) return false;
    for (const model of servers) {
      if (!model.idle || model.onAnswered !== null) return false;
      if (model.onAccess !== (books?.onAccess ?? null)) return false;
    }
    return true;
  }

  #look(place: Place, port: number, size: number): void {
    place.routing = this.#d.arch.hvm.routing;
    place.port = port;
    place.size = size;
    place.target = null;
    const v = this.#v;
    const s = straight_server(v, port, size, this.#request);
    const sv = s?.sv[v.vcpu_id];
    const page = s?.ioreq.va ?? null;
    const model = this.#parts.servers.find(({ id }) => id === s?.id);
    const attachment = model?.bus.attachmentAt('pio', port, size) ?? null;
    if (s === null || sv === undefined || page === null) return;
    if (model === undefined || attachment === null) return;
    place.target = {
      sv,
      slot: page.slot(v.vcpu_id),
      model,
      device: attachment.device,
      start: attachment.range.start,
      mask: size === 4 ? -1 : (1 << (8 * size)) - 1,
    };
  }
}
