// SPDX-License-Identifier: GPL-2.0-only
// Main file of a device model's thread that serves as ours does until its k-th request, and then goes wrong.
import { getEnvironmentData, parentPort, workerData } from 'node:worker_threads';
import type { DeviceContext } from '../../src/dm/device.ts';
import { NO_INPUT, VERDICTS } from '../../src/dm/device.ts';
import type { DeviceWorkerData } from '../../src/machine/threads/device-host.ts';
import { deviceLoop } from '../../src/machine/threads/device-loop.ts';
import { D_VERDICT } from '../../src/mem/domain-words.ts';
import type { FaultPlan } from './fault-plan.ts';
import { Misdeeds } from './misdeeds.ts';

/** Name of the plan among what a thread inherits. */
export const PLAN = 'trapline-fault-plan';

async function main(data: DeviceWorkerData, plan: FaultPlan | null): Promise<void> {
  for (const url of data.modules) await import(url);
  const words = new Int32Array(data.memory.words);
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
  const { server, loop } = deviceLoop(data, words, context, () => {});
  if (plan !== null && data.server === 0) new Misdeeds(plan, data, server).arm();
  parentPort?.postMessage('ready');
  loop.run();
}

if (workerData !== null) {
  const plan = getEnvironmentData(PLAN) as unknown as FaultPlan | undefined;
  await main(workerData as DeviceWorkerData, plan ?? null);
}
