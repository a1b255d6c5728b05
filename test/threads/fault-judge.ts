// SPDX-License-Identifier: GPL-2.0-only
// What came of a fault, and whether it may: the outcome, the reason of a crash, the ledger.
import type { LedgerReport } from '../../src/ledger/live-checker.ts';
import {
  CLEAN_LEDGER,
  CRASH_REASONS,
  type FaultPlan,
  KINDS,
  type Outcome,
  told,
} from './fault-plan.ts';

/** What is known after one fault. */
export interface FaultResult {
  outcome: Outcome;
  /** Of a crash. */
  reason: string | null;
  /** Requests sent to the device model; -1 where nobody counted. */
  sent: number;
  /** The vCPUs' ledgers. */
  ledgers: readonly LedgerReport[];
  /** Instructions whose accesses the fault may touch; null: not known. */
  touched: ReadonlySet<number> | null;
  /** Device models given up on. */
  failed: readonly { server: number; why: string }[];
  /** What else is wrong, a sentence each. */
  problems: string[];
}

/** Instructions that one fault can spoil: the one whose request it was, and the one after. */
const MOST_SPOILT = 2;
/** Elements of the largest request of the guests here. */
const MOST_ELEMENTS = 16;

/** @returns what is wrong with `result`, a sentence each */
export function judgeFault(plan: FaultPlan, result: FaultResult): string[] {
  const found = [...result.problems];
  const { outcome, reason, failed } = result;
  const allowed: readonly Outcome[] = KINDS[plan.kind].allowed;
  if (!allowed.includes(outcome)) {
    found.push(`outcome '${outcome}'${reason === null ? '' : ` (${reason})`} is not allowed`);
  }
  if (outcome === 'crash' && plan.kind !== 'garbage-ram') {
    if (!CRASH_REASONS.some((r) => r.test(reason ?? ''))) {
      found.push(`crash for a reason that is not Xen's: ${reason}`);
    }
  }
  if (outcome === 'all ones' && failed.length === 0 && plan.kind === 'dies') {
    found.push('the death was not noticed');
  }
  for (const [vcpu, report] of result.ledgers.entries()) {
    found.push(...judgeLedger(plan, result, report).map((p) => `ledger of vCPU ${vcpu}: ${p}`));
  }
  return found;
}

function judgeLedger(plan: FaultPlan, result: FaultResult, report: LedgerReport): string[] {
  const found: string[] = [];
  if (plan.kind === 'garbage-ram' && !told(plan)) return found;
  const clean = CLEAN_LEDGER.has(plan.kind) && result.failed.length === 0;
  const spoilt = new Set<number>();
  for (const v of report.violations) {
    if (v.identity === null) {
      // A dead device model cannot say what it counted; one whose accesses were not accounted for says another number.
      const excused = v.kind === 'witness' && !clean;
      if (!excused) found.push(v.message);
      continue;
    }
    spoilt.add(v.identity.insn);
    if (clean || (result.touched?.has(v.identity.insn) ?? true) === false) {
      found.push(`${v.kind} at instruction ${v.identity.insn}: ${v.message}`);
    }
  }
  if (spoilt.size > MOST_SPOILT) found.push(`${spoilt.size} instructions are spoilt`);
  if (report.lost > MOST_SPOILT * MOST_ELEMENTS) found.push(`${report.lost} accesses are lost`);
  if (result.sent >= 0 && result.ledgers.length === 1) {
    const { retired } = report.requests;
    // The last may be open, and the spoilt ones need not retire.
    if (retired > result.sent || retired < result.sent - 1 - MOST_SPOILT) {
      found.push(`${result.sent} requests were sent, the ledger has ${retired} retired`);
    }
  }
  return found;
}
