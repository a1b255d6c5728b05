// SPDX-License-Identifier: GPL-2.0-only
// One run of one cell, disturbed at one place or not at all, and everything there is to compare at its end.
import { SEG_GS } from '../../cpu/backend.ts';
import type { Kicker } from '../../cpu/kicker.ts';
import type { Device } from '../../dm/index.ts';
import type { Access, EventSink, Stage, Witness } from '../../ledger/events.ts';
import { Ledger } from '../../ledger/ledger.ts';
import { LiveChecker } from '../../ledger/live-checker.ts';
import type { LoadedGuest } from '../../machine/loaded-guest.ts';
import { Machine } from '../../machine/machine.ts';
import { RunLoop } from '../../machine/run-loop.ts';
import { StraightIo } from '../../machine/straight-io.ts';
import { domain_shutdown } from '../../xen/common/domain.ts';
import type { Points } from '../../xen/common/points.ts';
import type { RevisionName } from '../../xen/hvm/revision.ts';
import { SHUTDOWN_suspend } from '../../xen/public/sched.ts';
import { checkpoint } from '../checkpoint.ts';
import { Snapshot } from '../snapshot.ts';
import type { Cell } from './cell.ts';
import { devicesFor } from './device.ts';
import { enterMode, guestOf } from './layout.ts';
import type { Stop } from './stops.ts';

/** What a trial is made with besides its cell. */
export interface Setup {
  readonly revision: RevisionName;
  /** For seeded faults: called for each machine of a trial; a fresh one is made by a restore. */
  readonly machine?: (machine: Machine, fresh: boolean) => void;
  readonly device?: (device: Device, machine: () => Machine) => Device;
}

/** Everything compared, by field; all of it plain. */
export interface Outcome {
  readonly fields: Readonly<Record<string, string | number>>;
  readonly ram: Uint8Array;
  readonly cpu: Uint8Array;
  readonly accesses: readonly string[];
  readonly violations: readonly string[];
  /** Whether the stop was reached. */
  readonly stopped: boolean;
  /** Passages of preemption points; steps of device models. */
  readonly points: number;
  readonly steps: number;
  readonly icount: number;
  /** Kicks that took the run out of the guest, and those of them between its first and its last instruction. */
  readonly kicks: number;
  readonly kicksInside: number;
  /** Accesses that did not leave the guest. */
  readonly stayed: number;
  /** Of the ledger: every stage of every access, with its instruction. */
  readonly history: number;
}

/** How a cell is run; nothing: undisturbed. */
export interface Disturbance {
  readonly stop?: Stop;
  /** Device models in steps, also when the stop lies elsewhere. */
  readonly stepped?: boolean;
  /** Kicks meanwhile. */
  readonly kicker?: Kicker;
  /** Devices take writes late and publish registers. */
  readonly staying?: Staying;
}

/** A run with such devices. */
export interface Staying {
  /** Whether these accesses stay in the guest: then nobody stands at the preemption points. Otherwise each leaves it. */
  readonly inGuest: boolean;
  readonly books: boolean;
}

/** The history of a run in one number. */
class History implements EventSink {
  digest = 0;
  access(stage: Stage, _seq: number, a: Access): void {
    const { insn, addr, size, data, hasData } = a;
    for (const n of [stage.length, insn, addr, size, hasData ? data : 0]) {
      this.digest = (Math.imul(this.digest ^ n, 0x01000193) + 1) >>> 0;
    }
  }
  mark(): void {}
}

/** A guest that a fault has sent astray ends here, in instructions. */
const ASTRAY = 400_000;
/** Or here: it no longer gets on. Points passed, or accesses. */
const ENDLESS = 300_000;
const GPRS = ['EAX', 'ECX', 'EDX', 'EBX', 'ESP', 'EBP', 'ESI', 'EDI'];

/** Runs a cell once. */
export function runTrial(cell: Cell, setup: Setup, how: Disturbance = {}): Outcome {
  const trial = new Trial(cell, setup, how);
  try {
    return trial.run();
  } finally {
    how.kicker?.aim(0);
    trial.machine[Symbol.dispose]();
  }
}

class Trial implements Points {
  machine: Machine;
  readonly #cell: Cell;
  readonly #setup: Setup;
  readonly #stop: Stop | null;
  readonly #how: Disturbance;
  readonly #guest: LoadedGuest;
  readonly #checker = new LiveChecker();
  readonly #history = new History();
  readonly #ledger = new Ledger({ sinks: [this.#checker, this.#history] });
  readonly #books: boolean;
  readonly #accesses: string[] = [];
  readonly #witnesses: Record<string, Witness> = {};
  #points = 0;
  #steps = 0;
  #unclaimed = 0;
  #running = false;
  #stopped = false;
  #irqDue: number;
  #checkpoints = 0;
  #kicks = 0;
  #kicksInside = 0;
  #stayed = 0;

