// SPDX-License-Identifier: GPL-2.0-only
// Counts of a report as text: one row per family, one per cause.
import type { Case } from './case.ts';
import type { Report, Verdict } from './judge.ts';

export const KINDS = ['equal', 'differs', 'gave up', 'not run', 'unexplained'] as const;

/** How many cases of each kind. */
export type Counts = Record<Verdict['kind'], number>;

export function count(verdicts: readonly Verdict[]): Counts {
  const counts: Counts = { equal: 0, differs: 0, 'gave up': 0, 'not run': 0, unexplained: 0 };
  for (const { kind } of verdicts) counts[kind]++;
  return counts;
}

/** Cases by kind and cause, most first. */
export function countCauses(verdicts: readonly Verdict[]): [string, number][] {
  const causes = new Map<string, number>();
  for (const verdict of verdicts) {
    if (!('cause' in verdict)) continue;
    const key = `${verdict.kind}: ${verdict.cause}`;
    causes.set(key, (causes.get(key) ?? 0) + 1);
  }
  return [...causes].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}

/** Lines of a table; columns that are empty everywhere are left out. */
export function tableOf({ cases, verdicts }: Report): string[] {
  const all = count(verdicts);
  const kinds = KINDS.filter((kind) => kind === 'equal' || all[kind] > 0);
  const families = [...new Set(cases.map((c) => c.family))];
  const line = (name: string, total: number, counts: Counts): string =>
    [name.padEnd(26), total, ...kinds.map((kind) => counts[kind])]
      .map((cell, i) => (i === 0 ? cell : String(cell).padStart(i === 1 ? 6 : 12)))
      .join('');
  const head = ['family'.padEnd(26), 'cases'.padStart(6), ...kinds.map((k) => k.padStart(12))];
  const rows = families.map((family) => {
    const of = verdicts.filter((_, i) => cases[i]?.family === family);
    return line(family, of.length, count(of));
  });
  const causes = countCauses(verdicts).map(([text, n]) => `${String(n).padStart(6)}  ${text}`);
  return [head.join(''), ...rows, line('all', cases.length, all), '', ...causes];
}

/** The cases that are equal. */
export function equalOf({ cases, verdicts }: Report): Case[] {
  return cases.filter((_, i) => verdicts[i]?.kind === 'equal');
}

/** What no cause explains, a line each. */
export function unexplained({ verdicts }: Report): string[] {
  return verdicts.flatMap((v) => (v.kind === 'unexplained' ? [v.text] : []));
}
