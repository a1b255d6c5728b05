// SPDX-License-Identifier: GPL-2.0-only
// A machine for embedders: made from a description, run for so many instructions, suspended, saved, put back.
import type { Verdict } from '../dm/device.ts';
import type { IoSpace } from '../dm/range.ts';
import { LedgerWriter } from '../ledger/file-writer.ts';
import { Ledger } from '../ledger/ledger.ts';
import { type LedgerReport, LiveChecker } from '../ledger/live-checker.ts';
import { chooseDevices } from '../machine/choose-devices.ts';
import { loadGuest } from '../machine/loader.ts';
import { Machine } from '../machine/machine.ts';
import { RunLoop, type Stop } from '../machine/run-loop.ts';
import { checkpoint } from '../toolstack/checkpoint.ts';
import { Snapshot } from '../toolstack/snapshot.ts';
import { HvmError } from '../util/errors.ts';
import { domain_shutdown } from '../xen/common/domain.ts';
import { SHUTDOWN_suspend } from '../xen/public/sched.ts';
import { deviceSpecs, loadOptions, type MachineConfig } from './config.ts';

/** Why `run()` came back, and where. */
export interface RunResult {
  /** `'deadline'`: as many instructions as asked for. Others: the guest cannot or need not go on. */
  readonly stop: Stop;
  /** Instructions executed since the machine was made. */
  readonly instructions: number;
}

/** The whole state of a machine between two instructions, with nothing in flight. Immutable. */
export class Checkpoint {
  /** Instructions executed when it was taken. */
  readonly instructions: number;
  /** @internal */
  readonly snapshot: Snapshot;

  /** @internal */
  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
    this.instructions = snapshot.icount;
  }

  /** A copy of guest memory. */
  get memory(): Uint8Array {
    return this.snapshot.ram.slice();
  }
}

/** One guest on one CPU with its devices. Made by `createMachine()`; everything happens inside its methods. */
export class VirtualMachine implements Disposable {
  readonly #machine: Machine;
  readonly #loop: RunLoop;
  readonly #books: { ledger: Ledger; checker: LiveChecker; writer: LedgerWriter | null } | null;
  #checkpoints = 0;
  /** Taken or put back last: going back to it costs only the pages written since. */
  #latest: Checkpoint | null = null;
  #stop: Stop = 'deadline';
  #report: LedgerReport | null = null;

