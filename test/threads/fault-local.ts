// SPDX-License-Identifier: GPL-2.0-only
// One fault with the vCPU on this thread and the device model on another.
import { COMMAND_REPORT } from '../../src/dm/worker-loop.ts';
import { Ledger } from '../../src/ledger/ledger.ts';
import { LiveChecker } from '../../src/ledger/live-checker.ts';
import { chooseDevices } from '../../src/machine/choose-devices.ts';
import { readParameterBlock } from '../../src/machine/guest-manifest.ts';
import { loadGuest } from '../../src/machine/loader.ts';
import { Machine } from '../../src/machine/machine.ts';
import type { Stop } from '../../src/machine/run-loop.ts';
import { DeviceThread, serverPlan } from '../../src/machine/threads/device-host.ts';
import { createDomainMemory } from '../../src/machine/threads/domain-memory.ts';
import { RemoteServers } from '../../src/machine/threads/remote-servers.ts';
import { VcpuThread } from '../../src/machine/threads/vcpu-thread.ts';
import { hostClock } from '../../src/util/clock.ts';
import type { vcpu } from '../../src/xen/common/sched.ts';
import { NullTracer } from '../../src/xen/common/trace.ts';
import { send_timeoffset_req } from '../../src/xen/hvm/ioreq.ts';
import { X86EMUL_RETRY, type x86emul_rc } from '../../src/xen/hvm/x86_emulate.ts';
import type { ioreq_t } from '../../src/xen/public/hvm_ioreq.ts';
import type { FaultResult } from './fault-judge.ts';
import type { FaultPlan, Outcome } from './fault-plan.ts';

const WORKER = new URL('./faulty-worker.js', import.meta.url);
/** Requests after the fault: the guest has to go on. */
const AFTERWARDS = 16;
/** Slices of instructions, and their number: a guest gone astray need not come back to its device. */
const SLICE = 200;
const MOST_SLICES = 60;
const REPORT_MS = 500;

/** Which instruction sent which request. */
class Requests extends NullTracer {
  readonly insns: number[] = [];
  machine: Machine | null = null;
  override send(_v: vcpu, _server: number, _p: ioreq_t, rc: x86emul_rc): void {
    const { machine } = this;
    if (rc !== X86EMUL_RETRY || machine?.vcpu.arch.hvm.hvm_io.suspended !== false) return;
    this.insns.push(machine.cpu.icount);
  }
}

export async function runLocal(plan: FaultPlan): Promise<FaultResult> {
  const guest = loadGuest(plan.guest, { iterations: 0 });
  const devices = chooseDevices(guest, []).filter(({ factory }) => factory.name !== 'verdict');
  const parts = serverPlan(devices)[0] as { name: string; devices: string[] };
  const memory = createDomainMemory(guest.memoryBytes, 1, 1);
  const { spins, answerTimeoutMs } = plan;
  const device = new DeviceThread({ memory, server: 0, ...parts, modules: [], spins }, WORKER);
  try {
    await device.ready();
    const checker = new LiveChecker();
    const ledger = new Ledger({ sinks: [checker] });
    const requests = new Requests();
    const remote = new RemoteServers(memory, 0);
    const { revision, seed } = plan;
    using machine = new Machine({ guest, devices, revision, ledger, trace: requests, remote });
    requests.machine = machine;
    ledger.start({ guest: guest.name, revision, seed, vcpus: 1, devices: machine.ledgerDevices });
    const thread = new VcpuThread(machine, { spins, answerTimeoutMs, clock: hostClock });
    const stop = await drive(plan, machine, thread, requests);
    const outcome = outcomeOf(plan, machine, thread, stop);
    const alive = device.death === null && thread.failed.length === 0;
    const told = alive && tell(device, memory.words);
    ledger.end({
      stop: 'midway',
      reason: outcome,
      witnesses: told ? (device.report?.witnesses[0] ?? {}) : {},
    });
    return {
      outcome,
      reason: machine.domain.crashed?.reason ?? null,
      sent: requests.insns.length,
      ledgers: [checker.finish()],
      touched: touchedBy(plan, requests.insns, thread.failed.length > 0),
      failed: thread.failed,
      problems:
        Atomics.load(new Int32Array(plan.reached), 0) === 1 || thread.failed.length > 0
          ? []
          : ['the fault was never reached'],
    };
  } finally {
    await device.stop();
  }
}

async function drive(
  plan: FaultPlan,
  machine: Machine,
  thread: VcpuThread,
  requests: Requests,
): Promise<Stop> {
  const { loop } = thread;
  let stop: Stop = 'deadline';
  for (let n = 0; n < MOST_SLICES && requests.insns.length < plan.at + AFTERWARDS; n++) {
    loop.deadline = machine.cpu.icount + SLICE;
    stop = loop.run();
    if (stop !== 'deadline') break;
    // What is written into the ring meets whatever the device model has left there.
    if (n % 4 === 3) send_timeoffset_req(machine.vcpu, 1, 0);
    // A thread's end is heard of between turns of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return stop;
}

/** The request of the fault and the one after it; on a busy machine also one that was given up on before. */
function touchedBy(plan: FaultPlan, insns: readonly number[], gaveUp: boolean): Set<number> {
  const { at } = plan;
  return new Set([...insns.slice(at - 1, at + 1), ...(gaveUp ? insns.slice(-1) : [])]);
}

/** Asks the device model for its own count. @returns whether it obeyed */
function tell(device: DeviceThread, buffer: SharedArrayBuffer): boolean {
  const words = new Int32Array(buffer);
  device.command(COMMAND_REPORT);
  const end = hostClock.nowMs() + REPORT_MS;
  while (!device.idle && hostClock.nowMs() < end) {
    Atomics.wait(words, device.commandWord, COMMAND_REPORT, REPORT_MS);
  }
  device.hear();
  return device.idle;
}

function outcomeOf(plan: FaultPlan, machine: Machine, thread: VcpuThread, stop: Stop): Outcome {
  if (stop === 'crashed') return 'crash';
  if (stop === 'deadline') return thread.failed.length === 0 ? 'goes on' : 'guest astray';
  const block = readParameterBlock(machine.ram.bytes, machine.guest.blockBase ?? 0);
  // The verdict port is nobody's: a guest that has noticed stands still in HLT.
  if (stop !== 'dead' || block === null) return 'guest astray';
  const ones = plan.guest === 'rep-counter' ? [0xff] : [0xffffffff, 0xffff, 0xff];
  const given = thread.failed.length > 0;
  return given && ones.includes(block.got) ? 'all ones' : 'other value';
}
