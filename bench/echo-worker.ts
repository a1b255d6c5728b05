// SPDX-License-Identifier: GPL-2.0-only
// Main file of the device model's thread in the thread benchmark: serves as ours does, and passes words back when asked.
import { getEnvironmentData, parentPort, workerData } from 'node:worker_threads';
import { NO_INPUT } from '../src/dm/device.ts';
import { parseDeviceSpec } from '../src/dm/registry.ts';
import { DeviceServer } from '../src/dm/server.ts';
import { WorkerLoop } from '../src/dm/worker-loop.ts';
import type { DeviceWorkerData } from '../src/machine/threads/device-host.ts';
import { reportRing, sharedPage } from '../src/machine/threads/domain-memory.ts';
import { GuestRam } from '../src/mem/guest-ram.ts';
import { COUNT, ECHO, GIVE_WAY_MS, PING, PONG, SPINS } from './pass-word.ts';

function serve(data: DeviceWorkerData, echo: Int32Array): void {
  const { memory, server: id } = data;
  const server = new DeviceServer(data.name);
  for (const text of data.devices) {
    const { factory, range } = parseDeviceSpec(text);
    const nothing = (): void => {};
    const device = factory.create({
      output: nothing,
      input: { take: () => NO_INPUT },
      raiseIrq: nothing,
      lowerIrq: nothing,
      endGuest: nothing,
      nowNs: () => 0,
    });
    server.bus.attach(device, range);
  }
  const loop = new WorkerLoop(server, {
    words: new Int32Array(memory.words),
    server: id,
    vcpus: memory.vcpus,
    bufferedPage: sharedPage(memory, 2 * id + 1),
    ioreqPage: sharedPage(memory, 2 * id),
    ram: new GuestRam(memory.ramBytes, memory.ram),
    reports: [reportRing(memory, id, 0)],
    spins: data.spins,
    report: () => passBack(echo),
    idle: () => {},
  });
  parentPort?.postMessage('ready');
  loop.run();
}

/** The other end of `passWords`. */
function passBack(echo: Int32Array): void {
  const count = Atomics.load(echo, COUNT);
  const spins = Atomics.load(echo, SPINS);
  for (let n = 1; n <= count; n++) {
    let left = spins;
    while (Atomics.load(echo, PING) !== n) {
      if (left-- <= 0) Atomics.wait(echo, PING, n - 1, spins === 0 ? undefined : GIVE_WAY_MS);
    }
    Atomics.store(echo, PONG, n);
    if (spins === 0) Atomics.notify(echo, PONG);
  }
}

const echo = getEnvironmentData(ECHO) as unknown as SharedArrayBuffer | undefined;
if (workerData !== null && echo !== undefined) {
  serve(workerData as DeviceWorkerData, new Int32Array(echo));
}
