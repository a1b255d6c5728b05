// SPDX-License-Identifier: GPL-2.0-only
// Main file of a vCPU's thread: runs the guest with its books, and takes its part of each checkpoint.
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { parseServedDevice } from '../../dm/process/spec.ts';
import type { DeviceSpec } from '../../dm/registry.ts';
import type { Witness } from '../../ledger/events.ts';
import { guestForVcpu } from '../../machine/loaded-guest.ts';
import { loadGuest } from '../../machine/loader.ts';
import { Machine } from '../../machine/machine.ts';
import type { MachineOptions } from '../../machine/machine-options.ts';
import { RemoteServers } from '../../machine/threads/remote-servers.ts';
import { VcpuThread } from '../../machine/threads/vcpu-thread.ts';
import { announce, V_ENDED, V_FAILED, V_RUNNING, vcpuBase } from '../../mem/domain-words.ts';
import { hostClock } from '../../util/clock.ts';
import { BugError, isHvmError } from '../../util/errors.ts';
import { RunMeter } from '../../util/measure.ts';
import { domain_shutdown } from '../../xen/common/domain.ts';
import { SHUTDOWN_suspend } from '../../xen/public/sched.ts';
import { Books } from '../books.ts';
import { inFlight, pagesInUse } from '../checkpoint.ts';
import { GuestLog } from '../guest-log.ts';
import { vcpuPart } from '../image/epoch.ts';
import { restoreVcpu } from '../image/restore.ts';
import { Snapshot } from '../snapshot.ts';
import { Story } from '../story.ts';
import { LandingTracer } from './landing.ts';
import {
  COMMAND_CHECKPOINT,
  COMMAND_FINISH,
  type FinishOrder,
  type VcpuCaptured,
  type VcpuError,
  type VcpuFinal,
  type VcpuWorkerData,
} from './vcpu-host.ts';

