// SPDX-License-Identifier: GPL-2.0-only
// A guest under checkpoints: one machine, its books, and a shutdown at a drawn place, again and again.

import type { EventSink } from '../ledger/events.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { LiveChecker } from '../ledger/live-checker.ts';
import { chooseDevices } from '../machine/choose-devices.ts';
import type { LoadedGuest } from '../machine/loaded-guest.ts';
import { loadGuest } from '../machine/loader.ts';
import { Machine } from '../machine/machine.ts';
import { RunLoop, type Stop } from '../machine/run-loop.ts';
import { TeeTracer } from '../machine/tee-tracer.ts';
import type { RunMeter } from '../util/measure.ts';
import { Random } from '../util/random.ts';
import { domain_shutdown } from '../xen/common/domain.ts';
import type { Tracer } from '../xen/common/trace.ts';
import { SHUTDOWN_suspend } from '../xen/public/sched.ts';
import { Aim } from './aim.ts';
import { Books } from './books.ts';
import { checkpoint } from './checkpoint.ts';
import { GuestLog } from './guest-log.ts';
import type { GuestSetup } from './guest-setup.ts';
import type { LoadedImage } from './image/load.ts';
import { guestOfImage, restoreMachine } from './image/restore.ts';
import type { LedgerPosition, OutputPosition } from './image/state.ts';
import { HastySave } from './museum/hasty-save.ts';
import { type MuseumBug, revisionLabel, revisionOf } from './museum/index.ts';
import { RoundTrips } from './round-trips.ts';
import { Snapshot } from './snapshot.ts';
import { Story } from './story.ts';
import { OutputDigest } from './undisturbed/output-digest.ts';
import { instructionsOf } from './undisturbed/undisturbed.ts';
import { type InsnKind, WindowDriver, type WindowName, windowsOf } from './windows.ts';

/** A shutdown between instructions lands after at most so many of them. */
const MOST_BETWEEN = 48;
/** Unless said, of a PC: its guests run for seconds, and wait for most of them. */
const PC_SPACING = 10_000;
/** Instructions for a guest to notice what has gone wrong with it. */
const PATIENCE = 20_000;

/** What a session is made of. */
export interface SessionOptions extends GuestSetup {
  /** An exhibit of the museum, put into the monitor or done by this session. */
  bug?: MuseumBug | null;
  seed: number;
  ledgerPath: string | null;
  output?: (byte: number) => void;
  /** Meters checkpoints and round trips; none: not measured, which costs nothing. */
  meter?: RunMeter | null;
  /** Checkpoints land between instructions only, at most so many apart; absent: wherever the guest has a window. */
  between?: number | null;
  /** Instructions let pass between two checkpoints, on average; 0 unless said, 10,000 on a PC. */
  spacing?: number | null;
  /** Goes on from an image: guest, devices and revision are its own. */
  from?: LoadedImage | null;
  /** Who hears the ledger's events besides, for such a guest. */
  witness?: ((guest: LoadedGuest) => EventSink | null) | null;
  /** Between capture and resume, everything standing still. */
  onCaptured?: ((session: CheckpointSession) => void) | null;
}

/** Why no further checkpoint could be taken. */
export type SessionEnd = Exclude<Stop, 'shutdown' | 'deadline'> | 'limit';

/** One guest under checkpoints. Everything follows from the options: the same options, the same history. */
export class CheckpointSession implements Disposable {
  readonly machine: Machine;
  readonly loop: RunLoop;
  readonly log: GuestLog;
  readonly story: Story = new Story();
  readonly snapshot: Snapshot;
  /** What the guest wrote: since it started, or since an image of which nobody knows what was written before. */
  readonly output: OutputDigest;
  /** Checkpoints taken. */
  checkpoints = 0;
  /** Hits by window; a window the guest has no instruction for is absent. */
  readonly hits = new Map<WindowName, number>();
  readonly meter: RunMeter | null;
  /** Why a state that was to be saved is none the guest could have been in; only ever set with `bug`. */
  unsound: string | null = null;
  readonly #bug: MuseumBug | null;
  /** `output` is complete. */
  readonly #heardAll: boolean;
  readonly #books: Books;
  readonly #onCaptured: ((session: CheckpointSession) => void) | null;
  readonly #driver: WindowDriver;
  readonly #random: Random;
  readonly #aim: Aim;
  readonly #spacing: number;
  readonly #hasty = new HastySave(() => this.machine);

