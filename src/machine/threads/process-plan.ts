// SPDX-License-Identifier: GPL-2.0-only
// Which servers of a domain are served by other processes.
import { existsSync } from 'node:fs';
import { refuseOverlap } from '../../dm/bus.ts';
import {
  checkDeviceProcess,
  type DeviceProcessOptions,
  parseServedDevice,
} from '../../dm/process/spec.ts';
import type { DeviceSpec } from '../../dm/registry.ts';
import { HvmError } from '../../util/errors.ts';
import { deviceLabel } from '../servers.ts';

/**
 * The devices asked for, those of other processes among them, and who serves a server of the plan.
 * @throws HvmError HVM_DEVICE_UNKNOWN, HVM_RANGE, HVM_RANGE_OVERLAP, HVM_USAGE for what cannot be
 */
export function withProcesses(
  devices: readonly DeviceSpec[],
  processes: readonly DeviceProcessOptions[],
): {
  asked: readonly DeviceSpec[];
  /** @param labels - of one server's devices; @returns null: it is served by a thread of ours */
  processOf: (labels: readonly string[]) => DeviceProcessOptions | null;
} {
  const byLabel = new Map<string, DeviceProcessOptions>();
  const asked = [...devices];
  for (const options of processes) {
    checkDeviceProcess(options);
    if (options.socket !== undefined && existsSync(options.socket)) {
      throw new HvmError(
        'HVM_USAGE',
        `device process of ${options.device}: ${options.socket} exists already, expected a path for a new socket`,
      );
    }
    const spec = parseServedDevice(options.device);
    for (const { factory, range } of asked) {
      refuseOverlap(spec.factory.name, spec.range, factory.name, range);
    }
    asked.push(spec);
    byLabel.set(deviceLabel(spec.factory.name, spec.range), options);
  }
  return {
    asked,
    processOf: (labels) => {
      const found = labels.find((label) => byLabel.has(label));
      if (found === undefined) return null;
      if (labels.length > 1) {
        throw new HvmError(
          'HVM_USAGE',
          `${found} shares its server with ${labels.filter((l) => l !== found).join(', ')}: a process serves a server of its own, of which a domain has 8`,
        );
      }
      return byLabel.get(found) ?? null;
    },
  };
}
