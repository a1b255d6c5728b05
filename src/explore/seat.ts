// SPDX-License-Identifier: GPL-2.0-only
// One vCPU of an explored world: its part of the machine, its run loop, where it stands.

import type { Machine } from '../machine/machine.ts';
import { RunLoop } from '../machine/run-loop.ts';
import type { VcpuParts } from '../machine/vcpu-parts.ts';
import { vcpu_runnable } from '../xen/common/sched.ts';
import type { HistoryHash } from './hash.ts';
import { HashingInsnCpu } from './hashing-insn-cpu.ts';
import { VcpuPlace } from './place.ts';
import { vcpuActor } from './scenario.ts';
import type { WorldState } from './state.ts';

export class Seat {
  readonly id: number;
  readonly actor: number;
  readonly parts: VcpuParts;
  readonly loop: RunLoop;
  readonly place: VcpuPlace;
  readonly insnCpu: HashingInsnCpu;
  /** Inside a call: its path is on the stack. */
  active = false;
  /** May enter the guest once. */
  granted = false;
  /** Stands before the guest. */
  atEntry = false;
  /** HLT, and nothing to wake it when it was last looked at. */
  halted = false;
  /** An IN or OUT is with the port; what becomes of it is not told yet. */
  open = false;

  constructor(machine: Machine, parts: VcpuParts, world: WorldState, history: HistoryHash) {
    this.id = parts.vcpu.vcpu_id;
    this.actor = vcpuActor(this.id);
    this.parts = parts;
    this.loop = new RunLoop(machine, parts);
    this.place = new VcpuPlace(world, history);
    this.insnCpu = new HashingInsnCpu(parts.insnCpu, history);
    parts.vcpu.arch.hvm.cpu = this.insnCpu;
  }

  /** A new run, of at most `instructions`. */
  reset(instructions: number): void {
    this.goBack(false, this.parts.cpu.icount + instructions);
  }

  /** Between two calls, as it was when it had not looked for anything but `halted`. @param deadline - in instructions */
  goBack(halted: boolean, deadline: number): void {
    this.active = this.granted = this.atEntry = this.open = false;
    this.halted = halted;
    this.loop.forget();
    this.loop.deadline = deadline;
  }

  /** Each stay in the guest is granted; a vCPU that cannot go on gives way. */
  attach(): void {
    this.loop.onEnter = () => {
      this.atEntry = !this.granted;
      const may = this.granted;
      this.granted = false;
      return may;
    };
    this.loop.onIdle = () => false;
  }

  /** Between two calls: whether it could go on, or has to leave its CPU. */
  canGo(): boolean {
    const { vcpu: v, interrupts, cpu } = this.parts;
    if (v.domain.crashed !== null) return true;
    if (v.in_guest) return !this.halted || interrupts.pending || cpu.irq >= 0;
    return v.is_running || vcpu_runnable(v);
  }
}
