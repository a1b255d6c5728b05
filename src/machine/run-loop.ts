// SPDX-License-Identifier: GPL-2.0-only
// Runs a machine: the vCPU until it leaves the guest, its exit through the port, the device models, and round again.
import {
  EXIT_BOUNDARY,
  EXIT_BUDGET,
  EXIT_HLT,
  EXIT_IRQ_WINDOW,
  EXIT_KICK,
  EXIT_MMIO,
  EXIT_NAMES,
  EXIT_NONE,
  EXIT_PIO,
  EXIT_PIO_STRING,
  EXIT_SHUTDOWN,
  EXIT_UNSUPPORTED,
  type ExitReason,
} from '../cpu/backend.ts';
import type { InlineServer } from '../dm/inline-server.ts';
import { domain_crash } from '../xen/common/domain.ts';
import {
  type sched_count,
  schedule_vcpu,
  vcpu_check_softirqs,
  vcpu_runnable,
} from '../xen/common/sched.ts';
import { vmexit_emulate, vmexit_mmio, vmexit_pio, vmexit_pio_string } from '../xen/hvm/vmexit.ts';
import type { Machine } from './machine.ts';
import type { PcBoard } from './pc/platform.ts';
import { NOT_ENTERED, StraightIo } from './straight-io.ts';
import type { StraightRemote } from './threads/straight-remote.ts';
import type { VcpuParts } from './vcpu-parts.ts';

/** Interrupt flag. */
const IF = 0x200;

/** An instruction run by the emulator that was begun so often without retiring never will. */
const MOST_AGAIN = 1000;

/** Why `RunLoop.run()` came back. */
export type Stop =
  /** The instruction count has reached the deadline. */
  | 'deadline'
  /** The domain is shut down: every vCPU is paused. */
  | 'shutdown'
  /** The vCPU or the domain is paused for another reason. */
  | 'paused'
  /** HLT, and nothing that could wake it is pending. */
  | 'halted'
  /** HLT with interrupts off: nothing can ever wake it. */
  | 'dead'
  /** The guest reported its verdict. */
  | 'verdict'
  /** domain_crash(), a triple fault, or something the CPU host does not do. */
  | 'crashed'
  | 'kicked'
  /** The vCPU waits for a device model that will not answer, or repeats one instruction for ever. */
  | 'stuck';

/** Called before each indivisible step of a device model, in stepwise runs. */
export type StepHook = (server: InlineServer) => void;

/** Drives one machine. */
export class RunLoop {
  readonly machine: Machine;
  /** Exits by `ExitReason`. */
  get exits(): number[] {
    this.#addStraight();
    return this.#exits;
  }
  readonly #exits: number[] = new Array<number>(EXIT_NAMES.length).fill(0);
  /** Accesses that `StraightIo` has counted and that are in `#exits`. */
  readonly #seen = { ports: 0, memory: 0 };
  /** Not null: device models run in indivisible steps, with this called before each. */
  onServerStep: StepHook | null = null;
  /**
   * Device models are elsewhere: called while the vCPU is not runnable. Returns true when something has changed, so
   * that the scheduler looks again, false to make `run()` return.
   */
  onIdle: (() => boolean) | null = null;
  /**
   * Called before each entry into the guest: a place where other actors may run. False makes `run()` return 'deadline';
   * a vCPU that was stopped meanwhile does not enter.
   */
  get onEnter(): (() => boolean) | null {
    return this.#onEnter;
  }
  set onEnter(hook: (() => boolean) | null) {
    this.#onEnter = hook;
    this.#stir();
  }
  #onEnter: (() => boolean) | null = null;
  /** Instruction count at which `run()` returns 'deadline'. */
  get deadline(): number {
    return this.#deadline;
  }
  set deadline(count: number) {
    this.#deadline = count;
    this.#stir();
  }
  #deadline = Number.MAX_SAFE_INTEGER;
  /** Of the instruction count, what HLTs have skipped. */
  skipped = 0;
  /** Stop when the guest reports a verdict. */
  get stopAtVerdict(): boolean {
    return this.#stopAtVerdict;
  }
  set stopAtVerdict(stop: boolean) {
    this.#stopAtVerdict = stop;
    this.#stir();
  }
  #stopAtVerdict = true;
  readonly #count: sched_count = { resumes: 0 };
  readonly #parts: VcpuParts;
  readonly #emulatesPorts: boolean;
  #straight: Machine['straight'] = null;
  #lastSeen = -1;
  #again = 0;

