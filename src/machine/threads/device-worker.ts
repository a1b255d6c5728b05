// SPDX-License-Identifier: GPL-2.0-only
// Main file of a device model's thread: what its devices find around them, and they are served.
import { parentPort, workerData } from 'node:worker_threads';
import { kickCpu } from '../../cpu/native.ts';
import { type DeviceContext, NO_INPUT, VERDICTS } from '../../dm/device.ts';
import {
  D_IRQ_HIGH,
  D_IRQ_LATCHED,
  D_VERDICT,
  V_ASLEEP,
  V_KICK_ID,
  vcpuBase,
  wakeSleeper,
} from '../../mem/domain-words.ts';
import { hostClock } from '../../util/clock.ts';
import { InterruptLines } from '../interrupts.ts';
import type { DeviceWorkerData } from './device-host.ts';
import { deviceLoop } from './device-loop.ts';
import type { DeviceWorkerMessage } from './device-report.ts';

const NS_PER_MS = 1e6;

async function main(data: DeviceWorkerData): Promise<void> {
  // A module registers the devices it brings, as it would on any thread.
  for (const url of data.modules) await import(url);
  const words = new Int32Array(data.memory.words);
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
  const { loop } = deviceLoop(data, words, context, () => {
    if (output.length === 0) return;
    post({ what: 'output', bytes: Uint8Array.from(output) });
    output = [];
  });
  parentPort?.postMessage('ready');
  loop.run();
}

await main(workerData as DeviceWorkerData);
