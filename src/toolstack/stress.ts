// SPDX-License-Identifier: GPL-2.0-only
// The checkpoint stress run, and what its witnesses say.
import type { DeviceProcessOptions } from '../dm/process/spec.ts';
import type { StageCounts } from '../ledger/events.ts';
import type { LaneStory } from '../ledger/lanes.ts';
import type { Violation } from '../ledger/violations.ts';
import type { Measured } from '../util/measure.ts';
import { Limits, type Watch } from './limits.ts';
import { revisionLabel } from './museum/index.ts';
import { pcWords } from './pc-words.ts';
import { CheckpointSession, type SessionEnd, type SessionOptions } from './session.ts';
import { AccessTape } from './undisturbed/tape.ts';
import { type EndReport, instructionsOf, Undisturbed } from './undisturbed/undisturbed.ts';
import { WINDOW_NAMES } from './windows.ts';

/** What a run in threads is asked for besides. */
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

/** What a stress run is asked for. */
export interface StressOptions extends SessionOptions {
  /** Not null: every actor is a thread, see threads/stress-threads.ts. */
  threads?: ThreadsOptions | null;
  checkpoints: number;
  /** Instructions; null: no bound. */
  maxInstructions: number | null;
  timeoutMs: number | null;
}

/** A violation of the ledger, or one that another witness saw: then it is about no single access. */
export interface StressViolation {
  kind: string;
  class: string;
  identity: Violation['identity'];
  firstSeq: number | null;
  seq: number;
  checkpoint: { n: number; window: string } | null;
  message: string;
}

export type StressOutcome =
  | 'success'
  | 'failure'
  | 'crashed'
  | 'limit'
  | 'skip'
  | 'error'
  | 'interrupted';

export interface StressReport {
  outcome: StressOutcome;
  revision: string;
  guest: string;
  seed: number;
  /** Taken. */
  checkpoints: number;
  checkpointsAsked: number;
  instructions: number;
  accesses: StageCounts;
  lost: number;
  duplicated: number;
  violations: StressViolation[];
  violationsTotal: number;
  reproduce: string | null;
  windows: Record<string, number>;
  verdict: 'success' | 'skip' | 'error' | 'failure' | null;
  crash: { reason: string } | null;
  /** vCPUs, device models and toolstack were threads: the run cannot be repeated. */
  threads: boolean;
  /** Device models that were given up. */
  deviceModels: { server: number; why: string }[];
  /** Of a failure: the instruction it is about. */
  story: LaneStory | null;
  /** How far the script of a PC has come; null: there is none. */
  script: ScriptProgress | null;
  /** The end beside that of an undisturbed run; null: not compared. */
  end: EndComparison | null;
  /** By the clock, so different in each run; null: not asked for. */
  measured: Measured | null;
}

export interface ScriptProgress {
  steps: number;
  /** Those of them that are over. */
  done: number;
}

export interface EndComparison {
  /** Instructions completed where the two were compared. */
  instructions: number;
  /** Device accesses of the whole run, each compared with its counterpart. */
  accesses: number;
  /** Screen, memory, registers, devices, output and accesses; each difference is a violation. */
  identical: boolean;
}

/** Facts in a device's testimony that are complaints when they are not 0. */
const COMPLAINTS: readonly (readonly [fact: string, is: 'lost' | 'duplicated' | 'reordered'])[] = [
  ['lost', 'lost'],
  ['duplicated', 'duplicated'],
  ['outOfOrder', 'reordered'],
  ['repeatedReads', 'duplicated'],
  ['unpairedWrites', 'duplicated'],
  ['wrongValues', 'lost'],
];

/** Rows of the tape after which the undisturbed run catches up: some 24 MB. */
const MOST_ROWS = 1 << 20;

/** How often the limits of time are looked at, in checkpoints. */
const LOOK_EVERY = 32;

/**
 * Takes checkpoints until the asked number, a violation, a limit or the guest's end.
 * @throws HvmError before the guest runs, when something asked for cannot be
 */
export async function stress(options: StressOptions, watch: Watch): Promise<StressReport> {
  const limits = new Limits(watch, options.maxInstructions, options.timeoutMs);
  const tape = new AccessTape();
  using session = new CheckpointSession({
    ...options,
    witness: (guest) => (guest.pc === null ? null : tape),
  });
  if (session.machine.pc === null) {
    return judge(
      session,
      options,
      await takeCheckpoints(session, options.checkpoints, limits, watch),
    );
  }
  using plain = new Undisturbed(options, tape);
  const follow = async (): Promise<void> => {
    if (tape.rows >= MOST_ROWS) await plain.follow(session.machine.cpu.icount, watch);
  };
  const end = await takeCheckpoints(session, options.checkpoints, limits, watch, follow);
  if (limits.interrupted) return judge(session, options, end);
  const stop = session.toBoundary();
  session.ledger.drain();
  const { machine, output } = session;
  machine.regs.settle();
  return judge(session, options, end, await plain.compare({ machine, stop, output }, watch));
}

