// SPDX-License-Identifier: GPL-2.0-only
// What embedders call: a machine, checkpoints in every window, every order of the actors. What these are made of is
// loaded when one of them is called: importing the package costs next to nothing.
import type { DeviceProcessOptions } from '../dm/process/spec.ts';
import type { ExploreReport, StrategyName } from '../explore/explorer.ts';
import type { Told } from '../explore/tell.ts';
import type { Watch } from '../toolstack/limits.ts';
import type { StressReport } from '../toolstack/stress-report.ts';
import { hostClock } from '../util/clock.ts';
import { HvmError } from '../util/errors.ts';
import { deviceSpecs, type GuestConfig, loadOptions, type MachineConfig } from './config.ts';
import type { VirtualMachine } from './machine.ts';

/** How a long run can be ended early. */
export interface Stoppable {
  /** Aborted: it ends at the next safe place and reports what is known. */
  readonly signal?: AbortSignal;
  /** Called now and then with how far it is. @param total - null when nobody knows */
  readonly onProgress?: (done: number, total: number | null) => void;
}

/** What `runCheckpoints()` takes. */
export interface CheckpointRun extends GuestConfig, Stoppable {
  /** At least 1. */
  readonly checkpoints: number;
  /** Any whole number; the same one gives the same run, unless there are threads. Default: 1. */
  readonly seed?: number;
  /** Instructions. Default: no bound. */
  readonly maxInstructions?: number;
  /** Milliseconds. Default: no bound. */
  readonly timeoutMs?: number;
  /** Where the history is written. Default: nowhere. */
  readonly ledgerPath?: string;
  /** Every actor is a thread. Devices are named by text then: an object cannot go to another thread. */
  readonly threads?: {
    /** 1 to 128, for a guest written for it. Default: 1. */
    readonly vcpus?: number;
    /** URLs of modules that call `registerDevice()`, loaded in every thread. */
    readonly modules?: readonly string[];
    /** Devices that other processes serve, see `serveDevices()` of `trapline/device-client`. */
    readonly processes?: readonly DeviceProcessOptions[];
  };
}

/** What `explore()` takes. */
export interface Exploration extends GuestConfig, Stoppable {
  /** Accesses the guest carries to their end, 1 to 1000. Default: 2. */
  readonly accesses?: number;
  /** Checkpoints the toolstack may take, 0 to 100. Default: 1. */
  readonly checkpoints?: number;
  /** Switches away from an actor that could have gone on. Default: 2. */
  readonly preemptions?: number;
  /** `'dfs'`: all of them; `'random'`, `'pct'`: samples, for what is too large. Default: `'dfs'`. */
  readonly strategy?: StrategyName;
  /** For samples. Default: 1. */
  readonly seed?: number;
  /** Complete runs; null: no bound. Default: null, for samples 1000. */
  readonly schedules?: number | null;
  /** Milliseconds; null: no bound. Default: null. */
  readonly timeMs?: number | null;
}

/** Looks for an event before a thread sleeps; how long a silent device model is waited for. */
const SPINS = 200;
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * Makes a machine with one vCPU, ready at the guest's first instruction.
 * @throws HvmError HVM_GUEST_*, HVM_DEVICE_UNKNOWN, HVM_RANGE, HVM_RANGE_OVERLAP, HVM_MEMORY for a description that
 *   cannot be; HVM_OUTPUT for a ledger file that cannot be written; HVM_ADDON_MISSING, HVM_ADDON_SELFTEST without a CPU
 */
export async function createMachine(config: MachineConfig): Promise<VirtualMachine> {
  const { VirtualMachine } = await import('./machine.ts');
  return new VirtualMachine(config);
}

/**
 * Suspends, saves and resumes a guest again and again, at places drawn from the seed in every window of an access, and
 * checks that each access happened once. Ends at the first violation.
 * @throws HvmError before the guest runs, for what cannot be
 */
