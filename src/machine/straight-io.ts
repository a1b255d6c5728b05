// SPDX-License-Identifier: GPL-2.0-only
// Guest and device by turns without a step in between that nobody can look at: accesses through an ioreq server on the
// vCPU's thread, from the exit to the device and back into the guest in one loop. IN, OUT, and what MOV does with memory. Anything out of the ordinary is left
// to the ordinary way, before the device is asked or right behind it.
import {
  EXIT_BUDGET,
  EXIT_MMIO,
  EXIT_PIO,
  EXIT_PIO_STRING,
  type ExitReason,
} from '../cpu/backend.ts';
import type { InsnCpu } from '../cpu/insn-cpu.ts';
import type { MachineCpu } from '../cpu/machine-cpu.ts';
import {
  WHAT_ADDR_SHIFT,
  WHAT_POSTED,
  WHAT_READ,
  WHAT_REASON,
  WHAT_SIZE,
  WHAT_SIZE_SHIFT,
  WHAT_SOLE,
} from '../cpu/run-page.ts';
import type { Device, HighWord, IoSize } from '../dm/device.ts';
import type { InlineServer } from '../dm/inline-server.ts';
import type { GuestRam } from '../mem/guest-ram.ts';
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
import {
  copyIoreq,
  IOREQ_READ,
  IOREQ_TYPE_COPY,
  IOREQ_TYPE_PIO,
  IOREQ_WRITE,
  type ioreq_dir,
  STATE_IOREQ_INPROCESS,
} from '../xen/public/hvm_ioreq.ts';
import type { Bookkeeper } from './bookkeeper.ts';
import type { GuestRegs } from './guest-regs.ts';
import type { InterruptSource } from './interrupts.ts';
import type { PostedIo } from './posted-io.ts';
import { STRING_ORDINARY, STRING_STIRRED, StraightString } from './straight-string.ts';
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

export interface Place {
  /** `hvm_domain.routing` when it was looked up. */
  routing: number;
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
  readonly ram: GuestRam;
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
  /** By reason; those that were dealt with here are counted in `ports` and `memory`. */
  readonly exits: number[];
  /** Another number whenever another deadline is set. */
  readonly deadlines: number;
}

/** `enter()`: the guest is not to be entered now, or the exit is dealt with in the ordinary way already. */
export const NOT_ENTERED = -1;

// What is imported is looked up each time it is used; names of one's own module are constants to the compiler.
const PIO = EXIT_PIO;
const PIO_STRING = EXIT_PIO_STRING;
const READ = IOREQ_READ;
const WRITE = IOREQ_WRITE;
const TYPE_PIO = IOREQ_TYPE_PIO;
const TYPE_COPY = IOREQ_TYPE_COPY;
const IN_PROCESS = STATE_IOREQ_INPROCESS;
const REASON = WHAT_REASON;
const IS_READ = WHAT_READ;
const SIZE = WHAT_SIZE;
const SIZE_SHIFT = WHAT_SIZE_SHIFT;
const ADDR_SHIFT = WHAT_ADDR_SHIFT;
const POSTED = WHAT_POSTED;
/** An access of memory that is all of its instruction, in one word. */
const ANY_SOLE = WHAT_REASON | WHAT_SOLE;
const SOLE_MMIO = EXIT_MMIO | WHAT_SOLE;

/** A power of two. */
const PLACES = 64;
const PAGE = 4096;

export class StraightIo {
  /** Accesses that went this way: of ports, of memory, and whole INS and OUTS. */
  ports = 0;
  memory = 0;
  strings = 0;
  /** Accesses that need not leave the guest; null: there are none. */
  posted: PostedIo | null = null;
  readonly #parts: StraightParts;
  readonly #v: vcpu;
  readonly #d: domain;
  readonly #places: Place[];
  readonly #high: HighWord = { hi: 0 };
  readonly #strings: StraightString;

  get taken(): number {
    return this.ports + this.memory + this.strings;
  }

