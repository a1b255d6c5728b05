// SPDX-License-Identifier: GPL-2.0-only
// Finding and reading the recorded traces; the command behind `npm run conformance`.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { ReplayCpuFactory } from './machine.ts';
import { describeMismatch, type ReplaySummary, replayAll } from './replay.ts';
import { parseScenarios, type Scenario } from './scenario.ts';

/** Where the traces lie, relative to the project; TRAPLINE_VECTORS names another folder. */
export function vectorsFile(root: string): string {
  const folder = process.env.TRAPLINE_VECTORS ?? resolve(root, '../shared/vectors');
  return resolve(folder, 'xen-io-path.jsonl');
}

/** The traces, or null when they are not on this machine. */
export function loadVectors(root: string): Scenario[] | null {
  const file = vectorsFile(root);
  return existsSync(file) ? parseScenarios(readFileSync(file, 'utf8')) : null;
}

const OPTIONS = ['--json', '--first'];

/** The totals in words. */
export function describeSummary(summary: ReplaySummary): string {
  const lines = (['groupA', 'groupB'] as const).map((name) => {
    const { scenarios, equal, steps, withoutCpu } = summary[name];
    const replayed = scenarios - withoutCpu;
    const missing = withoutCpu > 0 ? `, ${withoutCpu} not replayed (no CPU)` : '';
    return `${name}: ${equal} of ${replayed} scenarios equal, ${steps} steps${missing}`;
  });
  if (summary.excused > 0) {
    lines.push(`${summary.excused} equal but for fields of Xen's own instruction emulator`);
  }
  if (summary.first !== null) lines.push(`first mismatch: ${describeMismatch(summary.first)}`);
  for (const [family, count] of Object.entries(summary.families)) {
    lines.push(`mismatching scenarios in family ${family}: ${count}`);
  }
  return lines.join('\n');
}

/**
 * `npm run conformance -- FILE... [--json] [--first]`; --first stops at the first mismatch.
 * @returns exit code: 0 equal, 1 a mismatch, 2 wrong usage
 */
export function main(
  args: readonly string[],
  root: string,
  cpuFactory: ReplayCpuFactory | null,
  print: (text: string) => void,
): number {
  const json = args.includes('--json');
  const unknown = args.find((arg) => arg.startsWith('-') && !OPTIONS.includes(arg));
  if (unknown !== undefined) {
    print(`unknown option ${unknown}: expected FILE... [--json] [--first]`);
    return 2;
  }
  const files = args.filter((arg) => !arg.startsWith('-'));
  if (files.length === 0) files.push(vectorsFile(root));
  const missing = files.find((file) => !existsSync(file));
  if (missing !== undefined) {
    print(`no such file: ${missing}`);
    return 2;
  }
  const scenarios = files.flatMap((file) => parseScenarios(readFileSync(file, 'utf8')));
  const summary = replayAll(scenarios, cpuFactory, { stopAtFirst: args.includes('--first') });
  print(json ? JSON.stringify(summary) : describeSummary(summary));
  return summary.mismatches === 0 ? 0 : 1;
}
