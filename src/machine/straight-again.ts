// SPDX-License-Identifier: GPL-2.0-only
// The same access again and again: the CPU puts it into its slot by itself, and looks at the slot before it goes on. What
// is left is to ask the device, and whether anything has happened meanwhile.
import type { InsnCpu } from '../cpu/insn-cpu.ts';
import type { MachineCpu, RequestSender } from '../cpu/machine-cpu.ts';
import { type WHAT_DISTURBED, WHAT_SENT } from '../cpu/run-page.ts';
import type { HighWord } from '../dm/device.ts';
import type { vcpu } from '../xen/common/sched.ts';
import type { IOREQ_READ } from '../xen/public/hvm_ioreq.ts';
import type { InterruptSource } from './interrupts.ts';
import type { StraightAccess } from './straight-access.ts';
import type { Target } from './straight-places.ts';
import type { TimeSource } from './time-source.ts';

/** `run()`, in place of an exit: the device has been asked, and the guest is not entered before somebody has looked. */
export const ASKED_ALREADY = -2;
/** In place of `StraightAccess.sent`: the CPU does not send it. */
const NOT_TO_BE_SENT = -3;

/** What is joined here. */
export interface StraightAgainParts {
  readonly vcpu: vcpu;
  readonly cpu: MachineCpu;
  readonly insnCpu: InsnCpu;
  readonly interrupts: InterruptSource;
  readonly timer: TimeSource;
  /** The access that may come again. */
  readonly last: StraightAccess;
  /** The emulator goes on with it, one of memory. */
  readonly beginMemory: () => void;
}

export class StraightAgain {
  readonly #parts: StraightAgainParts;
  /** Of 4 bytes and less nobody looks at the upper half. */
  readonly #high: HighWord = { hi: 0 };

  constructor(parts: StraightAgainParts) {
    this.#parts = parts;
  }

  /** The CPU is to send the last access by itself when it comes again. */
  arm(target: Target, sender: RequestSender): void {
    const { last } = this.#parts;
    if (target.sent < 0) target.sent = sender.slot(target.slot.bytes());
    last.sent = target.sent > 0 ? last.exit | WHAT_SENT : NOT_TO_BE_SENT;
    if (target.sent > 0) sender.arm(target.sent, last.word, target.sv.ioreq_evtchn);
  }

  disarm(): void {
    const { last, cpu } = this.#parts;
    if (last.sent !== -1) cpu.sender?.disarm();
    last.sent = -1;
  }

  /**
   * At an access that the CPU has put into its slot: asks the device, and goes on with each that is like it. Leaves data
   * or answer of the last one, and what `stirs` was, in it.
   * @param tick - as far as the timer's next tick is known
   * @returns an exit that is another one; or ASKED_ALREADY
   */
  run(target: Target, sender: RequestSender, tick: number): number {
    const READ: typeof IOREQ_READ = 1;
    const DISTURBED: typeof WHAT_DISTURBED = 8192;
    const { cpu, interrupts, timer, last, vcpu: v } = this.#parts;
    const { isMoved } = timer;
    const { hvm } = v.domain.arch;
    const high = this.#high;
    const { device } = target;
    const { offset, size, mask, dir, sent } = last;
    const { io_req } = v.arch.hvm.hvm_io;
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
      if (last.port === 0) this.#parts.beginMemory();
      throw error;
    }
    last.data = data;
    this.#count(target, 1);
    return ASKED_ALREADY;
  }

  /** What `run()` has done. @param pending - 1: the last of them is not over */
  #count({ model }: Target, pending: 0 | 1): void {
    const { last, insnCpu } = this.#parts;
    const { asked } = last;
    const over = asked - pending;
    last.sender = null;
    model.ahead = null;
    if (last.port === 1) last.portsOver += asked;
    else {
      last.memoryOver += asked;
      insnCpu.retired += over;
    }
    model.served += over;
  }
}