/** Why the run is over: everything done, a violation, or the session's own end. */
export type StressEnd = SessionEnd | 'done' | 'violation' | 'interrupted' | 'time';

/** The loop of a stress run. @param between - done after each checkpoint */
export async function takeCheckpoints(
  session: CheckpointSession,
  checkpoints: number,
  limits: Limits,
  watch: Watch,
  between: () => Promise<void> = async () => {},
): Promise<StressEnd> {
  while (session.checkpoints < checkpoints) {
    const end = session.next(limits.maxInstructions);
    if (session.failed) {
      if (session.machine.verdict === null && end === null) session.letGuestNotice();
      return 'violation';
    }
    if (end !== null) return end;
    const pause = watch.tick(session.checkpoints, checkpoints);
    if (pause !== undefined) await pause;
    await between();
    if (limits.interrupted) return 'interrupted';
    if (session.checkpoints % LOOK_EVERY === 0 && limits.reached(0) !== null) return 'time';
  }
  return 'done';
}

/** Closes the books and asks every witness. */
export function judge(
  session: CheckpointSession,
  options: StressOptions,
  end: StressEnd,
  compared: EndReport | null = null,
): StressReport {
  const { machine, log, checkpoints } = session;
  const { verdict } = machine;
  log.look();
  // Between two checkpoints nothing is open; a violation or an end elsewhere may fall into an access.
  session.finish(end === 'done' || end === 'interrupted' || end === 'time', end);
  const report = session.checker.finish();
  const others = [...otherWitnesses(session), ...endViolations(session, compared)];
  const violations = [...report.violations, ...others];
  const gapLost = log.gap === null ? 0 : Math.max(1, log.gap.got - log.gap.expected);
  const failed = violations.length > 0;
  const result: StressReport = {
    ...emptyReport(options, machine.guest.name),
    outcome: failed ? 'failure' : outcomeOf(end, verdict, machine.domain.crashed !== null),
    checkpoints,
    instructions: instructionsOf(machine),
    accesses: { ...report.accesses },
    lost: Math.max(report.lost, gapLost),
    duplicated: report.duplicated,
    violations,
    violationsTotal: report.violationsTotal + others.length,
    reproduce: failed ? reproduceCommand(options, checkpoints) : null,
    windows: Object.fromEntries(
      WINDOW_NAMES.flatMap((w) => (session.hits.has(w) ? [[w, session.hits.get(w) ?? 0]] : [])),
    ),
    verdict,
    crash: machine.domain.crashed,
    story: failed ? session.story.lanes : null,
    script: scriptProgress(session),
    end: compared && comparisonOf(compared),
    measured: session.meter?.data() ?? null,
  };
  return result;
}

/** A comparison without its differences: they are violations. */
export function comparisonOf({ instructions, accesses, differences }: EndReport): EndComparison {
  return { instructions, accesses, identical: differences.length === 0 };
}

/** What is known of a run before it began. */
export function emptyReport(options: StressOptions, guest: string): StressReport {
  return {
    outcome: 'success',
    revision: revisionLabel(options.revision, options.bug),
    guest,
    seed: options.seed,
    checkpoints: 0,
    checkpointsAsked: options.checkpoints,
    instructions: 0,
    accesses: { issued: 0, answered: 0, retired: 0 },
    lost: 0,
    duplicated: 0,
    violations: [],
    violationsTotal: 0,
    reproduce: null,
    windows: {},
    verdict: null,
    crash: null,
    threads: false,
    deviceModels: [],
    story: null,
    script: null,
    end: null,
    measured: null,
  };
}

function outcomeOf(
  end: StressEnd,
  verdict: StressReport['verdict'],
  crashed: boolean,
): StressOutcome {
  if (crashed) return 'crashed';
  switch (end) {
    case 'done':
      return 'success';
    case 'interrupted':
      return 'interrupted';
    case 'limit':
    case 'time':
      return 'limit';
    case 'verdict':
      return verdict ?? 'error';
    case 'crashed':
      return 'crashed';
    case 'violation':
      return 'failure';
    default:
      // It halted, or waits for what never comes, without a verdict.
      return 'error';
  }
}

/** The command that shows the same violation again: everything follows from these. */
export function reproduceCommand(options: StressOptions, checkpoints: number): string {
  // One more than were taken: it may have been noticed on the way to the next one.
  return commandLine(options, [`--seed ${options.seed}`, `--checkpoints ${checkpoints + 1}`]);
}

