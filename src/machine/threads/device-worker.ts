// SPDX-License-Identifier: GPL-2.0-only
// Main file of a device model's thread: makes the server's devices and serves. The devices are those of any machine.
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { kickCpu } from '../../cpu/native.ts';
import { type DeviceContext, NO_INPUT, VERDICTS } from '../../dm/device.ts';
import { parseDeviceSpec } from '../../dm/registry.ts';
import { DeviceServer, type ServerState } from '../../dm/server.ts';
import { WorkerLoop } from '../../dm/worker-loop.ts';
import type { Witness } from '../../ledger/events.ts';
import {
  D_IRQ_HIGH,
  D_IRQ_LATCHED,
  D_VERDICT,
  V_ASLEEP,
  V_KICK_ID,
  vcpuBase,
  wakeSleeper,
} from '../../mem/domain-words.ts';
import { GuestRam } from '../../mem/guest-ram.ts';
import { hostClock } from '../../util/clock.ts';
import { CountedDevice } from '../counted-device.ts';
import { InterruptLines } from '../interrupts.ts';
import { deviceLabel } from '../servers.ts';
import type { DeviceWorkerData } from './device-host.ts';
import type { DeviceWorkerMessage } from './device-report.ts';
import { reportRing, sharedPage } from './domain-memory.ts';

const NS_PER_MS = 1e6;

async function main(data: DeviceWorkerData): Promise<void> {
  // A module registers the devices it brings, as it would on any thread.
  for (const url of data.modules) await import(url);
  const { memory, server: id } = data;
  const words = new Int32Array(memory.words);
  const post = (message: DeviceWorkerMessage): void => data.port.postMessage(message);
  let output: number[] = [];
  const interrupts = new InterruptLines(words, D_IRQ_HIGH, D_IRQ_LATCHED);
  const context: DeviceContext = {
    output: (byte) => {
      output.push(byte);
    },
    input: { take: () => NO_INPUT },
    raiseIrq: (line) => {
      interrupts.raise(line);
      // Lines belong to vCPU 0: it leaves the guest and takes the interrupt.
      const kickId = Atomics.load(words, vcpuBase(0) + V_KICK_ID);
      if (kickId !== 0) kickCpu(kickId);
      wakeSleeper(words, vcpuBase(0) + V_ASLEEP);
    },
    lowerIrq: (line) => interrupts.lower(line),
    endGuest: (verdict) => {
      Atomics.store(words, D_VERDICT, 1 + VERDICTS.indexOf(verdict));
    },
    nowNs: () => hostClock.nowMs() * NS_PER_MS,
  };
  const server = new DeviceServer(data.name);
  const counted = new Map<string, CountedDevice>();
  for (const text of data.devices) {
    const { factory, range } = parseDeviceSpec(text);
    const device = new CountedDevice(factory.create(context), memory.vcpus, () => loop.vcpu);
    server.bus.attach(device, range);
    counted.set(deviceLabel(factory.name, range), device);
  }
  const loop: WorkerLoop = new WorkerLoop(server, {
    words,
    server: id,
    vcpus: memory.vcpus,
    bufferedPage: sharedPage(memory, 2 * id + 1),
    ioreqPage: sharedPage(memory, 2 * id),
    ram: new GuestRam(memory.ramBytes, memory.ram),
    reports: Array.from({ length: memory.vcpus }, (_, vcpu) => reportRing(memory, id, vcpu)),
    spins: data.spins,
    report: () => {
      const witnesses = Array.from({ length: memory.vcpus }, (_, vcpu) =>
        Object.fromEntries(
          [...counted].map(([label, { counts }]) => [label, counts[vcpu] as Witness]),
        ),
      );
      post({ what: 'report', witnesses, testimonies: server.witnesses(), state: server.save() });
    },
    restore: () => {
      try {
        server.restore(receiveMessageOnPort(data.port)?.message as ServerState);
      } catch (error) {
        post({ what: 'refused', why: error instanceof Error ? error.message : String(error) });
      }
    },
    idle: () => {
      if (output.length === 0) return;
      post({ what: 'output', bytes: Uint8Array.from(output) });
      output = [];
    },
  });
  parentPort?.postMessage('ready');
  loop.run();
}

await main(workerData as DeviceWorkerData);
