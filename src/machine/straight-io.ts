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
import type { MachineCpu } from '../cpu/machine-cpu.ts';
import type {
  WHAT_ADDR_SHIFT,
  WHAT_POSTED,
  WHAT_READ,
  WHAT_REASON,
  WHAT_SIZE,
  WHAT_SIZE_SHIFT,
  WHAT_SOLE,
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
  type IOREQ_READ,
  type IOREQ_TYPE_COPY,
  type IOREQ_TYPE_PIO,
  type IOREQ_WRITE,
  type STATE_IOREQ_INPROCESS,
} from '../xen/public/hvm_ioreq.ts';
import type { Bookkeeper } from './bookkeeper.ts';
import type { GuestRegs } from './guest-regs.ts';
import type { InterruptSource } from './interrupts.ts';
import type { PostedIo } from './posted-io.ts';
import { StraightAccess } from './straight-access.ts';
import { type ASKED_ALREADY, StraightAgain } from './straight-again.ts';
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
  readonly #last = new StraightAccess();
  readonly #again: StraightAgain;

  /** Accesses of ports that went this way. */
  get ports(): number {
    return this.#last.ports;
  }
  /** Of memory. */
  get memory(): number {
    return this.#last.memory;
  }
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
    const { vcpu, cpu, insnCpu, interrupts, timer } = parts;
    this.#again = new StraightAgain({
      ...{ vcpu, cpu, insnCpu, interrupts, timer },
      last: this.#last,
      beginMemory: () => this.#beginMemory(),
    });
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
      this.#again.disarm();
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
    let held: 0 | 1 = 0;
    posted?.update();
    for (;;) {
      if (isMoved === true && timer.next !== tick) {
        tick = timer.next;
        cpu.deadline = Math.min(limits.deadline, tick);
      }
      if (interrupts.pending || held === 1) held = this.#offer(posted);
      if (hvm.routing !== routing) {
        routing = hvm.routing;
        last.exit = -1;
        if (last.sent !== -1) this.#again.disarm();
        posted?.update();
      }
      let exit = target === null ? cpu.goOn() : cpu.goOnWith(data);
      if (exit === last.sent && target !== null && sender !== null) {
        exit = this.#again.run(target, sender, tick);
        data = last.data;
      }
      if (exit === ASKED && target !== null) {
        // The device has been asked already, and `data` is its answer.
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
        if (sender !== null && last.sent === -1) this.#again.arm(target, sender);
      } else {
        const reason = (exit & REASON) as ExitReason;
        last.exit = -1;
        if (last.sent !== -1) this.#again.disarm();
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
        if (last.port === 1) last.portsOver++;
        else last.memoryOver++;
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

  /** Hands an interrupt that waits to the CPU. @returns 1: accesses leave the guest until this was called again */
  #offer(posted: PostedIo | null): 0 | 1 {
    const { cpu, interrupts } = this.#parts;
    if (interrupts.pending) interrupts.offer(cpu);
    if (posted === null) return 0;
    // Another one is offered at the next exit that finds the CPU without: no access may leave that exit out.
    const holds = cpu.irq >= 0 && interrupts.pending;
    posted.hold(holds);
    return holds ? 1 : 0;
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