  /** @param parts - of the vCPU to run; vCPU 0 unless given */
  constructor(machine: Machine, parts: VcpuParts = machine) {
    this.machine = machine;
    this.#parts = parts;
    this.#emulatesPorts = machine.guest.manifest.monitor?.emulatePorts ?? false;
  }

  /** Forgets where the guest has been: the machine was put back to an earlier state. */
  forget(): void {
    this.#lastSeen = -1;
    this.#again = 0;
  }

  /** Runs until something outside has to decide. */
  run(): Stop {
    const { machine } = this;
    const { domain: d } = machine;
    const { vcpu: v } = this.#parts;
    const here = this.onServerStep === null && this.onIdle === null;
    const atOnce = (here || machine.remote !== null) && !this.#emulatesPorts;
    this.#straight = atOnce ? machine.straight : null;
    for (;;) {
      if (!v.in_guest) {
        if (d.crashed !== null) {
          this.#settle();
          return 'crashed';
        }
        const outcome = schedule_vcpu(v, this.#count);
        if (outcome !== 'in_guest') {
          // A device model that is waited for may be the one that crashed the domain: nobody waits any more.
          if (d.crashed === null && this.#serve()) continue;
          this.#settle();
          if (d.crashed !== null) return 'crashed';
          if (d.is_shut_down) return 'shutdown';
          if (outcome === 'loop' || vcpu_runnable(v)) return 'stuck';
          return v.blocked_in_xen ? 'stuck' : 'paused';
        }
      }
      this.#settle();
      if (this.stopAtVerdict && machine.verdict !== null) return 'verdict';
      if (this.onEnter !== null) {
        if (!this.onEnter()) return 'deadline';
        if (!v.in_guest) continue;
      }
      const stop = this.#enter();
      if (stop !== null) return stop;
      // Under a shutdown that was first a crash pauses nobody: the vCPU would do the same again, for ever.
      if (d.crashed !== null) v.in_guest = false;
      vcpu_check_softirqs(v);
    }
  }

  /** The port is done with an exit, or has left it waiting: CPU and books follow. */
  #settle(): void {
    const { insnCpu, vcpu: v, books } = this.#parts;
    // A refused batch of a REP is dropped by the port without a trace: the CPU is still parked at its first element.
    if (insnCpu.begun && v.arch.hvm.insn.count === 0) insnCpu.rollback();
    books?.settle(v);
  }

  /** Whoever is in the guest, or asks a device for it, is to look again whether it goes on, and for how long. */
  #stir(): void {
    this.machine.domain.arch.hvm.stirs++;
  }

