// SPDX-License-Identifier: GPL-2.0-only
// A domain whose vCPUs and device models are threads, and the toolstack's grip on it from outside: shut down at any
// moment, checkpoint, resume. Nothing in those threads waits for the toolstack unless it is paused.
import { COMMAND_REPORT, COMMAND_SLEEP, COMMAND_WAKE } from '../../dm/worker-loop.ts';
import { imageFault } from '../../image/fault.ts';
import type { Witness } from '../../ledger/events.ts';
import { deviceLabel } from '../../machine/servers.ts';
import type { DeviceThread } from '../../machine/threads/device-host.ts';
import { createDomainMemory, type DomainMemory } from '../../machine/threads/domain-memory.ts';
import { threadHost } from '../../machine/threads/remote-servers.ts';
import { D_EVENTS } from '../../mem/domain-words.ts';
import { GuestRam } from '../../mem/guest-ram.ts';
import { BugError } from '../../util/errors.ts';
import { domain_resume, domain_shutdown } from '../../xen/common/domain.ts';
import { type domain, domain_pause, domain_unpause, vcpu_kick } from '../../xen/common/sched.ts';
import { createXenHost } from '../../xen/host.ts';
import { domain_create, shared_vcpu_create } from '../../xen/hvm/hvm.ts';
import { REVISIONS } from '../../xen/hvm/revision.ts';
import { SHUTDOWN_suspend } from '../../xen/public/sched.ts';
import { ledgerPathOf } from '../books.ts';
import type { LoadedImage } from '../image/load.ts';
import { ramOf } from '../image/restore.ts';
import type { Watch } from '../limits.ts';
import { pausesOf, startDevices } from './domain-parts.ts';
import { type DomainPlan, planDomain, type ThreadedOptions } from './domain-plan.ts';
import { COMMAND_CHECKPOINT, type VcpuFinal, VcpuHost } from './vcpu-host.ts';

/** A device model that has died, and of what. */
export interface DeviceDeath {
  server: number;
  name: string;
  why: string;
}

/** How long the toolstack sleeps at most before it looks after its threads. */
const SLICE_MS = 2;

export class ThreadedDomain {
  readonly plan: DomainPlan;
  /** The image it goes on from, or null. */
  readonly from: LoadedImage | null;
  readonly memory: DomainMemory;
  readonly ram: GuestRam;
  readonly vcpus: readonly VcpuHost[];
  readonly devices: readonly DeviceThread[];
  readonly #words: Int32Array;
  readonly #domain: domain;
  readonly #watch: Watch;
  readonly #answerTimeoutMs: number;
  readonly #images: boolean;