  /** @throws HvmError for a guest, devices or a ledger file that cannot be */
  constructor(options: SessionOptions) {
    const { seed, from = null, bug = null } = options;
    const revision = from?.state.revision ?? options.revision;
    this.#bug = bug;
    this.meter = options.meter ?? null;
    this.#onCaptured = options.onCaptured ?? null;
    // For ever, unless said otherwise: it is the checkpoints that are counted.
    const guest =
      from === null
        ? loadGuest(options.guest, { iterations: 0, ...options.load })
        : guestOfImage(from);
    this.#random = new Random(seed);
    const kinds = guest.hasManifest ? (guest.manifest.windows as InsnKind[]) : null;
    const windows = windowsOf(options.between ? [] : kinds);
    const witness = options.witness?.(guest) ?? null;
    const position = from?.state.vcpus[0].ledger ?? null;
    this.#books = new Books(options.ledgerPath, position, witness === null ? [] : [witness]);
    this.output = new OutputDigest(options.output, from?.state.output ?? null);
    this.#heardAll = from === null || from.state.output !== null;
    this.#driver = new WindowDriver(() => this.#shutdown());
    const tracers: Tracer[] = [this.story];
    if (this.meter !== null) tracers.push(new RoundTrips(this.meter));
    if (bug?.faults.savesUnpaused) tracers.push(this.#hasty);
    const parts = {
      ledger: this.ledger,
      points: this.#driver,
      trace: tracers.length === 1 ? this.story : new TeeTracer(tracers),
      output: this.output.put,
    };
    try {
      if (from === null) {
        this.machine = new Machine({
          guest,
          devices: chooseDevices(guest, options.devices),
          revision: bug === null ? revision : revisionOf(bug),
          ...parts,
        });
        this.snapshot = new Snapshot(this.machine);
      } else {
        ({ machine: this.machine, snapshot: this.snapshot } = restoreMachine(from, parts));
      }
    } catch (error) {
      this.#books[Symbol.dispose]();
      throw error;
    }
    const { machine } = this;
    this.#spacing = options.spacing ?? (machine.pc === null || options.between ? 0 : PC_SPACING);
    const most = machine.pc === null ? MOST_BETWEEN : Math.min(MOST_BETWEEN, this.#spacing);
    this.loop = new RunLoop(machine);
    this.#aim = new Aim(
      { machine, loop: this.loop, driver: this.#driver, random: this.#random },
      windows,
      this.#spacing,
      options.between ?? Math.max(1, most),
    );
    this.log = new GuestLog(machine);
    const books = machine.books;
    for (const server of machine.servers) {
      server.onAccess = (event) => {
        this.#driver.sawAccess(event);
        books?.onAccess(event);
        this.story.sawAccess(event);
      };
      server.onAnswered = () => this.story.answered();
    }
    if (books !== null) {
      books.onBegun = (insn) => this.story.exit(insn);
      books.onSettled = (retired) => this.story.settled(retired);
    }
    this.story.follow(machine.vcpu, () => this.ledger.events);
    if (from !== null) {
      this.#goOn(from);
      return;
    }
    this.#books.start({
      guest: guest.name,
      revision: revisionLabel(revision, bug),
      seed,
      vcpus: 1,
      devices: machine.ledgerDevices,
    });
  }

