// SPDX-License-Identifier: GPL-2.0-only
// Parts of a domain in threads that follow from its plan: who serves its devices, and where it stops by itself.
import { DeviceThread } from '../../machine/threads/device-host.ts';
import type { DomainMemory } from '../../machine/threads/domain-memory.ts';
import { DeviceProcess } from '../../machine/threads/process-host.ts';
import type { LoadedImage } from '../image/load.ts';
import type { DomainPlan, ThreadedOptions } from './domain-plan.ts';
import type { Pauses } from './vcpu-host.ts';

/** Instruction counts at which vCPU 0 of a planned domain shuts it down. */
export function pausesOf(
  { every, last }: NonNullable<ThreadedOptions['pauses']>,
  { guest }: DomainPlan,
  from: LoadedImage | null,
): Pauses {
  const step = every ?? Number.MAX_SAFE_INTEGER;
  return {
    first: (from?.state.vcpus[0].icount ?? 0) + step,
    every: step,
    last: last ?? guest.manifest.limits.maxInstructions,
  };
}

/** A thread for each server, or one that stands for a process. */
export function startDevices(
  options: ThreadedOptions,
  plan: DomainPlan,
  memory: DomainMemory,
): DeviceThread[] {
  const { modules, output, spins } = options;
  const started: DeviceThread[] = [];
  try {
    for (const [server, { name, devices, process }] of plan.servers.entries()) {
      const data = { memory, server, name, devices, modules, spins };
      const thread =
        process === null
          ? new DeviceThread(data, options.deviceMain)
          : new DeviceProcess(data, process);
      if (output !== undefined) thread.onOutput = (bytes) => bytes.forEach(output);
      started.push(thread);
    }
  } catch (error) {
    for (const thread of started) void thread.stop();
    throw error;
  }
  return started;
}
