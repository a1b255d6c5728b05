// SPDX-License-Identifier: GPL-2.0-only
// The public names of the package. Importing it loads no addon and no long run: they come when they are called.

export {
  type CheckpointRun,
  createMachine,
  type Exploration,
  explore,
  replay,
  runCheckpoints,
  type Stoppable,
} from './api/calls.ts';
export type { DevicePlacement, GuestConfig, MachineConfig } from './api/config.ts';
export type { Checkpoint, RunResult, VirtualMachine } from './api/machine.ts';
export {
  type Device,
  type DeviceContext,
  type DeviceFactory,
  type DeviceState,
  type DeviceWitness,
  type HighWord,
  type InputSource,
  type IoSize,
  type IoSpace,
  listDevices,
  NO_INPUT,
  type OffsetRange,
  PublishedRegister,
  RegisterDevice,
  registerDevice,
  type Suspendable,
  silentContext,
  type Verdict,
} from './dm/index.ts';
export type { DeviceProcessOptions } from './dm/process/spec.ts';
export type { Counterexample, ExploreReport, StrategyName } from './explore/explorer.ts';
export type { Finding } from './explore/observer.ts';
export type { Told } from './explore/tell.ts';
export { checkLedger, type LedgerCheck } from './ledger/checker.ts';
export type { LedgerReport } from './ledger/live-checker.ts';
export type { Violation } from './ledger/violations.ts';
export type { LoadOptions } from './machine/loader.ts';
export type { Stop } from './machine/run-loop.ts';
export type { StressReport, StressViolation } from './toolstack/stress-report.ts';
export { HvmError, type HvmErrorCode, isHvmError } from './util/errors.ts';
export { REVISION_NAMES, type RevisionName } from './xen/hvm/revision.ts';