  /** For a machine with nobody at the preemption points, no tracer but its own, and `straight_possible`. */
  constructor(parts: StraightParts) {
    this.#parts = parts;
    this.#v = parts.vcpu;
    this.#d = parts.vcpu.domain;
    this.#strings = new StraightString({
      vcpu: parts.vcpu,
      cpu: parts.cpu,
      insnCpu: parts.insnCpu,
      ram: parts.ram,
      placeOf: (isPort, addr, size) => this.#placeOf(isPort, addr, size),
      goOnOrdinarily: (model, data) => this.#goOnOrdinarily(model, data),
    });
    this.#places = Array.from({ length: PLACES }, () => ({
      routing: -1,
      isPort: true,
      first: 0,
      last: -1,
      target: null,
    }));
  }

  /**
   * Enters the guest, again and again while its exits can be dealt with here. Everybody is settled when it is called.
   * Between two accesses nobody can look but the device models that are asked: what one of them sees of a request is
   * left as it is while the guest runs, and made good when another server is asked, or before this returns.
   * @returns an exit for the ordinary way, which has to deal with all of it; or NOT_ENTERED
   */
  enter(limits: StraightLimits): ExitReason | -1 {
    this.#parts.regs.release();
    // Nobody but the guest works between the end of one turn and the next exit: looked at once, it stays so.
    if (!(straight_allowed(this.#v) && this.#calm())) return this.#enterOnce(limits);
    const { posted } = this;
    if (posted === null || !limits.goesOn) return this.#turns(limits, null);
    posted.open();
    try {
      return this.#turns(limits, posted);
    } finally {
      posted.close();
    }
  }

  #turns(limits: StraightLimits, posted: PostedIo | null): ExitReason | -1 {
    const { cpu, regs, insnCpu, books, interrupts, timer } = this.#parts;
    const v = this.#v;
    const { hvm } = this.#d.arch;
    const { io_req } = v.arch.hvm.hvm_io;
    let deadlines = Number.NaN;
    let tick = Number.NaN;
    // The last access: its place, null before the first; what it was, and its answer.
    let place: Place | null = null;
    let target: Target | null = null;
    let what = 0;
    let addr = 0;
    let mask = 0;
    let data = 0;
    for (;;) {
      const { next } = timer;
      if (limits.deadlines !== deadlines || next !== tick) {
        deadlines = limits.deadlines;
        tick = next;
        cpu.deadline = Math.min(limits.deadline, tick);
      }
      if (interrupts.pending) interrupts.offer(cpu);
      if (posted !== null) posted.update();
      let exit = target === null ? cpu.goOn() : cpu.goOnWith(data);
      const reason = (exit & REASON) as ExitReason;
      if ((exit & POSTED) !== 0 && posted !== null) {
        exit &= ~POSTED;
        // Device models are about to be asked for what was written meanwhile: as beside a guest that runs.
        if (target !== null) this.#made(target, what, data);
        target = null;
        const before = hvm.stirs;
        posted.take();
        // Whoever does what such a write may not do is heard at this exit.
        if (hvm.stirs !== before || !limits.goesOn) {
          count(limits, reason);
          return reason;
        }
        if (reason === EXIT_BUDGET && cpu.icount < cpu.deadline) {
          count(limits, reason);
          continue;
        }
      }
      const isPort = reason === PIO;
      if (!isPort && (exit & ANY_SOLE) !== SOLE_MMIO) {
        if (target !== null) this.#made(target, what, data);
        count(limits, reason);
        if (reason !== PIO_STRING || books !== null) return reason;
        target = null;
        const end = this.#strings.take();
        if (end === STRING_ORDINARY) return reason;
        if (end === STRING_STIRRED) return NOT_ENTERED;
        this.strings++;
        if (limits.goesOn) continue;
        return NOT_ENTERED;
      }
      const at = isPort ? exit >>> ADDR_SHIFT : cpu.exitPort;
      const dir = (exit & IS_READ) !== 0 ? READ : WRITE;
      const size = (exit >>> SIZE_SHIFT) & SIZE;
      if (
        place === null ||
        target === null ||
        exit !== what ||
        at !== addr ||
        place.routing !== hvm.routing
      ) {
        place = this.#placeOf(isPort, at, size);
        const found = place.target;
        const same = found !== null && found.slot === target?.slot;
        if (target !== null && !same) this.#made(target, what, data);
        if (found === null || !(same || found.slot.isFree(found.sv.ioreq_evtchn))) {
          if (same) this.#made(found, what, data);
          count(limits, reason);
          return reason;
        }
        target = found;
        what = exit;
        addr = at;
        mask = maskOf(size);
        data = dir === READ ? 0 : cpu.exitData;
        if (isPort) {
          regs.begin(dir, size, data);
          regs.advanced = true;
        } else regs.pending = false;
        straight_send(v, target.sv, target.slot, isPort, addr, size, dir, data);
      } else {
        // The same as before: all that can differ is the data of a write.
        data = 0;
        if (dir === WRITE) {
          data = cpu.exitData;
          io_req.data = data;
          if (isPort) regs.out = data;
        }
        target.slot.fillOne(isPort ? TYPE_PIO : TYPE_COPY, addr, size, dir, data, IN_PROCESS);
      }
      if (isPort) this.ports++;
      else this.memory++;
      const { stirs } = hvm;
      try {
        data = this.#ask(target.device, addr - target.start, size as IoSize, dir, data, mask);
      } catch (error) {
        // A device that throws leaves behind what it would have left.
        if (!isPort) this.#beginMemory(addr, dir);
        throw error;
      }
      const { model } = target;
      if (hvm.stirs !== stirs || !target.slot.isInProcess(target.sv.ioreq_evtchn)) {
        if (!isPort) this.#beginMemory(addr, dir);
        this.#goOnOrdinarily(model, data);
        return NOT_ENTERED;
      }
      model.served++;
      if (!isPort) insnCpu.retired++;
      if (books !== null) books.whole(isPort, dir, addr, size, data);
      if (limits.goesOn) continue;
      straight_complete(v, target.sv, target.slot, dir, data);
      if (!isPort) cpu.finish(data, 0);
      else if (dir === READ) regs.takeAnswer(data, mask);
      return NOT_ENTERED;
    }
  }

  /** The ordinary way, as far as the exit. */
  #enterOnce(limits: StraightLimits): ExitReason {
    const { cpu, interrupts, timer } = this.#parts;
    cpu.deadline = Math.min(limits.deadline, timer.next);
    if (interrupts.pending) interrupts.offer(cpu);
    const reason = cpu.run();
    count(limits, reason);
    return reason;
  }

  /** Nothing is left of the last access, which the CPU has been given the answer of. */
  #made({ sv, slot }: Target, what: number, data: number): void {
    this.#parts.regs.pending = false;
    const dir = (what & IS_READ) !== 0 ? READ : WRITE;
    straight_complete(this.#v, sv, slot, dir, data);
  }

  #placeOf(isPort: boolean, addr: number, size: number): Place {
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
    return place;
  }

  #ask(
    device: Device,
    offset: number,
    size: IoSize,
    dir: ioreq_dir,
    data: number,
    mask: number,
  ): number {
    if (dir === READ) {
      this.#high.hi = 0;
      return (device.read(offset, size, this.#high) & mask) >>> 0;
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
    place.target = { sv, slot: page.slot(v.vcpu_id), model, device, start: range.start };
  }
}

function count({ exits }: StraightLimits, reason: ExitReason): void {
  exits[reason] = (exits[reason] ?? 0) + 1;
}

/** Bits of an access of at most 4 bytes. */
export function maskOf(size: number): number {
  return size === 4 ? -1 : (1 << (8 * size)) - 1;
}
