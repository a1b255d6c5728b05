// SPDX-License-Identifier: GPL-2.0-only
// Guest and device by turns without a step in between that nobody can look at: accesses through an ioreq server on the
// vCPU's thread, from the exit to the device and back into the guest in one loop. IN, OUT, and what MOV does with memory.
// Anything out of the ordinary is left to the ordinary way, before the device is asked or right behind it.
import {
  type EXIT_BUDGET,
  EXIT_MMIO,
  type EXIT_PIO,
  type EXIT_PIO_STRING,
  type ExitReason,
} from '../cpu/backend.ts';
import type { InsnCpu } from '../cpu/insn-cpu.ts';
import type { MachineCpu, RequestSender } from '../cpu/machine-cpu.ts';
import {
  type WHAT_ADDR_SHIFT,
  type WHAT_DISTURBED,
  type WHAT_POSTED,
  type WHAT_READ,
  type WHAT_REASON,
  WHAT_SENT,
  type WHAT_SIZE,
  type WHAT_SIZE_SHIFT,
  type WHAT_SOLE,
} from '../cpu/run-page.ts';
import type { HighWord, IoSize } from '../dm/device.ts';
import type { InlineServer } from '../dm/inline-server.ts';
import type { GuestRam } from '../mem/guest-ram.ts';
import { stateWordOf } from '../mem/ioreq-page.ts';
import type { domain, vcpu } from '../xen/common/sched.ts';
import {
  straight_allowed,
  straight_complete,
  straight_mmio_as_ordinary,
  straight_send,
} from '../xen/hvm/straight.ts';
import {
  copyIoreq,
  IOREQ_READ,
  type IOREQ_TYPE_COPY,
  type IOREQ_TYPE_PIO,
  type IOREQ_WRITE,
  type ioreq_dir,
  type STATE_IOREQ_INPROCESS,
} from '../xen/public/hvm_ioreq.ts';
import type { Bookkeeper } from './bookkeeper.ts';
import type { GuestRegs } from './guest-regs.ts';
import type { InterruptSource } from './interrupts.ts';
import type { PostedIo } from './posted-io.ts';
import { StraightPlaces, type Target } from './straight-places.ts';
import { STRING_ORDINARY, STRING_STIRRED, StraightString } from './straight-string.ts';
import type { TimeSource } from './time-source.ts';

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
  /** Whether the guest is to go on. What it says, and `deadline`, change with `stirs` of the domain. */
  goesOn(): boolean;
  /** By reason; those that were dealt with here are counted in `ports` and `memory`. */
  readonly exits: number[];
}

/** `enter()`: the guest is not to be entered now, or the exit is dealt with in the ordinary way already. */
export const NOT_ENTERED = -1;
/**
 * An access, in fields: the engine knows what kind of number each of them is. Of variables of a loop that it enters in
 * the middle it knows nothing.
 */
class Access {
  /** The exit that is dealt with as this access was, but for its data; -1: none. */
  exit = -1;
  /** That exit where the CPU has put the access into its slot; -1: it is not asked to. */
  sent = -1;
  /** 1: of a port, 0: of memory. A boolean would be tested for all that can be true. */
  port: 0 | 1 = 1;
  dir: ioreq_dir = IOREQ_READ;
  /** The low 32 bits of the address, signed. */
  low = 0;
  /** In its device. */
  offset = 0;
  size: IoSize = 1;
  /** Of its data. */
  mask = 0;
  /** Of the slot, with the state. */
  word = 0;
  /** Its data, or its answer, when the device has been asked. */
  data = 0;
  /** `stirs` before it was asked. */
  stirs = 0;
  /** How many like it were begun and are not counted yet; all but the last are over. */
  get asked(): number {
    return this.sender === null ? 0 : this.sender.sent - this.before;
  }
  /** Who counts them; null: nobody. */
  sender: RequestSender | null = null;
  /** Where he began. */
  before = 0;
}

/** Of `#again()`, in place of an exit: the device has been asked, and the guest is not entered before somebody has looked. */
const ASKED_ALREADY = -2;
/** In place of `Access.sent`: the CPU does not send it. */
const NOT_TO_BE_SENT = -3;

