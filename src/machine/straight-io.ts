// SPDX-License-Identifier: GPL-2.0-only
// Guest and device by turns without a step in between that nobody can look at: accesses through an ioreq server on the
// vCPU's thread, from the exit to the device and back into the guest in one loop. IN, OUT, and what MOV does with memory. Anything out of the ordinary is left
// to the ordinary way, before the device is asked or right behind it.
import { EXIT_BUDGET, EXIT_MMIO, EXIT_PIO, type ExitReason } from '../cpu/backend.ts';
import type { InsnCpu } from '../cpu/insn-cpu.ts';
import type { MachineCpu } from '../cpu/machine-cpu.ts';
import type { Device, HighWord, IoSize } from '../dm/device.ts';
import type { InlineServer } from '../dm/inline-server.ts';
import type { IoreqSlot } from '../mem/ioreq-page.ts';
import type { domain, vcpu } from '../xen/common/sched.ts';
import type { hvm_ioreq_vcpu } from '../xen/hvm/state.ts';
import {
  straight_allowed,
  straight_complete,
  straight_mmio_as_ordinary,
  straight_send,
  straight_server,
} from '../xen/hvm/straight.ts';
import { copyIoreq, IOREQ_READ, type ioreq_dir } from '../xen/public/hvm_ioreq.ts';
import type { Bookkeeper } from './bookkeeper.ts';
import type { GuestRegs } from './guest-regs.ts';
import type { InterruptSource } from './interrupts.ts';
import type { PostedIo } from './posted-io.ts';
import type { TimeSource } from './time-source.ts';

/** Where accesses within one stretch of ports, or of memory within a page, go. */
interface Target {
  readonly sv: hvm_ioreq_vcpu;
  readonly slot: IoreqSlot;
  readonly model: InlineServer;
  readonly device: Device;
  /** Where the device begins. */
  readonly start: number;
}

interface Place {
  /** `hvm_domain.routing` and `p2m_domain.changes` when it was looked up. */
  routing: number;
  changes: number;
  isPort: boolean;
  first: number;
  last: number;
  target: Target | null;
}

/** What is joined here. */
export interface StraightParts {
  readonly vcpu: vcpu;
  readonly cpu: MachineCpu;
  readonly regs: GuestRegs;
  readonly insnCpu: InsnCpu;
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
const PAGE = 4096;

export class StraightIo {
  /** Accesses that went this way. */
  taken = 0;
  /** Accesses that need not leave the guest; null: there are none. */
  posted: PostedIo | null = null;
  readonly #parts: StraightParts;
  readonly #v: vcpu;
  readonly #d: domain;
  readonly #places: Place[];
  readonly #high: HighWord = { hi: 0 };

