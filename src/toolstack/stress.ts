// SPDX-License-Identifier: GPL-2.0-only
// The checkpoint stress run, and what its witnesses say.
import { Limits, type Watch } from './limits.ts';
import { CheckpointSession, type SessionEnd } from './session.ts';
import { reproduceCommand } from './stress-command.ts';
import {
  comparisonOf,
  emptyReport,
  type ScriptProgress,
  type StressOptions,
  type StressOutcome,
  type StressReport,
} from './stress-report.ts';
import { endViolations, otherWitnesses } from './stress-witnesses.ts';
import { AccessTape } from './undisturbed/tape.ts';
import { type EndReport, instructionsOf, Undisturbed } from './undisturbed/undisturbed.ts';
import { WINDOW_NAMES } from './windows.ts';

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

function scriptProgress({ machine: { pc } }: CheckpointSession): ScriptProgress | null {
  if (pc === null || !pc.typist.scripted) return null;
  return { steps: pc.config.script.length, done: pc.typist.state.step };
}