  /** @internal */
  constructor(config: MachineConfig) {
    const { output, input, ledger = false, ...rest } = config;
    const revision = config.revision ?? 'exact';
    const guest = loadGuest(config.guest, loadOptions(rest));
    const devices = chooseDevices(guest, deviceSpecs(config.devices));
    this.#books = ledger === false ? null : openBooks(ledger);
    try {
      this.#machine = new Machine({
        guest,
        devices,
        revision,
        ledger: this.#books?.ledger ?? null,
        ...(output === undefined ? {} : { output }),
        ...(input === undefined ? {} : { input }),
      });
    } catch (error) {
      this.#books?.writer?.dispose();
      throw error;
    }
    this.#loop = new RunLoop(this.#machine);
    const { ledgerDevices } = this.#machine;
    const start = { guest: guest.name, revision, seed: 0, vcpus: 1, devices: ledgerDevices };
    this.#books?.ledger.start(start);
  }

  /** Instructions executed since the machine was made. */
  get instructions(): number {
    // What a HLT has skipped the CPU counts only when it goes on.
    const { cpu } = this.#machine;
    return cpu.icount + cpu.charged;
  }

  /** What the guest has said about itself, or null. */
  get verdict(): Verdict | null {
    return this.#machine.verdict;
  }

  /** Why the guest was crashed, or null. */
  get crash(): string | null {
    return this.#machine.domain.crashed?.reason ?? null;
  }

  /** Guest memory, as it is now and goes on to be. Written from outside, code the CPU has run already may stay as it was. */
  get memory(): Uint8Array {
    return this.#machine.ram.bytes;
  }

  /** What each device testifies, by `name@range`. */
  get witnesses(): Record<string, Record<string, unknown>> {
    return this.#machine.testimonies();
  }

  /**
   * Runs until something outside has to decide.
   * @param limits.instructions - at most so many, 1 to 2^53 - 1. Default: what the guest's manifest allows in all
   * @throws HvmError HVM_USAGE
   */
  run(limits: { readonly instructions?: number } = {}): RunResult {
    const { instructions = this.#machine.guest.manifest.limits.maxInstructions } = limits;
    if (!Number.isSafeInteger(instructions) || instructions < 1) {
      throw new HvmError('HVM_USAGE', `${instructions} instructions: expected at least 1`);
    }
    this.#loop.deadline = this.instructions + instructions;
    this.#machine.inputArrived();
    this.#stop = this.#loop.run();
    return { stop: this.#stop, instructions: this.instructions };
  }

  /**
   * Suspends the domain as Xen's toolstack does, copies its state and resumes it: nothing the guest or a device sees.
   * @throws HvmError HVM_USAGE when the machine has crashed or waits for a device for ever
   */
  checkpoint(): Checkpoint {
    domain_shutdown(this.#machine.domain, SHUTDOWN_suspend);
    const stop = this.#loop.run();
    if (stop !== 'shutdown') {
      throw new HvmError('HVM_USAGE', `no checkpoint of a machine that is ${stop}`);
    }
    const snapshot = new Snapshot(this.#machine);
    const n = ++this.#checkpoints;
    checkpoint(this.#machine, snapshot, () => this.#books?.ledger.checkpoint(n, 'asked'));
    this.#books?.ledger.resume(n);
    this.#latest = new Checkpoint(snapshot);
    return this.#latest;
  }

  /**
   * Puts the machine back to where it was. The state fits any machine made from the same description.
   * @throws HvmError HVM_USAGE with a ledger, or when this machine has crashed or waits for a device; HVM_MEMORY,
   *   HVM_DEVICE_STATE for a state of another machine
   */
  restore(to: Checkpoint): void {
    const machine = this.#machine;
    if (this.#books !== null) {
      throw new HvmError(
        'HVM_USAGE',
        'a machine with a ledger cannot go back: its history would fork',
      );
    }
    if (machine.domain.crashed !== null || this.#stop === 'stuck') {
      throw new HvmError(
        'HVM_USAGE',
        'a machine that has crashed cannot go back: make a new one and restore that',
      );
    }
    if (to === this.#latest) to.snapshot.reset(machine);
    else {
      to.snapshot.restore(machine);
      machine.cpu.forgetCode(0, machine.ram.sizeBytes);
    }
    this.#loop.forget();
    this.#latest = to;
  }

  /**
   * Reads from a device as a guest would, while the guest stands still. All ones where no device is.
   * @param address - a port, or a guest-physical address
   * @throws HvmError HVM_USAGE with a ledger, which knows nothing of it
   */
  readDevice(space: IoSpace, address: number, size: 1 | 2 | 4): number {
    return this.#bus(space, address).read(space, address, size);
  }

  /** Writes to a device as a guest would. @param value - unsigned, cut to `size` @throws as `readDevice()` */
  writeDevice(space: IoSpace, address: number, size: 1 | 2 | 4, value: number): void {
    this.#bus(space, address).write(space, address, size, value, 0);
  }

  #bus(space: IoSpace, address: number): Machine['servers'][number]['bus'] {
    if (this.#books !== null) {
      throw new HvmError('HVM_USAGE', "a machine with a ledger: its devices are the guest's alone");
    }
    const { servers } = this.#machine;
    const here = servers.find(({ bus }) =>
      bus.attachments.some(
        ({ range }) => range.space === space && range.start <= address && address <= range.end,
      ),
    );
    const bus = (here ?? servers[0])?.bus;
    if (bus === undefined) throw new HvmError('HVM_USAGE', 'the machine has no device');
    return bus;
  }

  /**
   * Ends the books: what the checker says of every access so far. The machine runs no more. Idempotent.
   * @throws HvmError HVM_USAGE without a ledger
   */
  finish(): LedgerReport {
    const books = this.#books;
    if (books === null) throw new HvmError('HVM_USAGE', 'a machine without a ledger has no report');
    if (this.#report === null) {
      const midway = this.#machine.domain.crashed !== null || this.#stop === 'stuck';
      const witnesses = this.#machine.witnesses();
      books.ledger.end({ stop: midway ? 'midway' : 'boundary', reason: this.#stop, witnesses });
      books.writer?.finish();
      this.#report = books.checker.finish();
    }
    return this.#report;
  }

  /** Frees the CPU. Idempotent. */
  [Symbol.dispose](): void {
    this.#books?.writer?.dispose();
    this.#machine[Symbol.dispose]();
  }
}

function openBooks(ledger: true | string): {
  ledger: Ledger;
  checker: LiveChecker;
  writer: LedgerWriter | null;
} {
  const checker = new LiveChecker();
  const writer = typeof ledger === 'string' ? new LedgerWriter(ledger) : null;
  const sinks = writer === null ? [checker] : [checker, writer];
  return { ledger: new Ledger({ sinks }), checker, writer };
}