  constructor(cell: Cell, setup: Setup, how: Disturbance) {
    this.#cell = cell;
    this.#setup = setup;
    this.#how = how;
    this.#books = how.staying?.books ?? true;
    this.#stop = how.stop ?? null;
    this.#guest = guestOf(cell);
    this.#irqDue = cell.irqAt ?? Number.MAX_SAFE_INTEGER;
    this.machine = this.#make(false);
    enterMode(this.machine, cell);
    this.#ledger.start({
      guest: cell.name,
      revision: setup.revision,
      seed: 0,
      vcpus: 1,
      devices: this.#books ? this.machine.ledgerDevices : [],
    });
  }

  hit(): void {
    // The machine is not there yet while it is being made.
    if (!this.#running) return;
    const n = this.#points++;
    if (n > ENDLESS || this.#accesses.length > ENDLESS)
      throw new Error('the guest does not get on');
    if (this.#stop?.where === 'point' && this.#stop.index === n) this.#act();
  }

  #make(fresh: boolean): Machine {
    const { device, machine: prepare, revision } = this.#setup;
    const cell = this.#cell;
    const { staying } = this.#how;
    const devices = devicesFor(
      cell,
      (text) => this.#accesses.push(text),
      (made) => (device === undefined ? made : device(made, () => this.machine)),
      staying !== undefined,
    );
    const machine = new Machine({
      guest: this.#guest,
      devices,
      revision,
      ledger: this.#books ? this.#ledger : null,
      ...(staying?.inGuest ? {} : { points: this }),
    });
    prepare?.(machine, fresh);
    return machine;
  }

  #act(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#stop?.deed === 'kick') this.machine.cpu.kick();
    else domain_shutdown(this.machine.domain, SHUTDOWN_suspend);
  }

  run(): Outcome {
    const stop = this.#stop;
    const { stepped, kicker } = this.#how;
    const steps = stepped === true || stop?.where === 'step';
    let snapshot = new Snapshot(this.machine);
    // From here on a capture takes what was written since: the page that is missed shows.
    snapshot.capture(this.machine);
    let loop = this.#loop(steps);
    this.#running = true;
    kicker?.aim(this.machine.cpu.kickId);
    const stopAt = stop?.where === 'instruction' ? stop.index : Number.MAX_SAFE_INTEGER;
    for (;;) {
      const { cpu, interrupts } = this.machine;
      const now = cpu.icount;
      if (now >= this.#irqDue) {
        this.#irqDue = Number.MAX_SAFE_INTEGER;
        interrupts.pulse(0);
      }
      if (now >= stopAt && !this.#stopped) this.#act();
      loop.deadline = Math.min(
        this.#irqDue,
        this.#stopped ? Number.MAX_SAFE_INTEGER : stopAt,
        ASTRAY,
      );
      const why = loop.run();
      if (why === 'shutdown') {
        snapshot = this.#checkpoint(snapshot);
        if (stop?.deed === 'restore') loop = this.#loop(steps);
      } else if (why === 'kicked') this.#kicked();
      else if (why !== 'deadline' || cpu.icount >= ASTRAY) return this.#outcome(why, snapshot);
    }
  }

  // HLT has retired before its kick is taken where the kick comes last.
  #kicked(): void {
    const { icount, regs } = this.machine.cpu;
    this.#kicks++;
    if (icount > 0 && !regs.halted) this.#kicksInside++;
  }

  #loop(steps: boolean): RunLoop {
    const loop = new RunLoop(this.machine);
    if (steps)
      loop.onServerStep = () => {
        const n = this.#steps++;
        if (this.#stop?.where === 'step' && this.#stop.index === n) this.#act();
      };
    return loop;
  }

  #checkpoint(snapshot: Snapshot): Snapshot {
    const old = this.machine;
    const n = ++this.#checkpoints;
    checkpoint(old, snapshot, () => {
      this.#ledger.checkpoint(n, this.#stop?.where ?? '');
      this.#ledger.drain();
      this.#ledger.resume(n);
    });
    if (this.#stop?.deed !== 'restore') return snapshot;
    this.#count();
    old[Symbol.dispose]();
    this.#running = false;
    this.machine = this.#make(true);
    this.#running = true;
    snapshot.restore(this.machine);
    return new Snapshot(this.machine);
  }

  // What the devices of a machine counted, over all machines of the trial.
  #count(): void {
    const { straight } = this.machine;
    if (straight instanceof StraightIo) this.#stayed += straight.posted?.taken ?? 0;
    this.#unclaimed += this.machine.unclaimed;
    for (const [name, { reads, writes }] of Object.entries(this.machine.witnesses())) {
      const sum = this.#witnesses[name] ?? { reads: 0, writes: 0 };
      this.#witnesses[name] = { reads: sum.reads + reads, writes: sum.writes + writes };
    }
  }

  #outcome(why: string, snapshot: Snapshot): Outcome {
    const { machine } = this;
    snapshot.capture(machine);
    const { cpu } = machine;
    const { regs } = cpu;
    this.#count();
    const witnesses = this.#books ? this.#witnesses : {};
    this.#ledger.end({ stop: 'boundary', reason: why, witnesses });
    const fields: Record<string, string | number> = { end: why, icount: cpu.icount };
    GPRS.forEach((name, i) => {
      fields[name] = regs.gpr(i);
    });
    fields.EIP = regs.rip;
    fields.EFLAGS = regs.rflags;
    for (let i = 0; i <= SEG_GS; i++) fields[`segment ${i}`] = JSON.stringify(regs.segment(i));
    machine.servers.forEach((server) => {
      fields[`device ${server.name}`] = JSON.stringify(server.save());
    });
    fields.crash = machine.domain.crashed?.reason ?? 'none';
    fields.unclaimed = this.#unclaimed;
    // Whatever was written since the last capture is in the next.
    fields.captured = Buffer.compare(snapshot.ram, machine.ram.bytes) === 0 ? 'all' : 'not all';
    fields.ledger = JSON.stringify(this.#ledger.totals);
    fields.witnesses = JSON.stringify(this.#witnesses);
    return {
      fields,
      ram: machine.ram.bytes.slice(),
      cpu: cpu.save(),
      accesses: this.#accesses,
      violations: this.#checker.finish().violations.map((v) => v.message),
      // A kick that nobody notices is none.
      stopped:
        this.#stop === null || (this.#stopped && (this.#stop.deed !== 'kick' || this.#kicks > 0)),
      points: this.#points,
      steps: this.#steps,
      icount: cpu.icount,
      kicks: this.#kicks,
      kicksInside: this.#kicksInside,
      stayed: this.#stayed,
      history: this.#history.digest,
    };
  }
}
