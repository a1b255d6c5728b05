// SPDX-License-Identifier: GPL-2.0-only
// IN and OUT through a device model in another thread with as few words that change hands as there can be: the slot goes
// there with state READY and comes back with RESP_READY, and both threads look at that word. Blocked, on its CPU or not,
// pending: of these nobody is told unless the wait gets long. What others rely on keeps its order: the deferral before the
// request, and its end behind the answer.
import { EXIT_PIO, type ExitReason } from '../../cpu/backend.ts';
import type { MachineCpu } from '../../cpu/machine-cpu.ts';
import { S_ASLEEP, S_POLLS, serverBase } from '../../mem/domain-words.ts';
import type { IoreqSlot } from '../../mem/ioreq-page.ts';
import {
  vcpu_end_shutdown_deferral,
  vcpu_start_shutdown_deferral,
} from '../../xen/common/domain.ts';
import type { vcpu } from '../../xen/common/sched.ts';
import type { hvm_ioreq_vcpu } from '../../xen/hvm/state.ts';
import { straight_allowed, straight_latch, straight_server } from '../../xen/hvm/straight.ts';
import {
  IOREQ_READ,
  IOREQ_TYPE_PIO,
  STATE_IOREQ_INPROCESS,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
  STATE_IORESP_READY,
} from '../../xen/public/hvm_ioreq.ts';
import type { GuestRegs } from '../guest-regs.ts';
import type { InterruptSource } from '../interrupts.ts';
import { maskOf, NOT_ENTERED, type StraightLimits } from '../straight-io.ts';
import type { TimeSource } from '../time-source.ts';
import type { RemoteServers } from './remote-servers.ts';

/** What is joined here. */
export interface StraightRemoteParts {
  readonly vcpu: vcpu;
  readonly cpu: MachineCpu;
  readonly regs: GuestRegs;
  readonly interrupts: InterruptSource;
  readonly timer: TimeSource;
  readonly remote: RemoteServers;
}

/** Looks at the slot between two looks at what else may be wanted of the vCPU. */
const LOOK_UP_EVERY = 64;

export class StraightRemote {
  /** Accesses that went this way. */
  taken = 0;
  /** Looks at the slot before the vCPU waits in the ordinary way. */
  spins = 0;
  readonly #parts: StraightRemoteParts;
  /** The last place: ports of one width, and who has them. */
  #routing = -1;
  #port = -1;
  #size = 0;
  #target: { sv: hvm_ioreq_vcpu; slot: IoreqSlot; server: number; base: number } | null = null;

  constructor(parts: StraightRemoteParts) {
    this.#parts = parts;
  }

  /** As `StraightIo.enter()`. */
  enter(limits: StraightLimits): ExitReason | -1 {
    const { vcpu: v, cpu, regs, interrupts, timer, remote } = this.#parts;
    const { hvm } = v.domain.arch;
    const { words } = remote;
    const { exits } = limits;
    regs.release();
    const calm = this.spins > 0 && remote.quiet && straight_allowed(v);
    for (;;) {
      cpu.deadline = Math.min(limits.deadline, timer.next);
      if (interrupts.pending) interrupts.offer(cpu);
      const exit = cpu.run();
      exits[exit] = (exits[exit] ?? 0) + 1;
      if (!calm || exit !== EXIT_PIO) return exit;
      const port = cpu.exitPort;
      const size = cpu.exitSize;
      if (port !== this.#port || size !== this.#size || this.#routing !== hvm.routing) {
        this.#look(port, size);
      }
      const target = this.#target;
      if (target === null) return exit;
      const { sv, slot, base } = target;
      if (!slot.isFree(sv.ioreq_evtchn)) return exit;
      // Refused: the ordinary way asks again, and is refused again.
      if (!vcpu_start_shutdown_deferral(v)) return exit;
      const dir = cpu.exitDir;
      const data = cpu.exitData;
      regs.begin(dir, size);
      regs.advanced = true;
      slot.fillOne(IOREQ_TYPE_PIO, port, size, dir, data, STATE_IOREQ_NONE);
      slot.pass(STATE_IOREQ_NONE, STATE_IOREQ_READY);
      // One that looks at its slots has seen it; one that sleeps, or will not look, has to be told.
      if (Atomics.load(words, base + S_ASLEEP) !== 0) remote.send(sv.ioreq_evtchn);
      if (!this.#wait(v, slot)) {
        straight_latch(v, sv, true, port, size, dir, data);
        remote.asked(target.server);
        // Marked as blocked, then the last look: whoever answers does that first and looks for the mark then.
        const state = slot.state();
        if (state !== STATE_IOREQ_READY && state !== STATE_IOREQ_INPROCESS)
          v.blocked_in_xen = false;
        return NOT_ENTERED;
      }
      const answer = (slot.data() & maskOf(size)) >>> 0;
      slot.free();
      remote.hear(target.server);
      if (dir === IOREQ_READ) regs.takeAnswer(answer, maskOf(size));
      vcpu_end_shutdown_deferral(v);
      this.taken++;
      if (v.sched_pending || !limits.goesOn()) return NOT_ENTERED;
      regs.release();
    }
  }

  /** @returns whether the answer is in the slot; false: nothing is known, and others may want something */
  #wait(v: vcpu, slot: IoreqSlot): boolean {
    for (let n = this.spins; n > 0; n -= LOOK_UP_EVERY) {
      for (let k = 0; k < LOOK_UP_EVERY; k++) {
        const state = slot.state();
        if (state === STATE_IORESP_READY) return true;
        if (state !== STATE_IOREQ_READY && state !== STATE_IOREQ_INPROCESS) return false;
      }
      if (v.sched_pending) return false;
    }
    return false;
  }

  #look(port: number, size: number): void {
    const { vcpu: v, remote } = this.#parts;
    this.#routing = v.domain.arch.hvm.routing;
    this.#port = port;
    this.#size = size;
    this.#target = null;
    const s = straight_server(v, true, port, port + size - 1);
    const sv = s?.sv[v.vcpu_id];
    const page = s?.ioreq.va ?? null;
    if (s === null || sv === undefined || page === null) return;
    const base = serverBase(s.id);
    if (Atomics.load(remote.words, base + S_POLLS) === 0) {
      // It may not have come to that yet.
      this.#port = -1;
      return;
    }
    this.#target = { sv, slot: page.slot(v.vcpu_id), server: s.id, base };
  }
}
