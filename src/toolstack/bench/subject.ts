// SPDX-License-Identifier: GPL-2.0-only
// What is measured: one program on one machine, answered in one of four ways, run for so many units at a time.
import { EXIT_MMIO, EXIT_PIO, EXIT_PIO_STRING } from '../../cpu/backend.ts';
import type { MachineCpu } from '../../cpu/machine-cpu.ts';
import { WHAT_REASON } from '../../cpu/run-page.ts';
import { parseDeviceSpec } from '../../dm/registry.ts';
import { Ledger } from '../../ledger/ledger.ts';
import { LiveChecker } from '../../ledger/live-checker.ts';
import { Machine } from '../../machine/machine.ts';
import { RunLoop } from '../../machine/run-loop.ts';
import { BugError } from '../../util/errors.ts';
import type { Points } from '../../xen/common/points.ts';
import { register_mmio_handler, register_portio_handler } from '../../xen/hvm/io_handler.ts';
import { X86EMUL_OKAY } from '../../xen/hvm/x86_emulate.ts';
import {
  BENCH_MMIO,
  BENCH_MMIO_BYTES,
  BENCH_PORT,
  BENCH_PORTS,
  BENCH_STAYING,
  guestOf,
  type Program,
} from './programs.ts';

/**
 * Who answers: `bare`, the caller of the CPU host, at once; `monitor`, a handler inside the monitor;
 * `server`, a device model behind an ioreq server; `server+ledger`, the same with every access
 * recorded and checked.
 */
export const ANSWERED_BY = ['bare', 'monitor', 'server', 'server+ledger'] as const;
export type AnsweredBy = (typeof ANSWERED_BY)[number];

/** Something that can be run in slices, and that says how much of it was done. */
export interface Subject extends Disposable {
  /**
   * Runs about `units` units.
   * @returns units done
   */
  run(units: number): number;
}

const DEVICES = [
  'blank@0x220-0x227',
  'blank@mmio:0xd2000-0xd2fff',
  `blank@mmio:0x${BENCH_STAYING.toString(16)}-0xd4fff`,
];

/** Answers inside the monitor, ports and memory: reads are 0. */
function addMonitorHandlers(machine: Machine): void {
  register_portio_handler(
    machine.domain,
    BENCH_PORT,
    BENCH_PORTS,
    (_curr, _dir, _port, _size, val) => {
      val.data = 0;
      return X86EMUL_OKAY;
    },
  );
  register_mmio_handler(machine.domain, {
    check: (_curr, addr) => addr >= BENCH_MMIO && addr < BENCH_MMIO + BENCH_MMIO_BYTES,
    read: (_curr, _addr, _size, data) => {
      data.data = 0;
      data.data_hi = 0;
      return X86EMUL_OKAY;
    },
    write: () => X86EMUL_OKAY,
  });
}

/** One program on a machine of its own. */
export class MachineSubject implements Subject {
  readonly machine: Machine;
  readonly loop: RunLoop;
  readonly #program: Program;
  readonly #bare: boolean;

  /** @param points - what lands at the preemption points */
  constructor(program: Program, answeredBy: AnsweredBy, points?: Points) {
    const guest = guestOf(program);
    const ledger =
      answeredBy === 'server+ledger' ? new Ledger({ sinks: [new LiveChecker()] }) : null;
    this.machine = new Machine({
      guest,
      devices: DEVICES.map(parseDeviceSpec),
      ledger,
      ...(points === undefined ? {} : { points }),
    });
    ledger?.start({
      guest: guest.name,
      revision: 'exact',
      seed: 0,
      vcpus: 1,
      devices: this.machine.ledgerDevices,
    });
    if (answeredBy === 'monitor') addMonitorHandlers(this.machine);
    this.loop = new RunLoop(this.machine);
    this.#program = program;
    this.#bare = answeredBy === 'bare';
  }

  run(units: number): number {
    const { roundInsns, roundUnits } = this.#program;
    const { cpu } = this.machine;
    const before = cpu.icount;
    const deadline = before + Math.ceil(units / roundUnits) * roundInsns;
    if (this.#bare) {
      cpu.deadline = deadline;
      answerAtOnce(cpu);
    } else {
      this.loop.deadline = deadline;
      const stop = this.loop.run();
      if (stop !== 'deadline')
        throw new BugError(`the loop '${this.#program.name}' ended: ${stop}`);
    }
    // A batch may overshoot the deadline: the count tells what was done.
    return ((cpu.icount - before) * roundUnits) / roundInsns;
  }

  [Symbol.dispose](): void {
    this.machine[Symbol.dispose]();
  }
}

/** The CPU host with nothing around it: what no access can cost less than. */
function answerAtOnce(cpu: MachineCpu): void {
  let exit = cpu.goOn() & WHAT_REASON;
  while (exit === EXIT_PIO || exit === EXIT_MMIO || exit === EXIT_PIO_STRING) {
    exit = cpu.goOnWith(0) & WHAT_REASON;
  }
}