  private constructor(options: ThreadedOptions, watch: Watch) {
    const { spins, modules, from = null } = options;
    this.#watch = watch;
    this.#answerTimeoutMs = options.answerTimeoutMs;
    this.plan = planDomain(options);
    this.from = from;
    this.#images = (options.images ?? null) !== null;
    const { guest, revision, servers, vcpus } = this.plan;
    const pauses = options.pauses ? pausesOf(options.pauses, this.plan, from) : null;
    this.memory = createDomainMemory(guest.memoryBytes, servers.length, vcpus);
    this.#words = new Int32Array(this.memory.words);
    const { memory } = this;
    this.ram = new GuestRam(memory.ramBytes, memory.ram);
    if (from !== null) this.ram.writeBytes(0, ramOf(from));
    const host = createXenHost({ revision: REVISIONS[revision], ...threadHost(memory, -1) });
    this.#domain = domain_create(1, this.ram, host, this.#words);
    for (let id = 0; id < vcpus; id++) {
      shared_vcpu_create(this.#domain, { eax: 0, rax_hi: 0, eip: 0 }, this.#words, false);
    }
    // Nothing runs before everything is there.
    this.#domain.change_pause_count(1);
    this.devices = startDevices(options, this.plan, memory);
    this.vcpus = Array.from(
      { length: vcpus },
      (_, vcpuId) =>
        new VcpuHost({
          memory,
          vcpuId,
          guest: options.guest,
          load: options.load,
          // Pages are in the shared memory by now.
          from: from === null ? null : { ...from, pages: new Map() },
          devices: this.plan.devices.map((d) => deviceLabel(d.factory.name, d.range)),
          modules,
          revision,
          seed: options.seed,
          ledgerPath: ledgerPathOf(options.ledgerPath, vcpuId),
          spins,
          answerTimeoutMs: options.answerTimeoutMs,
          measure: options.measure,
          pauses: vcpuId === 0 ? pauses : null,
          images: options.images ?? null,
        }),
    );
  }

  /**
   * Builds everything and lets the guest run.
   * @throws HvmError for a guest or devices that cannot be, HVM_DEVICE_DEAD for a device model that does not start
   */
  static async start(options: ThreadedOptions, watch: Watch): Promise<ThreadedDomain> {
    const domain = new ThreadedDomain(options, watch);
    try {
      await Promise.all([...domain.devices, ...domain.vcpus].map((t) => t.ready()));
      await domain.#restoreDevices();
    } catch (error) {
      await domain.stop();
      throw error;
    }
    domain.#domain.change_pause_count(-1);
    return domain;
  }

  /** Some vCPU's guest has ended. */
  get ended(): boolean {
    return this.vcpus.some((v) => v.ended);
  }
  /** Some vCPU's books or log show something wrong. */
  get failed(): boolean {
    return this.vcpus.some((v) => v.failed);
  }
  get crashed(): boolean {
    return this.#domain.crashed !== null;
  }
  /** Takes in what device models have said, output among it. */
  hear(): void {
    for (const device of this.devices) device.hear();
  }

  /** Asks the domain to shut down, now; waits until it has, or has ended. @returns false when it has ended */
  async shutDown(): Promise<boolean> {
    const d = this.#domain;
    domain_shutdown(d, SHUTDOWN_suspend);
    // A deferral can be left over from a request that could not be sent: it ends when the vCPU passes the scheduler,
    // which on a real CPU a timer sees to.
    await this.#until(
      () => d.is_shut_down || this.ended,
      'the domain does not shut down',
      () => d.vcpu.forEach(vcpu_kick),
    );
    return d.is_shut_down && !this.crashed;
  }

  /** vCPU 0 has come to where it was to shut the domain down, or the guest has ended. */
  get stopped(): boolean {
    return this.#domain.is_shut_down || this.ended;
  }

  /** Captures a domain that is shut down, and lets it go on. @param n - of the checkpoint, from 1 */
  async checkpoint(n: number): Promise<void> {
    await this.capture(n);
    await this.resume();
  }

