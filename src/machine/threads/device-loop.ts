// SPDX-License-Identifier: GPL-2.0-only
// The devices of a device model's thread, and the loop that serves them. The devices are those of any machine.
import { receiveMessageOnPort } from 'node:worker_threads';
import type { DeviceContext } from '../../dm/device.ts';
import { parseDeviceSpec } from '../../dm/registry.ts';
import { DeviceServer, type ServerState } from '../../dm/server.ts';
import { WorkerLoop } from '../../dm/worker-loop.ts';
import type { Witness } from '../../ledger/events.ts';
import { GuestRam } from '../../mem/guest-ram.ts';
import { CountedByVcpu, type CountedDevice } from '../counted-device.ts';
import { deviceLabel } from '../servers.ts';
import type { DeviceWorkerData } from './device-host.ts';
import type { DeviceWorkerMessage } from './device-report.ts';
import { reportRing, sharedPage } from './domain-memory.ts';

/**
 * @param words - of the domain
 * @param idle - called before the thread sleeps
 */
export function deviceLoop(
  data: DeviceWorkerData,
  words: Int32Array,
  context: DeviceContext,
  idle: () => void,
): { server: DeviceServer; loop: WorkerLoop } {
  const { memory, server: id } = data;
  const post = (message: DeviceWorkerMessage): void => data.port.postMessage(message);
  const server = new DeviceServer(data.name);
  const counted = new Map<string, CountedDevice>();
  for (const text of data.devices) {
    const { factory, range } = parseDeviceSpec(text);
    const device = new CountedByVcpu(factory.create(context), memory.vcpus, () => loop.vcpu);
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
    idle,
  });
  return { server, loop };
}
