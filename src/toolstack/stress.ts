// SPDX-License-Identifier: GPL-2.0-only
// The checkpoint stress run, and what its witnesses say.
import type { StageCounts } from '../ledger/events.ts';
import type { Violation } from '../ledger/violations.ts';
import { Limits, type Watch } from './limits.ts';
import { CheckpointSession, type SessionEnd, type SessionOptions } from './session.ts';

/** What a stress run is asked for. */
export interface StressOptions extends SessionOptions {
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
  checkpoints: number;
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
}

/** Facts in a device's testimony that are complaints when they are not 0. */
const COMPLAINTS: Readonly<Record<string, 'lost' | 'duplicated' | 'reordered'>> = {
  lost: 'lost',
  duplicated: 'duplicated',
  outOfOrder: 'reordered',
  repeatedReads: 'duplicated',
  unpairedWrites: 'duplicated',
  wrongValues: 'lost',
};

/** How often the limits of time are looked at, in checkpoints. */
const LOOK_EVERY = 32;

/**
 * Takes checkpoints until the asked number, a violation, a limit or the guest's end.
 * @throws HvmError before the guest runs, when something asked for cannot be
 */
export async function stress(options: StressOptions, watch: Watch): Promise<StressReport> {
  const limits = new Limits(watch, options.maxInstructions, options.timeoutMs);
  using session = new CheckpointSession(options);
  const end = await takeCheckpoints(session, options.checkpoints, limits, watch);
  return judge(session, options, end);
}

/** Why the run is over: everything done, a violation, or the session's own end. */
export type StressEnd = SessionEnd | 'done' | 'violation' | 'interrupted' | 'time';

/** The loop of a stress run. */
export async function takeCheckpoints(
  session: CheckpointSession,
  checkpoints: number,
  limits: Limits,
  watch: Watch,
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
): StressReport {
  const { machine, log, checkpoints } = session;
  const { verdict } = machine;
  log.look();
  // Between two checkpoints nothing is open; a violation or an end elsewhere may fall into an access.
  session.finish(end === 'done' || end === 'interrupted' || end === 'time', end);
  const report = session.checker.finish();
  const others = otherWitnesses(session);
  const violations = [...report.violations, ...others];
  const gapLost = log.gap === null ? 0 : Math.max(1, log.gap.got - log.gap.expected);
  const failed = violations.length > 0;
  const result: StressReport = {
    outcome: failed ? 'failure' : outcomeOf(end, verdict, machine.domain.crashed !== null),
    revision: options.revision,
    guest: machine.guest.name,
    seed: options.seed,
    checkpoints,
    instructions: machine.cpu.icount,
    accesses: { ...report.accesses },
    lost: Math.max(report.lost, gapLost),
    duplicated: report.duplicated,
    violations,
    violationsTotal: report.violationsTotal + others.length,
    reproduce: failed ? reproduceCommand(options, checkpoints) : null,
    windows: Object.fromEntries(session.hits),
    verdict,
    crash: machine.domain.crashed,
  };
  return result;
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
  const words = [
    'trapline stress',
    options.guest,
    `--revision ${options.revision}`,
    `--seed ${options.seed}`,
    // One more: the checkpoint before which it was noticed may have been the last.
    `--checkpoints ${Math.max(checkpoints, 1)}`,
    ...options.devices.map((d) => `--device ${deviceWord(d)}`),
  ];
  if (options.load.memoryBytes !== undefined) words.push(`--memory ${options.load.memoryBytes}`);
  return words.join(' ');
}

function deviceWord({ factory, range }: StressOptions['devices'][number]): string {
  const space = range.space === 'mmio' ? 'mmio:' : '';
  return `${factory.name}@${space}0x${range.start.toString(16)}-0x${range.end.toString(16)}`;
}

/** What the guest, its log and its devices say, as violations. */
function otherWitnesses(session: CheckpointSession): StressViolation[] {
  const { machine, log, ledger, checkpoints } = session;
  const seen = (kind: string, klass: string, message: string): StressViolation => ({
    kind,
    class: klass,
    identity: null,
    firstSeq: null,
    seq: ledger.events,
    checkpoint: null,
    message,
  });
  const found: StressViolation[] = [];
  if (log.gap !== null) {
    const { expected, got, index } = log.gap;
    found.push(
      seen(
        'guest-log',
        'lost',
        `the guest logged ${got} where ${expected} was due (value ${index} of its log), after ${checkpoints} checkpoints`,
      ),
    );
  }
  if (machine.verdict === 'failure') {
    found.push(seen('guest-verdict', 'totals', 'the guest itself reports failure'));
  }
  for (const [device, facts] of Object.entries(machine.testimonies())) {
    for (const [fact, klass] of Object.entries(COMPLAINTS)) {
      const count = facts[fact];
      if (typeof count === 'number' && count > 0) {
        found.push(seen(`device-${fact}`, klass, `device ${device} testifies: ${fact} ${count}`));
      }
    }
  }
  return found;
}
