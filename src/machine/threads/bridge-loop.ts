// SPDX-License-Identifier: GPL-2.0-only
// The life of the thread that stands for a device model in another process: events and commands of the domain go into
// the link. It never blocks: answers come through its event loop.

import { type DeviceReportEntry, readReport, readState } from '../../dm/process/documents.ts';
import {
  ProtocolError,
  REPORT,
  RESET,
  RESTORE,
  SAVE,
  SLEEP,
  WAKE,
} from '../../dm/process/frames.ts';
import type { ModelLink } from '../../dm/process/link.ts';
import type { ServerState } from '../../dm/server.ts';
import {
  COMMAND_NONE,
  COMMAND_REPORT,
  COMMAND_RESET,
  COMMAND_RESTORE,
  COMMAND_SLEEP,
  COMMAND_STOP,
  COMMAND_WAKE,
} from '../../dm/worker-loop.ts';
import {
  announce,
  D_DEAD_SERVERS,
  S_ASLEEP,
  S_COMMAND,
  S_PORTS,
  S_RING_PORT,
  serverBase,
} from '../../mem/domain-words.ts';
import { waitAsync } from './wait-async.ts';

const NOTHING = new Uint8Array(0);

/** What a loop is joined to. */
export interface BridgeLoopOptions {
  words: Int32Array;
  server: number;
  vcpus: number;
  link: ModelLink;
  /** `name@range` of its devices. */
  keys: readonly string[];
  /** Looks for work before the thread goes back to its event loop. */
  spins: number;
  report: (devices: Record<string, DeviceReportEntry>, state: ServerState) => void;
  /** The state that is to be restored. */
  stateToRestore: () => Uint8Array;
  refused: (why: string) => void;
  /** Before the thread sleeps. */
  idle: () => void;
  /** COMMAND_STOP. */
  stop: () => void;
  /** The connection is over. */
  fail: (why: string) => void;
}

export class BridgeLoop {
  /** The state of the last COMMAND_SLEEP. */
  lastState: ServerState = { devices: {} };
  readonly #o: BridgeLoopOptions;
  readonly #base: number;
  #over = false;
  #armed = false;
  #frozen = false;
  /** The command in hand, or COMMAND_NONE. */
  #command = COMMAND_NONE;
  /** COMMAND_SLEEP waits for the ring. */
  #draining = false;
  #idle = 0;

  constructor(options: BridgeLoopOptions) {
    this.#o = options;
    this.#base = serverBase(options.server);
  }

  /** Nothing is done any more. */
  end(): void {
    this.#over = true;
  }

