// SPDX-License-Identifier: GPL-2.0-only
// Finding and reading the recorded traces; the command behind `npm run conformance`.
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ERROR_CODES, isHvmError } from '../../src/util/errors.ts';
import type { ReplayCpuFactory } from './machine.ts';
import { describeMismatch, type ReplaySummary, replayAll } from './replay.ts';
import { parseScenarios, type Scenario, ScenarioError } from './scenario.ts';

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

/** Where the command writes. */
export interface Streams {
  out(text: string): void;
  error(text: string): void;
}

/** CPUs for group B by the name that `--cpu` takes; the first is the default. */
export type ReplayCpus = Readonly<Record<string, ReplayCpuFactory>>;

interface Request {
  files: string[];
  json: boolean;
  first: boolean;
  cpu: ReplayCpuFactory;
}

/** @throws ScenarioError for anything the command does not take */
function readArguments(args: readonly string[], cpus: ReplayCpus): Request {
  const names = Object.keys(cpus);
  const usage = `expected FILE... [--json] [--first] [--cpu ${names.join('|')}]`;
  const request = { files: [] as string[], json: false, first: false, cpu: names[0] ?? '' };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === '--json') request.json = true;
    else if (arg === '--first') request.first = true;
    else if (arg === '--cpu') request.cpu = args[++i] ?? '';
    else if (arg.startsWith('--cpu=')) request.cpu = arg.slice('--cpu='.length);
    else if (arg.startsWith('-')) throw new ScenarioError(`unknown option ${arg}: ${usage}`);
    else request.files.push(arg);
  }
  const cpu = names.includes(request.cpu) ? cpus[request.cpu] : undefined;
  if (cpu === undefined) throw new ScenarioError(`unknown CPU '${request.cpu}': ${usage}`);
  return { ...request, cpu };
}

/** @throws ScenarioError naming the file, and the line if there is one */
function readScenarios(file: string): Scenario[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new ScenarioError(code === 'ENOENT' ? `no such file: ${file}` : `${file}: ${code}`);
  }
  try {
    const scenarios = parseScenarios(text);
    if (scenarios.length > 0) return scenarios;
  } catch (error) {
    if (error instanceof ScenarioError) throw new ScenarioError(`${file}: ${error.message}`);
    throw error;
  }
  throw new ScenarioError(`${file}: no scenarios in it`);
}

/**
 * `npm run conformance -- FILE... [--json] [--first] [--cpu NAME]`; --first stops at the first
 * mismatch.
 * @returns exit code: 0 equal, 1 a mismatch, 2 wrong usage or no recordings, else an HvmError's own
 */
export function main(
  args: readonly string[],
  root: string,
  cpus: ReplayCpus,
  streams: Streams,
): number {
  try {
    const { files, json, first, cpu } = readArguments(args, cpus);
    if (files.length === 0) files.push(vectorsFile(root));
    const summary = replayAll(files.flatMap(readScenarios), cpu, { stopAtFirst: first });
    streams.out(json ? JSON.stringify(summary) : describeSummary(summary));
    return summary.mismatches === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof ScenarioError || isHvmError(error))) throw error;
    streams.error(`conformance: ${error.message}`);
    return error instanceof ScenarioError ? 2 : ERROR_CODES[error.code].exit;
  }
}