  // The books go on where the image says they stood: between its checkpoint and the resume.
  #goOn({ state }: LoadedImage): void {
    const { checkpoint: n } = state;
    const { log } = state.vcpus[0];
    this.checkpoints = n;
    if (log !== null) this.log.resume(log);
    this.#books.goOn(this.machine.ledgerDevices, 1, n);
  }

  get ledger(): Ledger {
    return this.#books.ledger;
  }
  get checker(): LiveChecker {
    return this.#books.checker;
  }
  /** Where the books stand, written out: what an image has to hold. @param sync - wait for the disk */
  ledgerPosition(sync: boolean): LedgerPosition {
    return this.#books.position(sync);
  }

  /** What the guest has written so far, for an image; null: not all of it is known. */
  get outputPosition(): OutputPosition | null {
    return this.#heardAll ? this.output.position : null;
  }

  /** What the script of a PC waited for in vain, or null. */
  get scriptFailed(): string | null {
    return this.machine.pc?.typist.state.failed ?? null;
  }

  /** Whether any witness has seen something wrong. */
  get failed(): boolean {
    if (this.unsound !== null || this.scriptFailed !== null) return true;
    return this.checker.failed || this.log.gap !== null || this.machine.verdict === 'failure';
  }

  /**
   * Runs the guest into one checkpoint and resumes it.
   * @param maxInstructions - bound on the instruction count
   * @returns null, or why there was none
   */
  next(maxInstructions: number): SessionEnd | null {
    const { machine, loop } = this;
    const aim = this.#aim;
    const { cpu } = machine;
    const early = this.#letPass(maxInstructions);
    if (early !== null) return early;
    aim.draw();
    for (;;) {
      loop.onServerStep = this.#driver.needsSteps ? this.#driver.serverStep : null;
      loop.deadline = Math.min(aim.deadline, maxInstructions);
      const stop = loop.run();
      if (stop === 'shutdown') break;
      if (stop !== 'deadline') return stop;
      if (cpu.icount >= maxInstructions) return 'limit';
      if (aim.window === 'between-instructions') this.#shutdown();
      else if (!aim.mayCome() && aim.missed()) this.#shutdown();
    }
    loop.onServerStep = null;
    checkpoint(machine, this.snapshot, () => this.#captured(), {
      stopReplays: this.#bug?.faults.stopReplays ?? false,
      inMotion:
        this.#bug === null
          ? null
          : (problems) => {
              this.unsound = problems.join('; ');
            },
    });
    if (this.#bug?.faults.savesUnpaused) this.unsound = this.#hasty.compare(machine);
    return null;
  }

  /** On average `spacing` instructions between a checkpoint and the search for the next one. */
  #letPass(maxInstructions: number): SessionEnd | null {
    if (this.#spacing === 0) return null;
    const { cpu } = this.machine;
    const until = Math.min(cpu.icount + this.#random.below(2 * this.#spacing + 1), maxInstructions);
    this.#driver.disarm();
    while (cpu.icount < until) {
      this.loop.deadline = until;
      const stop = this.loop.run();
      if (stop !== 'deadline') return stop === 'shutdown' ? 'paused' : stop;
    }
    return until >= maxInstructions ? 'limit' : null;
  }

  #captured(): void {
    const n = ++this.checkpoints;
    const { window } = this.#aim;
    this.hits.set(window, (this.hits.get(window) ?? 0) + 1);
    this.ledger.checkpoint(n, window);
    this.ledger.drain();
    this.log.look();
    this.#onCaptured?.(this);
    this.ledger.resume(n);
    this.story.captured(n);
    this.meter?.checkpoint();
  }

  /** After a violation: lets the guest go on without checkpoints until it notices by itself, or for a while. */
  letGuestNotice(): void {
    this.#driver.disarm();
    this.loop.deadline = this.machine.cpu.icount + PATIENCE;
    this.loop.run();
    this.log.look();
  }

  /** Goes on to the next instruction boundary, without checkpoints. @returns why it stands there */
  toBoundary(): Stop {
    this.#driver.disarm();
    this.loop.deadline = instructionsOf(this.machine) + 1;
    return this.loop.run();
  }

  /** Ends the books; call once. The ledger file is complete afterwards. */
  finish(boundary: boolean, reason: string): void {
    this.#books.end({
      stop: boundary ? 'boundary' : 'midway',
      reason,
      witnesses: this.machine.witnesses(),
    });
  }

  [Symbol.dispose](): void {
    this.#books[Symbol.dispose]();
    this.machine[Symbol.dispose]();
  }

  #shutdown(): void {
    this.#aim.hit();
    this.story.shutdown(this.checkpoints + 1, this.#aim.window, this.#driver.where);
    domain_shutdown(this.machine.domain, SHUTDOWN_suspend);
  }
}