export async function runCheckpoints(run: CheckpointRun): Promise<StressReport> {
  const { checkpoints, seed = 1, maxInstructions, timeoutMs, ledgerPath, threads, ...rest } = run;
  const { signal, onProgress, ...config } = rest;
  atLeast(1, { checkpoints });
  const options = {
    guest: config.guest,
    load: loadOptions(config),
    devices: deviceSpecs(config.devices),
    revision: config.revision ?? 'exact',
    seed,
    checkpoints,
    maxInstructions: maxInstructions ?? null,
    timeoutMs: timeoutMs ?? null,
    ledgerPath: ledgerPath ?? null,
  };
  if (threads === undefined) {
    const { stress } = await import('../toolstack/stress.ts');
    return await stress(options, watch(run));
  }
  if (config.devices?.some((device) => typeof device !== 'string')) {
    throw new HvmError('HVM_USAGE', 'with threads, devices are named by text: see threads.modules');
  }
  const { vcpus = 1, modules = [], processes = [] } = threads;
  atLeast(1, { vcpus });
  const { stressThreads } = await import('../toolstack/threads/stress-threads.ts');
  const parts = { vcpus, modules, processes, spins: SPINS, answerTimeoutMs: ANSWER_TIMEOUT_MS };
  return await stressThreads({ ...options, threads: parts }, watch(run));
}

/**
 * Tries every order, within bounds, in which vCPU, device models and toolstack can do what they do, and checks what has
 * to be true in all of them. A counterexample comes with the shortest schedule found, which `replay()` plays again.
 * @throws HvmError for a guest or devices that cannot be
 */
export async function explore(exploration: Exploration): Promise<ExploreReport> {
  const {
    accesses = 2,
    checkpoints = 1,
    preemptions = 2,
    strategy = 'dfs',
    seed = 1,
  } = exploration;
  const { schedules = strategy === 'dfs' ? null : 1000, timeMs = null, ...more } = exploration;
  atLeast(1, { accesses });
  atLeast(0, { checkpoints, preemptions });
  const { guest, devices, revision = 'exact', memoryBytes, parameter } = more;
  const search = await import('../explore/explorer.ts');
  const scenario = {
    guest,
    load: {
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(parameter === undefined ? {} : { parameter }),
    },
    devices: deviceSpecs(devices),
    revision,
    cpu: 'real' as const,
    ios: accesses,
    checkpoints,
  };
  const bounds = { preemptions, schedules, timeMs };
  const how = { strategy, seed, depth: 3, prune: true, keepGoing: false, determinism: false };
  return await search.explore({ scenario, bounds, ...how, from: null }, watch(exploration));
}

/**
 * Plays one schedule, as `explore()` gives it.
 * @param config.devices - those it was found with
 * @throws HvmError HVM_USAGE for a malformed schedule, and as `explore()`
 */
export async function replay(
  schedule: string,
  config: Pick<GuestConfig, 'devices' | 'memoryBytes' | 'parameter'> = {},
): Promise<Told> {
  const [{ tell }, { parseSchedule }] = await Promise.all([
    import('../explore/tell.ts'),
    import('../explore/schedule.ts'),
  ]);
  const { choices, ...scenario } = parseSchedule(schedule);
  const { devices, ...load } = config;
  return tell({ ...scenario, load, devices: deviceSpecs(devices), cpu: 'real' }, choices);
}

function watch({ signal, onProgress }: Stoppable): Watch {
  return {
    signal: signal ?? new AbortController().signal,
    clock: hostClock,
    idle: (ms, then) => {
      setTimeout(then, ms);
    },
    tick: (done, total) => {
      onProgress?.(done, total);
      return undefined;
    },
  };
}

function atLeast(least: number, numbers: Record<string, number>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (Number.isSafeInteger(value) && value >= least) continue;
    throw new HvmError('HVM_USAGE', `${name} ${value}: expected a whole number from ${least} on`);
  }
}
