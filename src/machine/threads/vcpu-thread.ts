// SPDX-License-Identifier: GPL-2.0-only
// A vCPU in a thread of its own: runs the guest, waits for device models and for the toolstack, gives up on device
// models that died or hang.
import {
  announce,
  D_DEAD_SERVERS,
  S_ASLEEP,
  serverBase,
  V_ARGUMENT,
  V_ASLEEP,
  V_COMMAND,
  V_KICK_ID,
  vcpuBase,
  wakeSleeper,
} from '../../mem/domain-words.ts';
import type { Clock } from '../../util/clock.ts';
import { BugError } from '../../util/errors.ts';
import { xen_event_channel_signalled } from '../../xen/common/event_channel.ts';
import { vcpu_runnable } from '../../xen/common/sched.ts';
import { get_ioreq, get_pending_server } from '../../xen/hvm/ioreq.ts';
import {
  hvm_destroy_ioreq_server,
  hvm_set_ioreq_server_state,
} from '../../xen/hvm/ioreq_server.ts';
import {
  STATE_IOREQ_INPROCESS,
  STATE_IOREQ_NONE,
  STATE_IOREQ_READY,
} from '../../xen/public/hvm_ioreq.ts';
import type { Machine } from '../machine.ts';
import { RunLoop, type Stop } from '../run-loop.ts';
import { DOM0 } from '../servers.ts';
import type { RemoteServers } from './remote-servers.ts';
import { StraightRemote } from './straight-remote.ts';

/** How a vCPU waits. */
export interface WaitOptions {
  /** Looks at its words before the thread sleeps. */
  spins: number;
  /** A device model that has not answered after so long counts as dead. */
  answerTimeoutMs: number;
  clock: Clock;
}

/** Looks between two readings of what device models report: a ring must not fill up for long. */
const DRAIN_EVERY = 64;

export class VcpuThread {
  readonly machine: Machine;
  readonly loop: RunLoop;
  /** Device models given up on, by number, and why. */
  readonly failed: { server: number; why: string }[] = [];
  readonly #o: WaitOptions;
  readonly #remote: RemoteServers;
  readonly #base: number;
  /** When the wait for the answer to request `#request` began, or was first looked at; negative: not yet. */
  #since = -1;
  #request = -1;

