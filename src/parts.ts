// SPDX-License-Identifier: GPL-2.0-only
// The names of `trapline/parts`: what `trapline` is made of. They may change in any release; loads no addon.
export { type CpuBackend, type CpuRegisters, EXIT_NAMES, type ExitReason } from './cpu/backend.ts';
export { kickCpu } from './cpu/native.ts';
export { type RamSegment, UnicornCpu } from './cpu/unicorn.ts';
export {
  type Device,
  type DeviceContext,
  type DeviceFactory,
  type DeviceSpec,
  type DeviceState,
  type DeviceWitness,
  type HighWord,
  type InputSource,
  type IoSize,
  listDevices,
  NO_INPUT,
  type OffsetRange,
  PublishedRegister,
  parseDeviceSpec,
  RegisterDevice,
  registerDevice,
  silentContext,
  type Verdict,
} from './dm/index.ts';
export { checkLedger, type LedgerCheck } from './ledger/checker.ts';
export type { Access, Stage, StartInfo, Witness } from './ledger/events.ts';
export { LedgerWriter } from './ledger/file-writer.ts';
export type { LaneEvent, LaneStory } from './ledger/lanes.ts';
export { Ledger } from './ledger/ledger.ts';
export { type LedgerReport, LiveChecker } from './ledger/live-checker.ts';
export type { LoadedGuest } from './machine/loaded-guest.ts';
export { type LoadOptions, listGuests, loadGuest } from './machine/loader.ts';
export { Machine } from './machine/machine.ts';
export type { MachineOptions } from './machine/machine-options.ts';
export { RunLoop, type Stop } from './machine/run-loop.ts';
export { GuestRam } from './mem/guest-ram.ts';
export { checkpoint } from './toolstack/checkpoint.ts';
export type { Watch } from './toolstack/limits.ts';
export { findBug, MUSEUM, type MuseumBug, revisionOf } from './toolstack/museum/index.ts';
export { type RaceReport, race } from './toolstack/race.ts';
export { runGuest } from './toolstack/run.ts';
export type { RunReport } from './toolstack/run-report.ts';
export { CheckpointSession, type SessionOptions } from './toolstack/session.ts';
export { Snapshot } from './toolstack/snapshot.ts';
export { stress } from './toolstack/stress.ts';
export type { StressOptions, StressReport } from './toolstack/stress-report.ts';
export { WINDOW_NAMES, WINDOWS, type WindowName } from './toolstack/windows.ts';
export { HvmError, type HvmErrorCode, isHvmError } from './util/errors.ts';
export { type Measured, RunMeter } from './util/measure.ts';
export {
  REVISION_NAMES,
  REVISIONS,
  type RevisionName,
  type XenRevision,
} from './xen/hvm/revision.ts';