  /** For a machine with nobody at the preemption points, no tracer but its own, and `straight_possible`. */
  constructor(parts: StraightParts) {
    this.#parts = parts;
    this.#v = parts.vcpu;
    this.#d = parts.vcpu.domain;
    this.#places = Array.from({ length: PLACES }, () => ({
      routing: -1,
      changes: 0,
      isPort: true,
      first: 0,
      last: -1,
      target: null,
    }));
  }

  /**
   * Enters the guest, again and again while its exits can be dealt with here. Everybody is settled when it is called.
   * @returns an exit for the ordinary way, which has to deal with all of it; or NOT_ENTERED
   */
  enter(limits: StraightLimits): ExitReason | -1 {
    this.#parts.regs.release();
    // Nobody but the guest works between the end of one turn and the next exit: looked at once, it stays so.
    const calm = straight_allowed(this.#v) && this.#calm();
    const { posted } = this;
    if (posted === null || !calm || !limits.goesOn) return this.#turns(limits, calm, null);
    posted.open();
    try {
      return this.#turns(limits, calm, posted);
    } finally {
      posted.close();
    }
  }

  #turns(limits: StraightLimits, calm: boolean, posted: PostedIo | null): ExitReason | -1 {
    const { cpu, regs, insnCpu, books, interrupts, timer } = this.#parts;
    const v = this.#v;
    const hvm = this.#d.arch.hvm;
    const { exits } = limits;
    for (;;) {
      cpu.deadline = Math.min(limits.deadline, timer.next);
      if (interrupts.pending) interrupts.offer(cpu);
      if (posted !== null) posted.update();
      const exit = cpu.run();
      exits[exit] = (exits[exit] ?? 0) + 1;
      if (posted?.waiting) {
        const before = hvm.stirs;
        posted.take();
        // Whoever does what such a write may not do is heard at this exit.
        if (hvm.stirs !== before || !limits.goesOn) return exit;
        if (exit === EXIT_BUDGET && cpu.icount < cpu.deadline) continue;
      }
      const isPort = exit === EXIT_PIO;
      if (!calm || !(isPort || (exit === EXIT_MMIO && cpu.exitSole))) return exit;
      const addr = cpu.exitPort;
      const size = cpu.exitSize;
      const place = this.#places[(isPort ? addr >>> 2 : addr >>> 12) & (PLACES - 1)] as Place;
      if (
        addr < place.first ||
        addr + size - 1 > place.last ||
        place.isPort !== isPort ||
        place.routing !== hvm.routing ||
        place.changes !== hvm.p2m.changes
      ) {
        this.#look(place, isPort, addr, size);
      }
      const { target } = place;
      if (target === null) return exit;
      const { sv, slot, model } = target;
      if (!slot.isFree(sv.ioreq_evtchn)) return exit;

      const { stirs } = hvm;
      const dir = cpu.exitDir;
      let data = cpu.exitData;
      if (isPort) {
        regs.begin(dir, size, data);
        regs.advanced = true;
      }
      straight_send(v, sv, slot, isPort, addr, size, dir, data);
      try {
        data = this.#ask(target.device, addr - target.start, size as IoSize, dir, data);
      } catch (error) {
        // A device that throws leaves behind what it would have left.
        if (!isPort) this.#beginMemory(addr, dir);
        throw error;
      }
      if (hvm.stirs !== stirs || !slot.isInProcess()) {
        if (!isPort) this.#beginMemory(addr, dir);
        this.#goOnOrdinarily(model, data);
        return NOT_ENTERED;
      }
      model.served++;
      straight_complete(v, sv, slot, dir, data);
      if (!isPort) insnCpu.retired++;
      if (books !== null) books.whole(isPort, dir, addr, size, data);
      this.taken++;
      if (limits.goesOn) {
        regs.pending = false;
        cpu.answer(data, 0);
        continue;
      }
      if (!isPort) cpu.finish(data, 0);
      else if (dir === IOREQ_READ) regs.takeAnswer(data, maskOf(size));
      return NOT_ENTERED;
    }
  }

  #ask(device: Device, offset: number, size: IoSize, dir: ioreq_dir, data: number): number {
    if (dir === IOREQ_READ) {
      this.#high.hi = 0;
      return (device.read(offset, size, this.#high) & maskOf(size)) >>> 0;
    }
    device.write(offset, size, data, 0);
    return data;
  }

  /** The emulator goes on with the memory access that was sent for it. */
  #beginMemory(addr: number, dir: ioreq_dir): void {
    const { cpu, insnCpu } = this.#parts;
    insnCpu.begin(EXIT_MMIO);
    straight_mmio_as_ordinary(this.#v, cpu.exitLinear, addr, dir);
  }

  /** The device model goes on where it was, and the vCPU waits for it as if nothing had been left out. */
  #goOnOrdinarily(model: InlineServer, data: number): void {
    const v = this.#v;
    const p = v.arch.hvm.p;
    copyIoreq(p, v.arch.hvm.hvm_io.io_req);
    const { books } = this.#parts;
    if (books !== null) {
      books.begin();
      books.sending(v, p);
    }
    p.data = data;
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

  #look(place: Place, isPort: boolean, addr: number, size: number): void {
    const v = this.#v;
    const { hvm } = this.#d.arch;
    place.target = null;
    place.last = -1;
    const last = addr + size - 1;
    const s = straight_server(v, isPort, addr, last);
    const sv = s?.sv[v.vcpu_id];
    const page = s?.ioreq.va ?? null;
    const model = this.#parts.servers.find(({ id }) => id === s?.id);
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
    place.changes = hvm.p2m.changes;
    place.target = { sv, slot: page.slot(v.vcpu_id), model, device, start: range.start };
  }
}

/** Bits of an access of at most 4 bytes. */
export function maskOf(size: number): number {
  return size === 4 ? -1 : (1 << (8 * size)) - 1;
}
