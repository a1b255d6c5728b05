// SPDX-License-Identifier: GPL-2.0-only
// One guest without checkpoints, until its verdict, its end or a limit.

import { EXIT_NAMES } from '../cpu/backend.ts';
import { chooseDevices } from '../machine/choose-devices.ts';
import { loadGuest } from '../machine/loader.ts';
import { Machine } from '../machine/machine.ts';
import type { Operator } from '../machine/operator.ts';
import { NS_PER_INSTRUCTION } from '../machine/pc/config.ts';
import type { Typist } from '../machine/pc/typist.ts';
import { RunLoop, type Stop } from '../machine/run-loop.ts';
import { HvmError } from '../util/errors.ts';
import { type Books, type BooksReport, booksOf } from './books.ts';
import type { GuestSetup } from './guest-setup.ts';
import { HeldOutput, holds } from './image/held-output.ts';
import { type RunImageOptions, RunImages } from './image/run-images.ts';
import { Limits, type Watch } from './limits.ts';
import { type MuseumBug, revisionLabel, revisionOf } from './museum/index.ts';
import { Pace } from './pace.ts';
import type { PcReport, RunReport, RunTerminal, ScriptReport } from './run-report.ts';
import type { StressOutcome } from './stress-report.ts';
import { runThreads } from './threads/run-threads.ts';
import type { ThreadsOptions } from './threads/threads-options.ts';

/** What a run is asked for. */
export interface RunOptions extends GuestSetup {
  /** An exhibit of the museum; only what it changes in the monitor counts. */
  bug?: MuseumBug | null;
  maxInstructions: number | null;
  timeoutMs: number | null;
  /** Checkpoints into an image file; null or absent: none. */
  image?: RunImageOptions | null;
  /** Every access goes into this file; null or absent: no books are kept. */
  ledgerPath?: string | null;
  /** vCPUs and device models are threads; null or absent: everything is on one. */
  threads?: ThreadsOptions | null;
}

/** Instructions between two looks at clock, input and signals: some milliseconds. */
const SLICE = 100_000;
/** Instructions between two looks while the guest waits for input. */
const IDLE_SLICE_MS = 10;

/** @throws HvmError before the guest runs, when something asked for cannot be */
export async function runGuest(
  options: RunOptions,
  watch: Watch & RunTerminal,
): Promise<RunReport> {
  const { bug = null } = options;
  if (bug !== null && Object.keys(bug.faults).length > 0) {
    throw new HvmError(
      'HVM_USAGE',
      `bug '${bug.id}' goes wrong at a checkpoint, and a run has none: expected 'stress'`,
    );
  }
  const guest = loadGuest(options.guest, options.load);
  if (watch.ended !== undefined && (guest.pc === null || options.threads)) {
    throw new HvmError(
      'HVM_USAGE',
      `options about screen and keyboard with ${guest.name}: expected a guest that runs on a PC, on one thread`,
    );
  }
  if (options.threads) return await runThreads(options, options.threads, null, watch);
  const devices = chooseDevices(guest, options.devices);
  const image = options.image ?? null;
  const revision = revisionLabel(options.revision, options.bug);
  using output = new HeldOutput(watch.output, holds(image));
  using books = booksOf(options.ledgerPath ?? null, null);
  using machine = new Machine({
    guest,
    devices,
    revision: options.bug ? revisionOf(options.bug) : options.revision,
    output: output.put,
    ledger: books?.ledger ?? null,
    ...(watch.input === undefined ? {} : { input: watch.input }),
    line: { ...(watch.lineInput && { input: watch.lineInput }), ...watch.line },
  });
  if (machine.pc !== null) watch.started?.(machine.pc.description);
  books?.open(machine, revision, null);
  using images =
    image === null ? null : new RunImages(machine, image, options.revision, output, books);
  return await runMachine({ machine, images, books }, { ...options, revision }, watch);
}

/** A machine that is ready, who takes its checkpoints now and then, and who keeps its books. */
export interface RunParts {
  machine: Machine;
  images: RunImages | null;
  books: Books | null;
}

