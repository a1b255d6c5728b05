// SPDX-License-Identifier: GPL-2.0-only
// Replays recorded scenarios on this port and compares every observation after every step.
import { BugError } from '../../src/util/errors.ts';
import { REVISIONS } from '../../src/xen/hvm/revision.ts';
import { type Difference, differences, memoryMap, mergePatch, resultsOf } from './compare.ts';
import { type ReplayCpuFactory, ReplayMachine } from './machine.ts';
import {
  groupOf,
  hexOf,
  type Json,
  type JsonObject,
  type Operation,
  type Scenario,
  ScenarioError,
  type TraceEntry,
} from './scenario.ts';

/** Where a scenario went apart. */
export interface Mismatch extends Difference {
  seed: number;
  variant: string;
  family: string;
  group: 'A' | 'B';
  step: number;
  op: string;
  /** How many fields differ at that step. */
  fields: number;
}

export interface ScenarioResult {
  group: 'A' | 'B';
  /** Steps compared and equal. */
  steps: number;
  /** Null when everything was equal. */
  mismatch: Mismatch | null;
  /** Equal but for fields that only serve Xen's own instruction emulator (group B alone). */
  excused: boolean;
}

/** Fields of the state that only serve Xen's own instruction emulator. */
const EMULATOR_FIELDS =
  /^state\.vcpus\.\d+\.vio\.(mmio_insn_bytes|mmio_access|mmio_gla|mmio_gpfn|cache_enabled|mmio_cache)\b/;

const PAGE = 4096;

/** Which bytes of guest memory changed since the last look. */
class MemoryWatch {
  readonly #now: Buffer;
  readonly #before: Buffer;

  constructor(bytes: Uint8Array) {
    this.#now = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#before = Buffer.from(this.#now);
  }