/** The command for `options`, with `run` in place of the options that say which seeds and how many checkpoints. */
export function commandLine(options: StressOptions, run: readonly string[]): string {
  const { load } = options;
  const words = [
    'trapline stress',
    shellWord(options.guest),
    options.bug ? `--bug ${options.bug.id}` : `--revision ${options.revision}`,
    ...run,
    ...options.devices.map((d) => `--device ${deviceWord(d)}`),
  ];
  const add = (name: string, value: string | number | null | undefined): void => {
    if (value !== undefined && value !== null) words.push(`--${name} ${shellWord(String(value))}`);
  };
  add('memory', load.memoryBytes);
  add('format', load.format);
  if (load.load !== undefined) {
    add('load', `${load.load.seg.toString(16)}:${load.load.off.toString(16)}`);
  }
  add('iterations', load.iterations);
  add('parameter', load.parameter);
  add('command-line', load.commandLine);
  words.push(...pcWords(load).map(shellWord));
  if (options.spacing != null) add('spacing', options.spacing);
  add('max-instructions', options.maxInstructions);
  if (options.threads) {
    words.push('--threads');
    if (options.threads.vcpus > 1) add('vcpus', options.threads.vcpus);
    for (const process of options.threads.processes ?? [])
      add('device-process', processWord(process));
  }
  return words.join(' ');
}

/** Quoted for a shell if it needs to be. */
function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function processWord({ command = [], device, socket }: DeviceProcessOptions): string {
  const how = command.length > 0 ? command.map(shellWord).join(' ') : `unix:${socket ?? ''}`;
  return `${device}=${how}`;
}

function deviceWord({ factory, range }: StressOptions['devices'][number]): string {
  const space = range.space === 'mmio' ? 'mmio:' : '';
  return `${factory.name}@${space}0x${range.start.toString(16)}-0x${range.end.toString(16)}`;
}

/** What the guest, its log and its devices say, as violations. */
function otherWitnesses(session: CheckpointSession): StressViolation[] {
  const { machine, log, checkpoints } = session;
  const seen = violationOf(session);
  const found: StressViolation[] = [];
  if (log.gap !== null) {
    const { expected, got, index } = log.gap;
    found.push(
      seen(
        'guest-log',
        'lost',
        `the guest logged ${got} where ${expected} was due (value ${index} of its log), after ${checkpoints} ${checkpoints === 1 ? 'checkpoint' : 'checkpoints'}`,
      ),
    );
  }
  if (session.unsound !== null) {
    found.push(
      seen(
        'saved-state',
        'unsound',
        `checkpoint ${checkpoints + 1}: the state is none the guest could have been in: ${session.unsound}`,
      ),
    );
  }
  if (machine.verdict === 'failure') {
    found.push(seen('guest-verdict', 'totals', 'the guest itself reports failure'));
  }
  const { scriptFailed } = session;
  if (scriptFailed !== null) found.push(seen('script', 'totals', scriptFailed));
  return [...found, ...testimonyViolations(machine.testimonies(), session.ledger.events)];
}

/** About no single access. */
function violationOf(
  session: CheckpointSession,
): (kind: string, klass: string, message: string) => StressViolation {
  const seq = session.ledger.events;
  const none = { identity: null, firstSeq: null, checkpoint: null };
  return (kind, klass, message) => ({ kind, class: klass, ...none, seq, message });
}

/** Each difference from the undisturbed run. */
function endViolations(session: CheckpointSession, end: EndReport | null): StressViolation[] {
  const seen = violationOf(session);
  return (end?.differences ?? []).map(({ aspect, message }) =>
    seen(`end-${aspect}`, 'undisturbed', message),
  );
}

function scriptProgress({ machine: { pc } }: CheckpointSession): ScriptProgress | null {
  if (pc === null || !pc.typist.scripted) return null;
  return { steps: pc.config.script.length, done: pc.typist.state.step };
}

/** What devices complain of. @param seq - of the ledger's end */
export function testimonyViolations(
  testimonies: Record<string, Record<string, unknown>>,
  seq: number,
): StressViolation[] {
  const found: StressViolation[] = [];
  for (const device of Object.keys(testimonies)) {
    addComplaints(found, device, testimonies[device], seq);
  }
  return found;
}

/** What one device complains of, added to `found`. */
export function addComplaints(
  found: StressViolation[],
  device: string,
  facts: Readonly<Record<string, unknown>> | undefined,
  seq: number,
): void {
  for (const [fact, klass] of COMPLAINTS) {
    const count = facts?.[fact];
    if (typeof count !== 'number' || count === 0) continue;
    found.push({
      kind: `device-${fact}`,
      class: klass,
      identity: null,
      firstSeq: null,
      seq,
      checkpoint: null,
      message: `device ${device} testifies: ${fact} ${count}`,
    });
  }
}
