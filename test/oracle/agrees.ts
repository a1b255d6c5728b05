// SPDX-License-Identifier: GPL-2.0-only
// The common part of the tests against a second CPU: ask, say what came of it, and fail on what nothing explains.
import { expect, type TestContext } from 'vitest';
import type { Case } from './case.ts';
import { NoOracle } from './helper.ts';
import type { Report } from './judge.ts';
import { count, unexplained } from './table.ts';

/** @param least - how many of a hundred cases must be equal, or the test says nothing */
export function agrees(
  context: TestContext,
  what: string,
  cases: readonly Case[],
  askAll: (cases: readonly Case[]) => Report,
  least: number,
): void {
  let report: Report;
  try {
    report = askAll(cases);
  } catch (reason) {
    if (!(reason instanceof NoOracle)) throw reason;
    const why = `${reason.message}: ${what} were not compared`;
    process.stderr.write(`SKIPPED: oracle: ${why}\n`);
    context.skip(why);
    return;
  }
  const counts = count(report.verdicts);
  const text = Object.entries(counts).map(([kind, n]) => `${n} ${kind}`);
  process.stderr.write(`oracle: ${cases.length} ${what}: ${text.join(', ')}\n`);
  expect(unexplained(report)).toEqual([]);
  expect(report.verdicts).toHaveLength(cases.length);
  expect(counts.equal).toBeGreaterThanOrEqual((least / 100) * cases.length);
}