  /** The device model has sent something. */
  receive(bytes: Buffer): void {
    if (this.#over) return;
    if (this.#givenUp()) return;
    try {
      this.#o.link.receive(bytes);
      // What came into the ring while entries were on their way.
      const more = this.#o.link.takeRing();
      if (this.#draining && !more) this.#fallAsleep();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#o.fail(error.message);
      return;
    }
    this.#idle = 0;
    this.pump();
  }

  /** Does what there is to do, then leaves word to be called again. */
  pump(): void {
    while (!this.#over && !this.#givenUp()) {
      if (this.#work()) this.#idle = 0;
      else if (this.#o.link.busy || ++this.#idle > this.#o.spins) {
        if (this.#sleep()) return;
      }
    }
  }

  /** @returns whether there was anything */
  #work(): boolean {
    const { words, vcpus, link } = this.#o;
    let worked = false;
    for (let vcpu = 0; vcpu < vcpus; vcpu++) {
      const word = this.#base + S_PORTS + vcpu;
      if (Atomics.load(words, word) === 0) continue;
      // The word first, then the slot. What arrives while the device sleeps is looked for when it wakes.
      Atomics.store(words, word, 0);
      if (!this.#frozen) link.takeRequest(vcpu);
      worked = true;
    }
    const ring = this.#base + S_RING_PORT;
    if (Atomics.load(words, ring) !== 0) {
      Atomics.store(words, ring, 0);
      if (!this.#frozen) link.takeRing();
      worked = true;
    }
    const command = Atomics.load(words, this.#base + S_COMMAND);
    // Whatever it is busy with, it can be stopped.
    if (this.#command === COMMAND_NONE ? command !== COMMAND_NONE : command === COMMAND_STOP) {
      this.#command = command;
      this.#obey(command);
      worked = true;
    }
    return worked;
  }

  #obey(command: number): void {
    const { link } = this.#o;
    const must = (then: (result: Buffer) => void) => (ok: boolean, result: Buffer) => {
      if (!ok) throw new ProtocolError('it refuses a command');
      then(result);
    };
    const done = must(() => this.#done());
    if (command === COMMAND_SLEEP) {
      if (link.takeRing()) this.#draining = true;
      else this.#fallAsleep();
    } else if (command === COMMAND_WAKE) {
      link.ask(
        WAKE,
        NOTHING,
        must(() => {
          this.#frozen = false;
          for (let i = 0; i <= this.#o.vcpus; i++) {
            Atomics.store(this.#o.words, this.#portWord(i), 1);
          }
          this.#done();
        }),
      );
    } else if (command === COMMAND_REPORT) this.#report(must);
    else if (command === COMMAND_RESET) link.ask(RESET, NOTHING, done);
    else if (command === COMMAND_RESTORE) {
      link.ask(RESTORE, this.#o.stateToRestore(), (ok, result) => {
        if (!ok) this.#o.refused(result.toString('utf8'));
        this.#done();
      });
    } else this.#o.stop();
  }

  #fallAsleep(): void {
    this.#draining = false;
    this.#frozen = true;
    const { link, keys } = this.#o;
    link.ask(SLEEP, NOTHING, (ok) => {
      if (!ok) throw new ProtocolError('it refuses to sleep');
    });
    link.ask(SAVE, NOTHING, (ok, state) => {
      if (!ok) throw new ProtocolError('it refuses to save');
      this.lastState = readState(state, keys);
      this.#done();
    });
  }

  #report(must: (then: (result: Buffer) => void) => (ok: boolean, result: Buffer) => void): void {
    const { link, keys } = this.#o;
    let devices: Record<string, DeviceReportEntry> = {};
    link.ask(
      REPORT,
      NOTHING,
      must((report) => {
        devices = readReport(report, keys);
      }),
    );
    link.ask(
      SAVE,
      NOTHING,
      must((state) => {
        this.#o.idle();
        this.#o.report(devices, readState(state, keys));
        this.#done();
      }),
    );
  }

  #done(): void {
    const { words } = this.#o;
    this.#command = COMMAND_NONE;
    Atomics.store(words, this.#base + S_COMMAND, COMMAND_NONE);
    Atomics.notify(words, this.#base + S_COMMAND);
    announce(words);
  }

  #portWord(i: number): number {
    return this.#base + (i === this.#o.vcpus ? S_RING_PORT : S_PORTS + i);
  }

  /** The vCPU, or the toolstack, has stopped waiting for it. */
  #givenUp(): boolean {
    if (this.#over) return true;
    const dead = Atomics.load(this.#o.words, D_DEAD_SERVERS);
    if (((dead >>> this.#o.server) & 1) === 0) return false;
    this.#o.fail('it was given up');
    return true;
  }

  /** @returns whether the thread may go back to its event loop */
  #sleep(): boolean {
    this.#o.idle();
    if (this.#armed) return true;
    const { words, vcpus, server } = this.#o;
    const asleep = this.#base + S_ASLEEP;
    // Asleep first, then a last look: whoever signals first writes its word, then looks here.
    Atomics.store(words, asleep, 1);
    const command = Atomics.load(words, this.#base + S_COMMAND);
    let work = this.#command === COMMAND_NONE ? command !== COMMAND_NONE : command === COMMAND_STOP;
    for (let i = 0; i <= vcpus; i++) work = work || Atomics.load(words, this.#portWord(i)) !== 0;
    work = work || ((Atomics.load(words, D_DEAD_SERVERS) >>> server) & 1) !== 0;
    const waited = work ? null : waitAsync(words, asleep, 1);
    if (waited === null || !waited.async) {
      Atomics.store(words, asleep, 0);
      return false;
    }
    this.#armed = true;
    void waited.value.then(() => {
      this.#armed = false;
      this.#idle = 0;
      this.pump();
    });
    return true;
  }
}