  /** Lets device models work. @returns whether any did */
  #serve(): boolean {
    const { servers } = this.machine;
    if (this.onIdle !== null) {
      this.#settle();
      return this.onIdle();
    }
    if (this.onServerStep === null) {
      let worked = false;
      for (const server of servers) worked = server.runNow() || worked;
      return worked;
    }
    for (const server of servers) {
      if (!server.runnable()) continue;
      this.onServerStep(server);
      server.step();
      return true;
    }
    return false;
  }

  /** One stay in the guest and the handling of its exit. */
  #enter(): Stop | null {
    const { pc } = this.machine;
    const { cpu, regs, insnCpu, interrupts, timer, vcpu: v, books } = this.#parts;
    if (pc?.board.changed) this.#obeyBoard(pc.board);
    const exit = this.#straight === null ? this.#enterGuest() : this.#enterStraight(this.#straight);
    if (exit === NOT_ENTERED) return null;
    switch (exit) {
      case EXIT_PIO: {
        const { exitDir, exitSize, exitAddr } = cpu;
        books?.begin();
        if (this.#emulatesPorts) {
          if (this.#goesNowhere()) return 'stuck';
          insnCpu.begin(exit);
          vmexit_emulate(v);
          return null;
        }
        regs.begin(exitDir, exitSize);
        vmexit_pio(v, exitAddr, exitSize, exitDir, 1);
        return null;
      }
      case EXIT_PIO_STRING:
        books?.begin();
        insnCpu.begin(exit);
        vmexit_pio_string(v);
        return null;
      case EXIT_MMIO: {
        const { exitAddr, exitLinear, exitDir } = cpu;
        books?.begin();
        insnCpu.begin(exit);
        vmexit_mmio(v, exitLinear, exitAddr, exitDir === 0, true);
        return null;
      }
      case EXIT_HLT:
        return this.#halt();
      case EXIT_BUDGET: {
        const { icount } = cpu;
        timer.reached(icount);
        return icount >= this.deadline ? 'deadline' : null;
      }
      case EXIT_IRQ_WINDOW:
        interrupts.window(cpu);
        return null;
      case EXIT_KICK:
        // Another thread wants the vCPU off its CPU: the scheduler sees to it.
        return v.sched_pending ? null : 'kicked';
      default:
        return this.#fault(exit);
    }
  }

  #enterStraight(straight: StraightIo | StraightRemote): ExitReason | -1 {
    if (!(straight instanceof StraightIo)) return straight.enter(this);
    this.#seen.ports = straight.ports;
    this.#seen.memory = straight.memory;
    try {
      return straight.enter(this);
    } finally {
      this.#addStraight();
    }
  }

  #addStraight(): void {
    const straight = this.#straight;
    if (!(straight instanceof StraightIo)) return;
    const exits = this.#exits;
    exits[EXIT_PIO] = (exits[EXIT_PIO] ?? 0) + straight.ports - this.#seen.ports;
    exits[EXIT_MMIO] = (exits[EXIT_MMIO] ?? 0) + straight.memory - this.#seen.memory;
    this.#seen.ports = straight.ports;
    this.#seen.memory = straight.memory;
  }

  #enterGuest(): ExitReason {
    const { cpu, regs, interrupts, timer } = this.#parts;
    regs.release();
    cpu.deadline = Math.min(this.deadline, timer.next);
    if (interrupts.pending) interrupts.offer(cpu);
    const exit = cpu.run();
    this.#exits[exit] = (this.#exits[exit] ?? 0) + 1;
    return exit;
  }

  /** Whether the guest is to go on without anybody being asked: of `StraightLimits`. */
  goesOn(): boolean {
    const { verdict, pc } = this.machine;
    if (this.onEnter !== null || (verdict !== null && this.stopAtVerdict)) return false;
    return pc === null || !pc.board.changed;
  }

  /** Whether the guest has come back to the same instruction so often that it will for ever. */
  #goesNowhere(): boolean {
    const { icount } = this.#parts.cpu;
    this.#again = icount === this.#lastSeen ? this.#again + 1 : 0;
    this.#lastSeen = icount;
    return this.#again > MOST_AGAIN;
  }

  /** Address line 20 and the reset line act between two instructions. */
  #obeyBoard(board: PcBoard): void {
    const { cpu, regs } = this.machine;
    regs.settle();
    board.changed = false;
    if (board.resetWanted) cpu.reset();
    board.resetWanted = false;
    cpu.a20 = board.a20;
  }

  #halt(): Stop | null {
    const { cpu, interrupts, timer } = this.#parts;
    if ((cpu.regs.rflags & IF) === 0) return 'dead';
    if (interrupts.pending || cpu.irq >= 0) return null;
    const { next } = timer;
    if (next === Number.MAX_SAFE_INTEGER) return 'halted';
    // Nothing happens until the next tick, or until the deadline if that comes first: the time in between is skipped.
    const now = cpu.icount;
    const wake = Math.min(Math.max(next, now), this.deadline);
    const skip = Math.max(0, wake - now);
    cpu.charge(skip);
    this.skipped += skip;
    if (next > wake) return 'deadline';
    timer.reached(wake);
    return null;
  }

  #fault(exit: ExitReason): Stop | null {
    const { cpu } = this.#parts;
    const { domain: d } = this.machine;
    switch (exit) {
      case EXIT_SHUTDOWN:
        domain_crash(d, 'triple fault');
        return 'crashed';
      case EXIT_UNSUPPORTED:
        domain_crash(d, cpu.unsupported());
        return 'crashed';
      case EXIT_NONE:
      case EXIT_BOUNDARY:
        return null;
      default:
        return null;
    }
  }
}