export class StraightIo {
  /** INS and OUTS that went this way. */
  strings = 0;
  /** Accesses that need not leave the guest; null: there are none. */
  posted: PostedIo | null = null;
  readonly #parts: StraightParts;
  readonly #v: vcpu;
  readonly #d: domain;
  readonly #places: StraightPlaces;
  readonly #high: HighWord = { hi: 0 };
  readonly #strings: StraightString;
  readonly #last: Access = new Access();

  /** Accesses of ports that went this way. */
  get ports(): number {
    return this.#ports + (this.#last.port === 1 ? this.#last.asked : 0);
  }
  /** Of memory. */
  get memory(): number {
    return this.#memory + (this.#last.port === 1 ? 0 : this.#last.asked);
  }
  #ports = 0;
  #memory = 0;

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
      targetOf: (isPort, addr, size) => this.#places.targetOf(isPort, addr, size),
      goOnOrdinarily: (model, data) => this.#goOnOrdinarily(model, data),
    });
    this.#places = new StraightPlaces(parts.vcpu, parts.servers);
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
    const posted = limits.goesOn() ? this.posted : null;
    posted?.open();
    try {
      return this.#turns(limits, posted);
    } finally {
      this.#disarm();
      posted?.close();
    }
  }

  #turns(limits: StraightLimits, posted: PostedIo | null): ExitReason | -1 {
    // As numbers that stand here the engine folds them in; each that is imported would be looked up, and tested, at each
    // use. Their types say that they are what they are called.
    const PIO: typeof EXIT_PIO = 1;
    const PIO_STRING: typeof EXIT_PIO_STRING = 2;
    const READ: typeof IOREQ_READ = 1;
    const WRITE: typeof IOREQ_WRITE = 0;
    const REASON: typeof WHAT_REASON = 15;
    const IS_READ: typeof WHAT_READ = 16;
    const SIZE_SHIFT: typeof WHAT_SIZE_SHIFT = 5;
    const SIZE: typeof WHAT_SIZE = 15;
    const SOLE: typeof WHAT_SOLE = 512;
    const POSTED: typeof WHAT_POSTED = 1024;
    const ADDR_SHIFT: typeof WHAT_ADDR_SHIFT = 16;
    const MMIO: typeof EXIT_MMIO = 3;
    const BUDGET: typeof EXIT_BUDGET = 5;
    const TYPE_PIO: typeof IOREQ_TYPE_PIO = 0;
    const TYPE_COPY: typeof IOREQ_TYPE_COPY = 1;
    const IN_PROCESS: typeof STATE_IOREQ_INPROCESS = 2;
    const ASKED: typeof ASKED_ALREADY = -2;
    const { cpu, regs, insnCpu, books, interrupts, timer } = this.#parts;
    const v = this.#v;
    const { hvm } = this.#d.arch;
    const { io_req } = v.arch.hvm.hvm_io;
    const high = this.#high;
    const { isMoved } = timer;
    let tick = timer.next;
    cpu.deadline = Math.min(limits.deadline, tick);
    const goesOn = limits.goesOn();
    const sender = goesOn && books === null ? cpu.sender : null;
    let { routing } = hvm;
    // The last access, where it went, and its answer; null before the first.
    const last = this.#last;
    last.exit = -1;
    last.sent = -1;
    let target: Target | null = null;
    let data = 0;
    posted?.update();
    for (;;) {
      if (isMoved === true && timer.next !== tick) {
        tick = timer.next;
        cpu.deadline = Math.min(limits.deadline, tick);
      }
      if (interrupts.pending) interrupts.offer(cpu);
      if (hvm.routing !== routing) {
        routing = hvm.routing;
        last.exit = -1;
        this.#disarm();
        posted?.update();
      }
      let exit = target === null ? cpu.goOn() : cpu.goOnWith(data);
      if (exit === last.sent && target !== null && sender !== null) {
        exit = this.#again(target, sender, tick);
        data = last.data;
      }
      if (exit === ASKED && target !== null) {
        data = last.data;
      } else if (
        exit === last.exit &&
        target !== null &&
        (last.port === 1 || (cpu.exitPort | 0) === last.low)
      ) {
        data = 0;
        if (last.dir === WRITE) {
          data = cpu.exitData;
          io_req.data = data;
        }
        target.slot.fillAgain(last.low, last.size, data, last.word);
        if (sender !== null && last.sent === -1) this.#arm(target, sender);
      } else {
        const reason = (exit & REASON) as ExitReason;
        last.exit = -1;
        this.#disarm();
        if ((exit & POSTED) !== 0 && posted !== null) {
          exit &= ~POSTED;
          // Device models are about to be asked for what was written meanwhile: as beside a guest that runs.
          if (target !== null) this.#made(target, data);
          target = null;
          const before = hvm.stirs;
          posted.take();
          // Whoever does what such a write may not do is heard at this exit.
          if (hvm.stirs !== before || !limits.goesOn()) {
            count(limits, reason);
            return reason;
          }
          if (reason === BUDGET && cpu.icount < cpu.deadline) {
            count(limits, reason);
            continue;
          }
        }
        const isPort = reason === PIO;
        if (!isPort && (reason !== MMIO || (exit & SOLE) === 0)) {
          if (target !== null) this.#made(target, data);
          count(limits, reason);
          if (reason !== PIO_STRING || books !== null) return reason;
          target = null;
          const end = this.#strings.take();
          if (end === STRING_ORDINARY) return reason;
          if (end === STRING_STIRRED) return NOT_ENTERED;
          this.strings++;
          if (goesOn) continue;
          return NOT_ENTERED;
        }
        const addr = isPort ? exit >>> ADDR_SHIFT : cpu.exitPort;
        const dir = (exit & IS_READ) !== 0 ? READ : WRITE;
        const size = ((exit >>> SIZE_SHIFT) & SIZE) as IoSize;
        const found = this.#places.targetOf(isPort, addr, size);
        const same = found !== null && found.slot === target?.slot;
        if (target !== null && !same) this.#made(target, data);
        if (found === null || !(same || found.slot.isFree(found.sv.ioreq_evtchn))) {
          if (same) this.#made(found, data);
          count(limits, reason);
          return reason;
        }
        target = found;
        last.exit = exit;
        last.port = isPort ? 1 : 0;
        last.dir = dir;
        last.low = addr | 0;
        last.offset = addr - found.start;
        last.size = size;
        last.mask = maskOf(size);
        last.word = stateWordOf(isPort ? TYPE_PIO : TYPE_COPY, dir, IN_PROCESS);
        data = dir === READ ? 0 : cpu.exitData;
        if (isPort) {
          regs.begin(dir, size);
          regs.advanced = true;
        } else regs.pending = false;
        straight_send(v, found.sv, found.slot, isPort, addr, size, dir, data);
      }
      let { stirs } = last;
      if (exit !== ASKED) {
        if (last.port === 1) this.#ports++;
        else this.#memory++;
        stirs = hvm.stirs;
        try {
          if (last.dir === READ) {
            high.hi = 0;
            data = (target.device.read(last.offset, last.size, high) & last.mask) >>> 0;
          } else target.device.write(last.offset, last.size, data, 0);
        } catch (error) {
          // A device that throws leaves behind what it would have left.
          if (last.port === 0) this.#beginMemory();
          throw error;
        }
      }
      if (hvm.stirs !== stirs || !target.slot.isAs(last.word, target.sv.ioreq_evtchn)) {
        if (last.port === 0) this.#beginMemory();
        this.#goOnOrdinarily(target.model, data);
        return NOT_ENTERED;
      }
      target.model.served++;
      if (last.port === 0) insnCpu.retired++;
      if (books !== null) {
        books.whole(last.port === 1, last.dir, last.low >>> 0, last.size, data);
      }
      if (goesOn === true) continue;
      straight_complete(v, target.sv, target.slot, last.dir, data);
      if (last.port === 0) cpu.finish(data, 0);
      else if (last.dir === READ) regs.takeAnswer(data, last.mask);
      return NOT_ENTERED;
    }
  }

  /**
   * The access that the CPU has put into its slot, and each that is like it: the device is asked, and the guest goes on.
   * Who looks at the slot behind the device is the CPU, before it goes on. Leaves data or answer of the last in `#last`.
   * @param tick - as far as the timer's next tick is known
   * @returns an exit that is another one; or ASKED_ALREADY
   */
  #again(target: Target, sender: RequestSender, tick: number): number {
    const READ: typeof IOREQ_READ = 1;
    const DISTURBED: typeof WHAT_DISTURBED = 8192;
    const { cpu, interrupts, timer } = this.#parts;
    const { isMoved } = timer;
    const { hvm } = this.#d.arch;
    const last = this.#last;
    // Of 4 bytes and less nobody looks at the upper half.
    const high = this.#high;
    const { device } = target;
    const { offset, size, mask, dir, sent } = last;
    const { io_req } = this.#v.arch.hvm.hvm_io;
    const { stirs } = hvm;
    last.stirs = stirs;
    target.model.ahead = last;
    // What is counted later is read through it meanwhile.
    last.before = sender.sent - 1;
    last.sender = sender;
    let data = 0;
    try {
      for (;;) {
        if (dir === READ) {
          data = (device.read(offset, size, high) & mask) >>> 0;
        } else {
          data = cpu.exitData;
          io_req.data = data;
          device.write(offset, size, data, 0);
        }
        if (
          hvm.stirs !== stirs ||
          interrupts.pending ||
          (isMoved === true && timer.next !== tick)
        ) {
          break;
        }
        const exit = cpu.goOnAgain(data);
        if (exit === sent) continue;
        if (exit === DISTURBED) break;
        last.data = data;
        this.#count(target, 0);
        return exit;
      }
    } catch (error) {
      // A device that throws leaves behind what it would have left.
      this.#count(target, 1);
      if (last.port === 0) this.#beginMemory();
      throw error;
    }
    last.data = data;
    this.#count(target, 1);
    return ASKED_ALREADY;
  }

  /** What `#again()` has done. @param pending - 1: the last of them is not over */
  #count({ model }: Target, pending: 0 | 1): void {
    const last = this.#last;
    const { asked } = last;
    const over = asked - pending;
    last.sender = null;
    model.ahead = null;
    if (last.port === 1) this.#ports += asked;
    else {
      this.#memory += asked;
      this.#parts.insnCpu.retired += over;
    }
    model.served += over;
  }

  /** The CPU is to send the last access by itself when it comes again. */
  #arm(target: Target, sender: RequestSender): void {
    const last = this.#last;
    if (target.sent < 0) target.sent = sender.slot(target.slot.bytes());
    last.sent = target.sent > 0 ? last.exit | WHAT_SENT : NOT_TO_BE_SENT;
    if (target.sent > 0) sender.arm(target.sent, last.word, target.sv.ioreq_evtchn);
  }

  #disarm(): void {
    if (this.#last.sent !== -1) this.#parts.cpu.sender?.disarm();
    this.#last.sent = -1;
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
  #made({ sv, slot }: Target, data: number): void {
    this.#parts.regs.pending = false;
    straight_complete(this.#v, sv, slot, this.#last.dir, data);
  }

  /** The emulator goes on with the memory access that was sent for it. */
  #beginMemory(): void {
    const { cpu, insnCpu } = this.#parts;
    const { dir, low } = this.#last;
    insnCpu.begin(EXIT_MMIO);
    straight_mmio_as_ordinary(this.#v, cpu.exitLinear, low >>> 0, dir);
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
}

function count({ exits }: StraightLimits, reason: ExitReason): void {
  exits[reason] = (exits[reason] ?? 0) + 1;
}

/** Bits of an access of at most 4 bytes. */
export function maskOf(size: number): number {
  return size === 4 ? -1 : (1 << (8 * size)) - 1;
}