/** @param options - with the label of the revision */
export async function runMachine(
  { machine, images, books }: RunParts,
  options: Pick<RunOptions, 'maxInstructions' | 'timeoutMs'> & { revision: string },
  watch: Watch & RunTerminal,
): Promise<RunReport> {
  const { cpu, guest, pc } = machine;
  const max = options.maxInstructions ?? guest.manifest.limits.maxInstructions;
  const limits = new Limits(watch, max, options.timeoutMs);
  const loop = new RunLoop(machine);
  let stop: Stop = 'deadline';
  let limit: string | null = null;
  const operator = watch.operator ?? null;
  const script = pc?.typist.scripted === true ? pc.typist : null;
  if (pc !== null) pc.typist.onLook = (number) => watch.look?.(number, pc);
  const pace = watch.realTime === true && pc !== null ? new Pace(pc.clock, watch) : null;
  for (;;) {
    loop.deadline = Math.min(
      cpu.icount + SLICE,
      limits.maxInstructions,
      images?.next ?? Infinity,
      operator?.next ?? Infinity,
      // Where a script ends is where the run does.
      script === null ? Infinity : Math.ceil(script.nextEventNs() / NS_PER_INSTRUCTION),
    );
    machine.inputArrived();
    stop = loop.run();
    const { icount } = cpu;
    if (stop === 'deadline' && images !== null && icount >= images.next) {
      if (images.outputFirst) await watch.flushed?.();
      images.take(loop);
    }
    if (operator !== null && stop === 'deadline' && icount >= operator.next) {
      operator.act(machine);
      if (operator.done) break;
    }
    if (script?.state.settled) break;
    const pause = watch.tick(icount, limits.maxInstructions);
    if (pause !== undefined) await pause;
    await pace?.keep();
    if (limits.interrupted) break;
    if (stop !== 'deadline' && stop !== 'halted') break;
    limit = limits.reached(icount);
    if (limit !== null) break;
    if (stop === 'halted') {
      // Interrupts are on: input may still come and raise one.
      if (watch.input === undefined) break;
      await new Promise<void>((resolve) => watch.idle(IDLE_SLICE_MS, resolve));
    }
  }
  images?.finish(loop);
  if (pc !== null) watch.ended?.(pc);
  books?.end({
    stop: BOUNDARIES.includes(stop) ? 'boundary' : 'midway',
    reason: limits.interrupted ? 'interrupted' : (limit ?? stop),
    witnesses: machine.witnesses(),
  });
  const ledger = books?.report ?? null;
  const exits: Record<string, number> = {};
  loop.exits.forEach((n, reason) => {
    if (n > 0) exits[EXIT_NAMES[reason] ?? String(reason)] = n;
  });
  return {
    outcome: scripted(
      script,
      operator,
      outcomeOf(limits.interrupted, stop, limit, machine, ledger),
    ),
    revision: options.revision,
    guest: guest.name,
    verdict: machine.verdict,
    crash: machine.domain.crashed,
    limit,
    instructions: cpu.icount,
    exits,
    unclaimed: machine.unclaimed,
    devices: machine.testimonies(),
    checkpoints: images?.report ?? null,
    ledger,
    pc: pcReport(machine),
    script: session(script, operator),
  };
}

function problemOf({ over, state }: Typist): string | null {
  if (state.failed !== null) return `step ${state.step + 1} of the script: ${state.failed}`;
  return over ? null : 'the run ended before the script did';
}

/** Somebody at the screen has no script, but an end like one. */
function session(script: Typist | null, operator: Operator | null): ScriptReport | null {
  if (script !== null) return { problem: problemOf(script) };
  if (operator === null) return null;
  return { problem: operator.done ? null : 'the run ended before its screen was left' };
}

/** A script that was not done makes of an end without a verdict a failure; one that was, a success. */
function scripted(
  script: Typist | null,
  operator: Operator | null,
  outcome: StressOutcome,
): StressOutcome {
  if (!['success', 'error'].includes(outcome)) return outcome;
  const ended = session(script, operator);
  if (ended === null) return outcome;
  return ended.problem === null ? 'success' : 'failure';
}

function pcReport({ pc }: Machine): PcReport | null {
  if (pc === null) return null;
  const sectorsWritten = pc.writeBack();
  const filesWritten = pc.writeFolderBack();
  const { exitCode } = pc;
  return {
    bios: pc.config.bios,
    missing: Object.fromEntries(pc.missing),
    exitCode,
    sectorsWritten,
    filesWritten,
  };
}

/** Stops between two instructions. */
const BOUNDARIES: readonly Stop[] = ['deadline', 'verdict', 'halted', 'dead'];

function outcomeOf(
  interrupted: boolean,
  stop: Stop,
  limit: string | null,
  machine: Machine,
  ledger: BooksReport | null,
): StressOutcome {
  if (ledger !== null && ledger.violationsTotal > 0) return 'failure';
  if (interrupted) return 'interrupted';
  if (machine.domain.crashed !== null) return 'crashed';
  if (limit !== null) return 'limit';
  if (stop === 'verdict') return machine.verdict ?? 'error';
  return 'error';
}
