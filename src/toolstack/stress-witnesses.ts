// SPDX-License-Identifier: GPL-2.0-only
// What the witnesses besides the ledger say after a stress run, as violations: the guest, its log, its devices, its end.
import type { CheckpointSession } from './session.ts';
import type { StressViolation } from './stress-report.ts';
import type { EndReport } from './undisturbed/undisturbed.ts';

/** Facts in a device's testimony that are complaints when they are not 0. */
const COMPLAINTS: readonly (readonly [fact: string, is: 'lost' | 'duplicated' | 'reordered'])[] = [
  ['lost', 'lost'],
  ['duplicated', 'duplicated'],
  ['outOfOrder', 'reordered'],
  ['repeatedReads', 'duplicated'],
  ['unpairedWrites', 'duplicated'],
  ['wrongValues', 'lost'],
];

/** What the guest, its log and its devices say, as violations. */
export function otherWitnesses(session: CheckpointSession): StressViolation[] {
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
export function endViolations(
  session: CheckpointSession,
  end: EndReport | null,
): StressViolation[] {
  const seen = violationOf(session);
  return (end?.differences ?? []).map(({ aspect, message }) =>
    seen(`end-${aspect}`, 'undisturbed', message),
  );
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
