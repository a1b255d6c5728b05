// SPDX-License-Identifier: GPL-2.0-only
// What a run in threads is asked for besides.
import type { DeviceProcessOptions } from '../../dm/process/spec.ts';

export interface ThreadsOptions {
  vcpus: number;
  /** Looks for an event before a thread sleeps. */
  spins: number;
  /** A device model that is silent for so long counts as dead. */
  answerTimeoutMs: number;
  /** URLs of modules that register devices, for every thread. */
  modules: readonly string[];
  /** Devices served by other processes. */
  processes?: readonly DeviceProcessOptions[];
}
