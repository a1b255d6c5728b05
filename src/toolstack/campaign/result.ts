// SPDX-License-Identifier: GPL-2.0-only
// The result of one seed, in its one spelling, and sums over many of them.
import { hash } from 'node:crypto';
import type { StressReport } from '../stress-report.ts';
import { WINDOW_NAMES } from '../windows.ts';
import type { CampaignTotals, SeedResult } from './shapes.ts';
import { SEED_OUTCOMES, seedResultSchema } from './shapes.ts';

/** Violations of one seed that are kept; its command shows the others. */
const KEPT = 3;

/** SHA-256 over the JSON of `value`, as 64 hex digits. */
export function digestOf(value: unknown): string {
  return hash('sha256', JSON.stringify(value), 'hex');
}

/** In the order in which an access passes them; unknown ones behind. */
function orderedWindows(windows: Readonly<Record<string, number>>): Record<string, number> {
  const known = WINDOW_NAMES.filter((name) => name in windows) as string[];
  const others = Object.keys(windows).filter((name) => !known.includes(name));
  return Object.fromEntries([...known, ...others.sort()].map((name) => [name, windows[name] ?? 0]));
}

/** @returns null for a run that was interrupted: it has no result */
export function seedResult(report: StressReport): SeedResult | null {
  const { outcome } = report;
  if (outcome === 'interrupted') return null;
  const { crash, lost, duplicated, seed, verdict, violations, violationsTotal } = report;
  const { issued, answered, retired } = report.accesses;
  const facts = {
    seed,
    outcome,
    checkpoints: report.checkpoints,
    instructions: report.instructions,
    accesses: { issued, answered, retired },
    lost,
    duplicated,
    violations,
    violationsTotal,
    windows: orderedWindows(report.windows),
    verdict,
    crash: crash === null ? null : { reason: crash.reason },
  };
  const kept = { digest: digestOf(facts), violations: violations.slice(0, KEPT) };
  // Through its schema, as when it is read back: fields come in the order of the schema, whoever made them.
  return seedResultSchema.parse({ ...facts, ...kept, reproduce: report.reproduce });
}

export function totalsOf(results: readonly SeedResult[]): CampaignTotals {
  const sum = (part: (result: SeedResult) => number): number =>
    results.reduce((total, result) => total + part(result), 0);
  const outcomes = SEED_OUTCOMES.flatMap((outcome): [string, number][] => {
    const seeds = results.filter((result) => result.outcome === outcome).length;
    return seeds === 0 ? [] : [[outcome, seeds]];
  });
  const windows: Record<string, number> = {};
  for (const result of results) {
    for (const [name, hits] of Object.entries(result.windows)) {
      windows[name] = (windows[name] ?? 0) + hits;
    }
  }
  return {
    seeds: results.length,
    outcomes: Object.fromEntries(outcomes),
    checkpoints: sum((r) => r.checkpoints),
    instructions: sum((r) => r.instructions),
    accesses: {
      issued: sum((r) => r.accesses.issued),
      answered: sum((r) => r.accesses.answered),
      retired: sum((r) => r.accesses.retired),
    },
    lost: sum((r) => r.lost),
    duplicated: sum((r) => r.duplicated),
    violations: sum((r) => r.violationsTotal),
    windows: orderedWindows(windows),
  };
}