  /** Brings everything to a standstill and has it captured; `resume()` ends that. */
  async capture(n: number): Promise<void> {
    domain_pause(this.#domain);
    for (const device of this.devices) device.command(COMMAND_SLEEP);
    await this.#devicesIdle();
    for (const v of this.vcpus) v.command(COMMAND_CHECKPOINT, n);
    await this.#until(() => this.vcpus.every((v) => v.idle), 'a vCPU does not stand still');
    if (this.#images) await this.#report();
    for (const v of this.vcpus) v.check();
  }

  async resume(): Promise<void> {
    for (const device of this.devices) device.command(COMMAND_WAKE);
    await this.#devicesIdle();
    domain_resume(this.#domain);
    domain_unpause(this.#domain);
  }

  /**
   * Stops the guest for good and collects what everybody has seen. Call once, then `stop()`.
   * @param boundary - wait until nothing is in flight; not for a guest that has ended
   */
  async finish(
    reason: string,
    boundary: boolean,
  ): Promise<{
    vcpus: VcpuFinal[];
    testimonies: Record<string, Record<string, unknown>>;
    /** Device models that have died. */
    deaths: DeviceDeath[];
  }> {
    // Paused alone it may stand in the middle of an access: what is on its way comes in first.
    const still = boundary && !this.ended && (await this.shutDown());
    domain_pause(this.#domain);
    await this.#report();
    const testimonies = Object.assign({}, ...this.devices.map((d) => d.report?.testimonies ?? {}));
    const deaths = this.devices.flatMap(({ server, name, death }) =>
      death === null ? [] : [{ server, name, why: death }],
    );
    const dead = deaths.map((d) => `device model '${d.name}' of server ${d.server}: ${d.why}`);
    for (const v of this.vcpus) {
      v.finish({
        reason: [reason, ...dead].join('; '),
        boundary: still,
        witnesses: this.witnesses(v.vcpuId),
      });
    }
    await this.#until(() => this.vcpus.every((v) => v.idle), 'a vCPU does not end');
    const vcpus = this.vcpus.map((v) => {
      v.check();
      if (v.final === null) throw new BugError(`vCPU ${v.vcpuId} ended without a report`);
      return v.final;
    });
    return { vcpus, testimonies, deaths };
  }

  /** What devices counted of a vCPU's accesses since the guest started, as of their last report. */
  witnesses(vcpu: number): Record<string, Witness> {
    const before = this.from?.state.vcpus[vcpu]?.witnesses ?? {};
    const all: Record<string, Witness> = {};
    for (const { report } of this.devices) {
      for (const [label, { reads, writes }] of Object.entries(report?.witnesses[vcpu] ?? {})) {
        const base = before[label] ?? { reads: 0, writes: 0 };
        all[label] = { reads: base.reads + reads, writes: base.writes + writes };
      }
    }
    return all;
  }

  /** Every device model says how it stands. */
  async #report(): Promise<void> {
    for (const device of this.devices) device.command(COMMAND_REPORT);
    await this.#devicesIdle();
    this.hear();
  }

  async #restoreDevices(): Promise<void> {
    const { from } = this;
    if (from === null) return;
    for (const [i, { devices }] of from.state.servers.entries())
      this.devices[i]?.restore({ devices });
    await this.#devicesIdle();
    for (const device of this.devices) {
      device.hear();
      const why = device.refusal ?? device.death;
      if (why === null) continue;
      throw imageFault(from.place, `device model '${device.name}' does not take its state: ${why}`);
    }
  }

  /** Lets the guest run for up to `ms`; returns early when something happens. */
  rest(ms: number): void {
    Atomics.wait(this.#words, D_EVENTS, Atomics.load(this.#words, D_EVENTS), ms);
  }

  /** Something went wrong: the guest runs on for up to `ms`, to become a witness of its own. */
  letGuestNotice(ms: number): void {
    const { clock } = this.#watch;
    const start = clock.nowMs();
    while (!this.ended && clock.nowMs() - start < ms) this.rest(SLICE_MS);
  }

  /** Ends every thread. Idempotent. */
  async stop(): Promise<void> {
    await Promise.all([...this.devices, ...this.vcpus].map((t) => t.stop()));
  }

  // A device model that does not obey is as dead as one whose thread has ended.
  async #devicesIdle(): Promise<void> {
    const since = this.#watch.clock.nowMs();
    await this.#until(() => {
      if (this.devices.every((d) => d.idle)) return true;
      if (this.#watch.clock.nowMs() - since < this.#answerTimeoutMs) return false;
      for (const d of this.devices)
        if (!d.idle) d.giveUp(`does not obey within ${this.#answerTimeoutMs} ms`);
      return true;
    }, 'device models do not stand still');
  }

  /** @param slow - called every now and then while `done` is not */
  async #until(done: () => boolean, otherwise: string, slow: () => void = () => {}): Promise<void> {
    const { clock } = this.#watch;
    const words = this.#words;
    const start = clock.nowMs();
    for (;;) {
      const seen = Atomics.load(words, D_EVENTS);
      if (done()) return;
      Atomics.wait(words, D_EVENTS, seen, SLICE_MS);
      if (done()) return;
      if (clock.nowMs() - start < SLICE_MS) continue;
      // Threads that ended are heard of between turns of the event loop only.
      await new Promise<void>((resolve) => this.#watch.idle(0, resolve));
      for (const v of this.vcpus) v.check();
      slow();
      if (clock.nowMs() - start > PATIENCE_MS + 4 * this.#answerTimeoutMs) {
        throw new BugError(`${otherwise}, after ${Math.round(clock.nowMs() - start)} ms`);
      }
    }
  }
}

/** Longer than any thread is kept from its CPU on a machine that is alive. */
const PATIENCE_MS = 30_000;
