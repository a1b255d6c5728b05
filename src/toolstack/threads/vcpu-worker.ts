// SPDX-License-Identifier: GPL-2.0-only
// Main file of a vCPU's thread: runs the guest with its books, and takes its part of each checkpoint.
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { parseServedDevice } from '../../dm/process/spec.ts';
import type { Witness } from '../../ledger/events.ts';
import { LedgerWriter } from '../../ledger/jsonl.ts';
import { Ledger } from '../../ledger/ledger.ts';
import { LiveChecker } from '../../ledger/live-checker.ts';
import { chooseDevices } from '../../machine/choose-devices.ts';
import { guestForVcpu, loadGuest } from '../../machine/loader.ts';
import { Machine } from '../../machine/machine.ts';
import { RemoteServers } from '../../machine/threads/remote-servers.ts';
import { VcpuThread } from '../../machine/threads/vcpu-thread.ts';
import { announce, V_ENDED, V_FAILED, V_RUNNING, vcpuBase } from '../../mem/domain-words.ts';
import { hostClock } from '../../util/clock.ts';
import { BugError } from '../../util/errors.ts';
import { RunMeter } from '../../util/measure.ts';
import { inFlight, pagesInUse } from '../checkpoint.ts';
import { GuestLog } from '../guest-log.ts';
import { Snapshot } from '../snapshot.ts';
import { Story } from '../story.ts';
import { LandingTracer } from './landing.ts';
import {
  COMMAND_CHECKPOINT,
  COMMAND_FINISH,
  type FinishOrder,
  type VcpuFinal,
  type VcpuWorkerData,
} from './vcpu-host.ts';

async function main(data: VcpuWorkerData): Promise<void> {
  for (const url of data.modules) await import(url);
  const { memory, vcpuId, port } = data;
  const words = new Int32Array(memory.words);
  const guest = guestForVcpu(loadGuest(data.guest, { iterations: 0, ...data.load }), vcpuId);
  const checker = new LiveChecker();
  const writer = data.ledgerPath === null ? null : new LedgerWriter(data.ledgerPath);
  const ledger = new Ledger({ sinks: [checker, ...(writer === null ? [] : [writer])] });
  const story = new Story();
  const landing = new LandingTracer();
  const remote = new RemoteServers(memory, vcpuId);
  const meter = data.measure ? new RunMeter(hostClock) : null;
  remote.roundTrips = meter;
  using machine = new Machine({
    guest,
    devices: chooseDevices(guest, data.devices.map(parseServedDevice)),
    revision: data.revision,
    ledger,
    trace: landing.before(story),
    remote,
  });
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
  ledger.start({
    guest: guest.name,
    revision: data.revision,
    seed: data.seed,
    vcpus: memory.vcpus,
    devices: machine.ledgerDevices,
  });
  const thread = new VcpuThread(machine, {
    spins: data.spins,
    answerTimeoutMs: data.answerTimeoutMs,
    clock: hostClock,
  });
  const log = new GuestLog(machine);
  const snapshot = new Snapshot(machine);
  const windows: Record<string, number> = {};
  parentPort?.postMessage('ready');

  let ended: string | null = null;
  for (;;) {
    if (ended === null) {
      const stop = thread.run();
      if (thread.command === 0) {
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
      ledger.resume(n);
      story.captured(n);
      if (checker.failed || log.gap !== null) {
        Atomics.store(words, vcpuBase(vcpuId) + V_FAILED, 1);
      }
      thread.done();
    } else if (command === COMMAND_FINISH) {
      const order = receiveMessageOnPort(port)?.message as FinishOrder;
      remote.drain();
      log.look();
      ledger.end({
        stop: order.boundary ? 'boundary' : 'midway',
        reason: order.reason,
        witnesses: order.witnesses as Record<string, Witness>,
      });
      writer?.finish();
      const final: VcpuFinal = {
        ended,
        report: checker.finish(),
        instructions: machine.cpu.icount,
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

const data = workerData as VcpuWorkerData;
try {
  await main(data);
} catch (error) {
  const words = new Int32Array(data.memory.words);
  data.port.postMessage({
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  // Nobody is to wait for a vCPU that is not there any more.
  Atomics.store(words, vcpuBase(data.vcpuId) + V_RUNNING, 0);
  Atomics.store(words, vcpuBase(data.vcpuId) + V_ENDED, 1);
  announce(words);
}
