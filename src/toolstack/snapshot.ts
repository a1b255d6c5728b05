// SPDX-License-Identifier: GPL-2.0-only
// A checkpoint in memory: CPU, RAM, devices. Taken again, it copies only the pages written since.
import { IRQ_NONE } from '../cpu/backend.ts';
import type { MachineCpu } from '../cpu/machine-cpu.ts';
import type { ServerState } from '../dm/server.ts';
import type { Machine } from '../machine/machine.ts';
import type { PcState } from '../machine/pc/state.ts';
import { HvmError } from '../util/errors.ts';

const PAGE = 4096;

/** One saved state of one machine, kept up to date by `capture()`. */
export class Snapshot {
  /** Opaque CPU state. */
  cpu: Uint8Array = new Uint8Array(0);
  /** Uint8Array(size of guest RAM). */
  readonly ram: Uint8Array;
  /** By server name and id. */
  readonly servers: ServerState[] = [];
  interrupts = 0;
  /** What the machine's timer says of itself. */
  nextTick = 0;
  /** Value latched at port 0xcf8. */
  pciCf8 = 0;
  /** Instructions completed. */
  icount = 0;
  /** Repetitions of a REP done for the CPU, which counts them when it goes on. */
  charged = 0;
  /** Vector handed to the CPU and not yet delivered, or -1. */
  irq = -1;
  /** Exception asked for and not yet delivered, or null. */
  injected: MachineCpu['injected'] = null;
  /** What the guest had reported, and its accesses that nobody claimed. */
  verdict: Machine['verdict'] = null;
  unclaimed = 0;
  /** Pages copied by the last `capture()`. */
  pagesCopied = 0;
  /** Whether a page that becomes RAM under its device has done so. */
  pageIsRam = false;
  /** The platform of a PC, or null. */
  pc: PcState | null = null;
  /** Their offsets in RAM, in order; of the first capture, which copies all of it, none. */
  readonly copied: number[] = [];
  #whole = false;

  constructor(machine: Machine) {
    this.ram = new Uint8Array(machine.ram.sizeBytes);
  }

  /** Takes the state of a machine whose vCPU is between two instructions and whose devices are idle. */
  capture(machine: Machine): void {
    const { cpu, ram } = machine;
    this.cpu = cpu.save();
    this.charged = cpu.charged;
    // Asking for a window is done anew at each entry.
    this.irq = Math.max(cpu.irq, IRQ_NONE);
    this.injected = cpu.injected;
    this.icount = cpu.icount + this.charged;
    this.pagesCopied = 0;
    this.copied.length = 0;
    if (!this.#whole) {
      // Everything counts as copied from here on: later captures take what was written since.
      cpu.takeDirty(() => {});
      this.ram.set(ram.bytes);
      this.pagesCopied = ram.sizeBytes / PAGE;
      this.#whole = true;
    } else {
      cpu.takeDirty((offset) => {
        this.ram.set(ram.bytes.subarray(offset, offset + PAGE), offset);
        this.copied.push(offset);
        this.pagesCopied++;
      });
      this.#pageTurned(machine);
    }
    machine.servers.forEach((server, i) => {
      this.servers[i] = server.save();
    });
    this.interrupts = machine.interrupts.save();
    this.nextTick = machine.timer.save();
    this.pciCf8 = machine.domain.arch.hvm.pci_cf8;
    this.pageIsRam = machine.pageIsRam;
    this.pc = machine.pc?.save() ?? null;
    this.verdict = machine.verdict;
    this.unclaimed = machine.unclaimed;
  }

  /** A page that has become RAM, or a device's again, counts as written. */
  #pageTurned(machine: Machine): void {
    const gpa = machine.guest.manifest.monitor?.ramAfterWrite;
    if (gpa === undefined || machine.pageIsRam === this.pageIsRam) return;
    if (gpa < this.ram.length && !this.copied.includes(gpa)) this.copied.push(gpa);
  }

  /**
   * Puts the state into a machine of the same shape: the same one, or a fresh one.
   * @throws HvmError HVM_MEMORY, HVM_CPU, HVM_DEVICE_STATE when it does not fit
   */
  restore(machine: Machine): void {
    if (machine.ram.sizeBytes !== this.ram.length) {
      throw new HvmError(
        'HVM_MEMORY',
        `a snapshot of ${this.ram.length} bytes of RAM does not fit a machine with ${machine.ram.sizeBytes}`,
      );
    }
    this.#restoreCpu(machine);
    machine.ram.writeBytes(0, this.ram);
    this.#restoreDevices(machine);
  }

  /**
   * Back to the state, in the very machine that was captured or restored last: only pages written since are copied.
   * @returns pages copied
   */
  reset(machine: Machine): number {
    const { cpu, ram } = machine;
    let pages = 0;
    cpu.takeDirty((offset) => {
      ram.bytes.set(this.ram.subarray(offset, offset + PAGE), offset);
      cpu.forgetCode(offset, PAGE);
      pages++;
    });
    this.#restoreCpu(machine);
    this.#restoreDevices(machine);
    return pages;
  }

  /** From here on `capture()` copies only what is written: the machine and `ram` hold the same. */
  inStep(machine: Machine): void {
    machine.cpu.takeDirty(() => {});
    this.#whole = true;
  }

  #restoreCpu({ cpu }: Machine): void {
    cpu.restore(this.cpu);
    cpu.charge(this.charged);
    cpu.irq = this.irq;
    cpu.injected = this.injected;
  }

  #restoreDevices(machine: Machine): void {
    machine.servers.forEach((server, i) => {
      const state = this.servers[i];
      if (state !== undefined) server.restore(state);
      server.forget();
    });
    machine.interrupts.restore(this.interrupts);
    machine.timer.restore(this.nextTick);
    machine.domain.arch.hvm.pci_cf8 = this.pciCf8;
    machine.pageIsRam = this.pageIsRam;
    if (this.pc !== null) machine.pc?.restore(this.pc);
    machine.verdict = this.verdict;
    machine.unclaimed = this.unclaimed;
  }
}
