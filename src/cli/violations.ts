// SPDX-License-Identifier: GPL-2.0-only
// Violations and windows as text: shared by stress and ledger check.
import type { Violation } from '../ledger/violations.ts';
import { formatCount, formatTable } from './format.ts';
import type { Styler } from './output.ts';

/** Violations shown in text; --json has more of them. */
const SHOWN = 5;

/** The parts of a result that describe violations. */
export interface ViolationSummary {
  violations: readonly (Pick<Violation, 'checkpoint' | 'message'> & { kind: string })[];
  violationsTotal: number;
}

/** One paragraph per violation, the first ones; empty when there are none. */
export function renderViolations(summary: ViolationSummary, style: Styler): string[] {
  const { violations, violationsTotal } = summary;
  const lines = violations.slice(0, SHOWN).flatMap(({ kind, checkpoint, message }) => {
    const at = checkpoint === null ? '' : `, checkpoint ${checkpoint.n} (${checkpoint.window})`;
    return [`  ${style('bad', `violation: ${kind}`)}${at}`, `    ${message}`];
  });
  const more = violationsTotal - Math.min(violations.length, SHOWN);
  if (more > 0) lines.push(`  and ${formatCount(more)} more`);
  return lines;
}

/** One row per window with its hits, in the order given. */
export function renderWindows(windows: Readonly<Record<string, number>>): string[] {
  const rows = Object.entries(windows).map(([name, hits]) => [name, formatCount(hits)]);
  return rows.length === 0 ? [] : [formatTable(rows, { right: [1], indent: '    ' })];
}
