// SPDX-License-Identifier: GPL-2.0-only
// Main file of a device model's thread that serves as ours does until its k-th request, and then goes wrong.
import { getEnvironmentData, parentPort, workerData } from 'node:worker_threads';
import type { DeviceContext } from '../../src/dm/device.ts';
import { NO_INPUT, VERDICTS } from '../../src/dm/device.ts';
import { parseDeviceSpec } from '../../src/dm/registry.ts';
import { DeviceServer } from '../../src/dm/server.ts';
import { WorkerLoop } from '../../src/dm/worker-loop.ts';
import { CountedDevice } from '../../src/machine/counted-device.ts';
import { deviceLabel } from '../../src/machine/servers.ts';
import type { DeviceWorkerData } from '../../src/machine/threads/device-host.ts';
import { reportRing, sharedPage } from '../../src/machine/threads/domain-memory.ts';
import { D_VERDICT } from '../../src/mem/domain-words.ts';
import { GuestRam } from '../../src/mem/guest-ram.ts';
import type { FaultPlan } from './fault-plan.ts';
import { Misdeeds } from './misdeeds.ts';

/** Name of the plan among what a thread inherits. */
export const PLAN = 'trapline-fault-plan';

async function main(data: DeviceWorkerData, plan: FaultPlan | null): Promise<void> {
  for (const url of data.modules) await import(url);
  const { memory, server: id } = data;
  const words = new Int32Array(memory.words);
  const context: DeviceContext = {
    output: () => {},
    input: { take: () => NO_INPUT },
    raiseIrq: () => {},
    lowerIrq: () => {},
    endGuest: (verdict) => {
      Atomics.store(words, D_VERDICT, 1 + VERDICTS.indexOf(verdict));
    },
    nowNs: () => 0,
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
        Object.fromEntries([...counted].map(([label, { counts }]) => [label, counts[vcpu]])),
      );
      const testimonies = server.witnesses();
      data.port.postMessage({ what: 'report', witnesses, testimonies, state: server.save() });
    },
    idle: () => {},
  });
  if (plan !== null && id === 0) new Misdeeds(plan, data, server).arm();
  parentPort?.postMessage('ready');
  loop.run();
}

if (workerData !== null) {
  const plan = getEnvironmentData(PLAN) as unknown as FaultPlan | undefined;
  await main(workerData as DeviceWorkerData, plan ?? null);
}