  constructor(machine: Machine, options: WaitOptions) {
    if (machine.remote === null)
      throw new BugError('a machine whose devices are on its own thread');
    this.machine = machine;
    this.#remote = machine.remote;
    this.#o = options;
    this.#base = vcpuBase(machine.remote.vcpuId);
    this.loop = new RunLoop(machine);
    this.loop.onIdle = () => this.#wait();
    if (machine.straight instanceof StraightRemote) machine.straight.spins = options.spins;
    // Not only after a wait: an answer may be there before the vCPU has looked for it.
    Atomics.store(this.#remote.words, this.#base + V_KICK_ID, machine.cpu.kickId);
  }

  /** What the toolstack wants, 0 for nothing. Only what stands still may obey. */
  get command(): number {
    return Atomics.load(this.#remote.words, this.#base + V_COMMAND);
  }
  get argument(): number {
    return Atomics.load(this.#remote.words, this.#base + V_ARGUMENT);
  }
  /** The command is carried out. */
  done(): void {
    const { words } = this.#remote;
    Atomics.store(words, this.#base + V_COMMAND, 0);
    announce(words);
  }

  /** Runs until there is a command to carry out, or the guest comes to its end. */
  run(): Stop {
    for (;;) {
      const stop = this.loop.run();
      if (stop === 'kicked') continue;
      if (stop === 'halted') {
        if (!this.#waitForInterrupt()) return 'paused';
        continue;
      }
      if (stop === 'shutdown' || stop === 'paused' || stop === 'stuck') {
        if (this.command === 0) continue;
      }
      return stop;
    }
  }

  /** Off its CPU, so that nobody waits for it: to be called when `run()` has ended for good. */
  leave(): void {
    const { vcpu: v } = this.machine;
    v.in_guest = false;
    v.is_running = false;
  }

  /** Sleeps until somebody wants something. */
  sleep(): void {
    const { words } = this.#remote;
    Atomics.store(words, this.#base + V_ASLEEP, 1);
    if (this.command !== 0) Atomics.store(words, this.#base + V_ASLEEP, 0);
    else Atomics.wait(words, this.#base + V_ASLEEP, 1);
  }

  /** The run loop has nothing to run. @returns true: look again; false: there is a command */
  #wait(): boolean {
    const remote = this.#remote;
    const { words } = remote;
    const { vcpu: v } = this.machine;
    // A request that is waited for again: signalled without an answer. Signals alone do not count as one.
    if (remote.requests === this.#request) {
      if (this.#giveUp()) return true;
    } else {
      this.#request = remote.requests;
      this.#since = -1;
    }
    for (let n = 0; n < this.#o.spins; n++) {
      if (vcpu_runnable(v)) return true;
      if (this.command !== 0 && !v.blocked_in_xen) return false;
      if (n % DRAIN_EVERY === DRAIN_EVERY - 1) remote.drain();
    }
    for (;;) {
      remote.drain();
      // Asleep first, then a last look: whoever changes something does that first and looks here then.
      Atomics.store(words, this.#base + V_ASLEEP, 1);
      if (vcpu_runnable(v)) {
        Atomics.store(words, this.#base + V_ASLEEP, 0);
        return true;
      }
      if (this.command !== 0 && !v.blocked_in_xen) {
        Atomics.store(words, this.#base + V_ASLEEP, 0);
        return false;
      }
      if (this.#giveUp()) {
        Atomics.store(words, this.#base + V_ASLEEP, 0);
        return true;
      }
      Atomics.wait(words, this.#base + V_ASLEEP, 1, this.#patienceMs());
    }
  }

  #waitForInterrupt(): boolean {
    const { words } = this.#remote;
    const { interrupts, vcpu: v } = this.machine;
    while (!interrupts.pending) {
      if (v.sched_pending || !vcpu_runnable(v)) {
        v.in_guest = false;
        return true;
      }
      if (this.command !== 0) return false;
      Atomics.store(words, this.#base + V_ASLEEP, 1);
      if (interrupts.pending || v.sched_pending || this.command !== 0) {
        Atomics.store(words, this.#base + V_ASLEEP, 0);
      } else Atomics.wait(words, this.#base + V_ASLEEP, 1);
    }
    return true;
  }

  #patienceMs(): number | undefined {
    if (!this.machine.vcpu.blocked_in_xen) return undefined;
    return Math.max(1, this.#since + this.#o.answerTimeoutMs - this.#o.clock.nowMs());
  }

  /** A device model that is gone, or silent for too long, is treated as Xen treats one that died. */
  #giveUp(): boolean {
    const { vcpu: v, domain: d } = this.machine;
    const { words } = this.#remote;
    const s = get_pending_server(v);
    if (s === null) return false;
    // An end of the wait that is there, and signalled, is seen as soon as nothing else holds the vCPU back.
    const state = get_ioreq(s, v)?.state();
    const asked = state === STATE_IOREQ_READY || state === STATE_IOREQ_INPROCESS;
    if (!v.blocked_in_xen && !asked) return false;
    const now = this.#o.clock.nowMs();
    if (this.#since < 0) this.#since = now;
    const died = ((Atomics.load(words, D_DEAD_SERVERS) >>> s.id) & 1) !== 0;
    if (!died && now - this.#since < this.#o.answerTimeoutMs) return false;
    Atomics.or(words, D_DEAD_SERVERS, 1 << s.id);
    if (!this.failed.some(({ server }) => server === s.id)) {
      this.failed.push({
        server: s.id,
        why: died ? 'died' : `did not answer within ${this.#o.answerTimeoutMs} ms`,
      });
    }
    // It may be waiting for something that never comes.
    wakeSleeper(words, serverBase(s.id) + S_ASLEEP);
    this.#remote.drain();
    this.#remote.giveUp(s.id);
    this.#since = -1;
    if (d.host.revision.destroyed_server_answers_ones) hvm_destroy_ioreq_server(d, DOM0, s.id);
    else {
      // A slot without a request is what the waiting vCPU of 4.14 takes for a dead emulator.
      get_ioreq(s, v)?.setState(STATE_IOREQ_NONE);
      hvm_set_ioreq_server_state(d, DOM0, s.id, false);
      xen_event_channel_signalled(v);
    }
    announce(words);
    return true;
  }
}