async function main(data: VcpuWorkerData): Promise<void> {
  for (const url of data.modules) await import(url);
  const { from, memory, vcpuId, port, images } = data;
  const words = new Int32Array(memory.words);
  const saved = from?.state.vcpus[vcpuId] ?? null;
  using written = new Books(data.ledgerPath, saved?.ledger ?? null);
  const { ledger, checker } = written;
  const story = new Story();
  const landing = new LandingTracer();
  const remote = new RemoteServers(memory, vcpuId);
  const meter = data.measure ? new RunMeter(hostClock) : null;
  remote.roundTrips = meter;
  const devices = data.devices.map(parseServedDevice);
  const parts = { ledger, trace: landing.before(story), remote };
  const { machine, snapshot } =
    from === null ? build(data, devices, parts) : restoreVcpu(from, vcpuId, devices, parts);
  using _machine = machine;
  const { books } = machine;
  remote.onAccess = (event) => {
    books?.onAccess(event);
    story.sawAccess(event);
  };
  if (books !== null) {
    books.onBegun = (insn) => story.exit(insn);
    books.onSettled = (retired) => story.settled(retired);
  }
  story.follow(machine.vcpu, () => ledger.events);
  const thread = new VcpuThread(machine, {
    spins: data.spins,
    answerTimeoutMs: data.answerTimeoutMs,
    clock: hostClock,
  });
  const log = new GuestLog(machine);
  if (from === null) {
    written.start({
      guest: machine.guest.name,
      revision: data.revision,
      seed: data.seed,
      vcpus: memory.vcpus,
      devices: machine.ledgerDevices,
    });
  } else {
    if (saved?.log) log.resume(saved.log);
    written.goOn(machine.ledgerDevices, memory.vcpus, from.state.checkpoint);
  }
  const windows: Record<string, number> = {};
  const { pauses } = data;
  const arm = (next: number): void => {
    if (pauses !== null) thread.loop.deadline = Math.min(next, pauses.last);
  };
  arm(pauses?.first ?? 0);
  parentPort?.postMessage('ready');

  let ended: string | null = null;
  for (;;) {
    if (ended === null) {
      const stop = thread.run();
      if (stop === 'deadline') {
        thread.loop.deadline = Number.MAX_SAFE_INTEGER;
        domain_shutdown(machine.domain, SHUTDOWN_suspend);
        announce(words);
      } else if (thread.command === 0) {
        ended = stop;
        thread.leave();
        Atomics.store(words, vcpuBase(vcpuId) + V_ENDED, 1);
        announce(words);
      }
    } else if (thread.command === 0) thread.sleep();
    const { command } = thread;
    if (command === COMMAND_CHECKPOINT) {
      machine.regs.settle();
      remote.drain();
      // What became of an access that was still on its way into a register.
      books?.settle(machine.vcpu);
      const problems = inFlight(machine);
      if (problems.length > 0) {
        throw new BugError(`checkpoint of a vCPU in motion: ${problems.join('; ')}`);
      }
      for (const problem of pagesInUse(machine)) {
        if (!thread.failed.some(({ server }) => server === problem.server)) {
          thread.failed.push(problem);
        }
      }
      const n = thread.argument;
      snapshot.capture(machine);
      const window = landing.take();
      windows[window] = (windows[window] ?? 0) + 1;
      ledger.checkpoint(n, window);
      ledger.drain();
      log.look();
      if (images !== null) {
        const facts = { ledger: written.position(images.fsync), log: log.position };
        const part = vcpuPart(machine, snapshot, facts);
        const { copied: pages, pageIsRam } = snapshot;
        port.postMessage({ part, written: pages, pageIsRam } satisfies VcpuCaptured);
      }
      ledger.resume(n);
      arm(machine.cpu.icount + (pauses?.every ?? 0));
      story.captured(n);
      if (checker.failed || log.gap !== null) {
        Atomics.store(words, vcpuBase(vcpuId) + V_FAILED, 1);
      }
      thread.done();
    } else if (command === COMMAND_FINISH) {
      const order = receiveMessageOnPort(port)?.message as FinishOrder;
      remote.drain();
      log.look();
      written.end({
        stop: order.boundary ? 'boundary' : 'midway',
        reason: order.reason,
        witnesses: order.witnesses as Record<string, Witness>,
      });
      const final: VcpuFinal = {
        ended,
        report: checker.finish(),
        totals: ledger.totals,
        instructions: machine.cpu.icount,
        exits: thread.loop.exits,
        unclaimed: machine.unclaimed,
        events: ledger.events,
        verdict: machine.verdict,
        crash: machine.domain.crashed,
        gap: log.gap,
        story: story.lanes,
        windows,
        latency: meter?.latency.data() ?? null,
        failedServers: thread.failed,
      };
      port.postMessage(final);
      thread.done();
      return;
    }
  }
}

/** A machine at its guest's first instruction. */
function build(
  { guest: name, load, vcpuId, revision }: VcpuWorkerData,
  devices: readonly DeviceSpec[],
  parts: Pick<MachineOptions, 'ledger' | 'trace' | 'remote'>,
): { machine: Machine; snapshot: Snapshot } {
  const guest = guestForVcpu(loadGuest(name, load), vcpuId);
  const machine = new Machine({ guest, devices, revision, ...parts });
  return { machine, snapshot: new Snapshot(machine) };
}

const data = workerData as VcpuWorkerData;
try {
  await main(data);
} catch (error) {
  const words = new Int32Array(data.memory.words);
  const refusal = isHvmError(error);
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  data.port.postMessage({
    error: refusal ? error.message : text,
    code: refusal ? error.code : null,
  } satisfies VcpuError);
  // Nobody is to wait for a vCPU that is not there any more.
  Atomics.store(words, vcpuBase(data.vcpuId) + V_RUNNING, 0);
  Atomics.store(words, vcpuBase(data.vcpuId) + V_ENDED, 1);
  announce(words);
}