  changes(): { gpa: string; hex: string }[] {
    const runs: { gpa: string; hex: string }[] = [];
    if (this.#now.equals(this.#before)) return runs;
    for (let page = 0; page < this.#now.length; page += PAGE) {
      const end = page + PAGE;
      if (this.#now.compare(this.#before, page, end, page, end) === 0) continue;
      for (let i = page; i < end; i++) {
        if (this.#now[i] === this.#before[i]) continue;
        runs.push({ gpa: `0x${i.toString(16)}`, hex: hexOf(this.#now.subarray(i, i + 1)) });
      }
      this.#now.copy(this.#before, page, page, end);
    }
    return runs;
  }

  /** What was stored by the scenario itself is no change. */
  settle(gpa: number, hex: string): void {
    const length = hex.length / 2;
    this.#now.copy(this.#before, gpa, gpa, gpa + length);
  }
}

/** What the operation itself stores into guest memory, and where. */
function storedBy(op: Operation, rip: number): { gpa: number; hex: string } | null {
  if (op.op === 'write_mem') return { gpa: Number(op.gpa), hex: String(op.hex) };
  if (typeof op.bytes !== 'string') return null;
  if (op.op === 'prog') return { gpa: Number(op.rip), hex: op.bytes };
  return op.op === 'insn' ? { gpa: rip, hex: op.bytes } : null;
}

/** Executes one operation; a BUG() ends the scenario, and so does an error of ours, as a result. */
function executeGuarded(
  machine: ReplayMachine,
  op: Operation,
): { result: JsonObject; bug: boolean } {
  try {
    return { result: machine.execute(op), bug: false };
  } catch (error) {
    if (error instanceof ScenarioError) throw error;
    if (error instanceof BugError) return { result: { ret: 'bug' }, bug: true };
    return { result: { ret: `threw ${String(error)}` }, bug: true };
  }
}

function compareStep(
  xen: TraceEntry,
  xenState: Json,
  result: JsonObject,
  machine: ReplayMachine,
  mem: { gpa: string; hex: string }[],
): Difference[] {
  const found: Difference[] = [];
  if (xen.ret === 'bug') {
    differences('bug', result.ret, 'ret', found);
    differences(xen.events ?? [], machine.recorder.events, 'events', found);
    return found;
  }
  differences(resultsOf(xen), result, 'result', found);
  differences(xen.events ?? [], machine.recorder.events, 'events', found);
  differences(memoryMap(xen.mem), memoryMap(mem), 'mem', found);
  differences(xenState, machine.dump(), 'state', found);
  return found;
}

/**
 * Replays one scenario up to its first mismatch.
 * @param cpuFactory - CPUs for scenarios of group B; null leaves their instructions unhandled
 */
export function replayScenario(
  scenario: Scenario,
  cpuFactory: ReplayCpuFactory | null = null,
): ScenarioResult {
  const group = groupOf(scenario);
  const { ops, trace, seed, variant, family } = scenario;
  const config = ops[0] as Operation;
  const revision = REVISIONS[variant === 'pre' ? 'before-b7e0d8978810' : 'fixed'];
  using machine = new ReplayMachine(config, revision, group === 'B' ? cpuFactory : null);
  const memory = new MemoryWatch(machine.ram.bytes);
  let xenState: Json = trace[0]?.state ?? {};
  let excused = false;
  const first = differences(xenState, machine.dump(), 'state');
  let steps = 0;

  for (let step = 0; step < ops.length; step++) {
    const op = ops[step] as Operation;
    const xen = trace[step] as TraceEntry;
    let found: Difference[];
    let bug = false;
    if (step === 0) found = first;
    else {
      const rip = op.op === 'insn' ? (machine.d.vcpu[Number(op.vcpu)]?.regs.eip ?? 0) : 0;
      const executed = executeGuarded(machine, op);
      bug = executed.bug;
      const stored = bug || executed.result.ret === 'skipped' ? null : storedBy(op, rip);
      if (stored !== null) memory.settle(stored.gpa, stored.hex);
      if (xen.delta !== undefined) xenState = mergePatch(xenState, xen.delta);
      found = compareStep(xen, xenState, executed.result, machine, memory.changes());
    }
    if (group === 'B') {
      const real = found.filter(({ field }) => !EMULATOR_FIELDS.test(field));
      if (real.length < found.length) excused = true;
      found = real;
    }
    const difference = found[0];
    if (difference !== undefined) {
      const where = { seed, variant, family, group, step, op: op.op, fields: found.length };
      return { group, steps, mismatch: { ...where, ...difference }, excused: false };
    }
    steps++;
    if (bug) break;
  }
  return { group, steps, mismatch: null, excused };
}

/** Totals of one group. */
export interface GroupTotals {
  scenarios: number;
  equal: number;
  steps: number;
  /** Not replayed, because no CPU was given. */
  withoutCpu: number;
}

export interface ReplaySummary {
  scenarios: number;
  groupA: GroupTotals;
  groupB: GroupTotals;
  /** Steps compared and equal. */
  steps: number;
  mismatches: number;
  /** Scenarios equal but for fields of Xen's own instruction emulator. */
  excused: number;
  first: Mismatch | null;
  /** Mismatching scenarios by family. */
  families: Record<string, number>;
}

export interface ReplayOptions {
  /** Hears of every replayed scenario. */
  each?: (scenario: Scenario, result: ScenarioResult) => void;
  /** Leaves the rest out once one scenario differs. */
  stopAtFirst?: boolean;
}

/** As `replayScenario`; a scenario that cannot be replayed at all is named. */
function replayNamed(scenario: Scenario, cpuFactory: ReplayCpuFactory | null): ScenarioResult {
  try {
    return replayScenario(scenario, cpuFactory);
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    throw new ScenarioError(`scenario ${scenario.seed} ${scenario.variant}: ${error.message}`);
  }
}

/**
 * Replays scenarios and adds up.
 * @throws ScenarioError naming the scenario that asks for something the format does not define
 */
export function replayAll(
  scenarios: readonly Scenario[],
  cpuFactory: ReplayCpuFactory | null = null,
  options: ReplayOptions = {},
): ReplaySummary {
  const totals = (): GroupTotals => ({ scenarios: 0, equal: 0, steps: 0, withoutCpu: 0 });
  const summary: ReplaySummary = {
    scenarios: scenarios.length,
    groupA: totals(),
    groupB: totals(),
    steps: 0,
    mismatches: 0,
    excused: 0,
    first: null,
    families: {},
  };
  for (const scenario of scenarios) {
    const isA = groupOf(scenario) === 'A';
    const group = isA ? summary.groupA : summary.groupB;
    group.scenarios++;
    if (!isA && cpuFactory === null) {
      group.withoutCpu++;
      continue;
    }
    const result = replayNamed(scenario, cpuFactory);
    options.each?.(scenario, result);
    group.steps += result.steps;
    summary.steps += result.steps;
    if (result.excused) summary.excused++;
    if (result.mismatch === null) group.equal++;
    else {
      summary.mismatches++;
      summary.first ??= result.mismatch;
      summary.families[scenario.family] = (summary.families[scenario.family] ?? 0) + 1;
      if (options.stopAtFirst) break;
    }
  }
  return summary;
}

/** One mismatch in words. */
export function describeMismatch(m: Mismatch): string {
  return (
    `scenario ${m.seed} ${m.variant} (${m.family}, group ${m.group}), step ${m.step} '${m.op}', ` +
    `${m.field}: Xen ${JSON.stringify(m.xen)}, ours ${JSON.stringify(m.ours)}` +
    (m.fields > 1 ? ` (and ${m.fields - 1} more fields)` : '')
  );
}
