// SPDX-License-Identifier: GPL-2.0-only
// Entry of `npm run faults`: device-model faults by the thousand, each in a domain of its own, and what came of them.
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setEnvironmentData, Worker } from 'node:worker_threads';
import { formatTable } from '../../src/cli/format.ts';
import { hostClock } from '../../src/util/clock.ts';
import { judgeFault } from './fault-judge.ts';
import { runLocal } from './fault-local.ts';
import { drawFault, FAULT_KINDS, type FaultKind, type FaultPlan, KINDS } from './fault-plan.ts';
import { LanesGuest, runThreaded } from './fault-threaded.ts';
import { PLAN } from './faulty-worker.ts';

const USAGE = `Usage: npm run faults -- [options]

  --count N   faults to inject (default 1000)
  --seed N    of the run (default 1)
  --from N    number of the first fault (default 1): --from N --count 1 repeats one
  --kind K    only faults of this kind
  --verbose   a line for every fault`;

/** A fault that takes longer is a hang of the monitor. */
const HANG_MS = 60_000;
/** Growth that counts as a leak: threads and files are exact, memory is what a few collections leave behind. */
const LEAK_BYTES = 48 * 2 ** 20;

interface Held {
  threads: number;
  files: number;
  resources: number;
  bytes: number;
}

const collect = (() => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

/** What this process holds, after everything that is garbage is gone. */
async function held(): Promise<Held> {
  for (let n = 0; n < 4; n++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { external, arrayBuffers, heapUsed } = process.memoryUsage();

  return {
    threads: readdirSync('/proc/self/task').length,
    files: readdirSync('/proc/self/fd').length,
    resources: process.getActiveResourcesInfo().length,
    bytes: external + arrayBuffers + heapUsed,
  };
}

/** Ends this process from another thread when no fault comes to its end. */
function startWatchdog(beat: SharedArrayBuffer): Worker {
  return new Worker(
    `const { workerData } = require('node:worker_threads');
     const beat = new Int32Array(workerData.beat);
     for (;;) {
       const n = Atomics.load(beat, 0);
       if (Atomics.wait(beat, 0, n, workerData.ms) !== 'timed-out') continue;
       require('node:fs').writeSync(2, 'faults: fault ' + n + ' hangs\\n');
       process.kill(process.pid, 'SIGKILL');
     }`,
    { eval: true, workerData: { beat, ms: HANG_MS }, name: 'watchdog' },
  );
}

function number(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  process.stderr.write(`faults: --${option} '${text}': expected a whole number\n`);
  process.exit(2);
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        count: { type: 'string', default: '1000' },
        seed: { type: 'string', default: '1' },
        from: { type: 'string', default: '1' },
        kind: { type: 'string' },
        verbose: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(`${USAGE}\n`);
      process.exit(0);
    }
    const { kind } = values;
    if (kind !== undefined && !FAULT_KINDS.includes(kind as FaultKind)) {
      throw new Error(`--kind '${kind}': expected one of ${FAULT_KINDS.join(', ')}`);
    }
    return {
      count: number('count', values.count),
      seed: number('seed', values.seed),
      from: number('from', values.from),
      kind: (kind ?? null) as FaultKind | null,
      verbose: values.verbose,
    };
  } catch (error) {
    process.stderr.write(`faults: ${(error as Error).message}\n${USAGE}\n`);
    process.exit(2);
  }
}

const OUTCOMES = ['goes on', 'all ones', 'other value', 'crash', 'guest astray'] as const;

function table(counts: ReadonlyMap<FaultKind, Map<string, number>>): string {
  const rows = FAULT_KINDS.filter((k) => counts.has(k)).map((kind) => {
    const of = counts.get(kind) as Map<string, number>;
    const cells = OUTCOMES.map((o) => String(of.get(o) ?? 0));
    const sum = [...of.values()].reduce((a, b) => a + b, 0);
    return [kind, KINDS[kind].what, String(sum), ...cells];
  });
  return formatTable([['kind', 'the device model', 'faults', ...OUTCOMES], ...rows], {
    right: [2, 3, 4, 5, 6, 7],
  });
}

async function one(
  plan: FaultPlan,
  lanes: LanesGuest,
): Promise<{ outcome: string; bad: string[] }> {
  setEnvironmentData(PLAN, plan as never);
  try {
    const result = plan.mode === 'local' ? await runLocal(plan) : await runThreaded(plan, lanes);
    return { outcome: result.outcome, bad: judgeFault(plan, result) };
  } catch (error) {
    return { outcome: 'error', bad: [(error as Error).stack ?? String(error)] };
  }
}

async function main(): Promise<number> {
  const { count, seed, from, kind, verbose } = options();
  using lanes = new LanesGuest();
  const beat = new SharedArrayBuffer(4);
  const watchdog = startWatchdog(beat);
  await new Promise((resolve) => watchdog.once('online', resolve));
  let escaped: unknown = null;
  process.on('uncaughtException', (error) => {
    escaped ??= error;
  });
  const counts = new Map<FaultKind, Map<string, number>>();
  const modes = { local: 0, threaded: 0 };
  let unexpected = 0;
  let done = 0;
  let before: Held | null = null;
  const start = hostClock.nowMs();
  for (let n = from; done < count; n++) {
    const plan = drawFault(seed, n);
    if (kind !== null && plan.kind !== kind) continue;
    // The first faults pay for what stays: compiled code, the addon.
    if (done === Math.min(20, Math.floor(count / 2))) before = await held();
    Atomics.store(new Int32Array(beat), 0, n);
    Atomics.notify(new Int32Array(beat), 0);
    const { outcome, bad } = await one(plan, lanes);
    if (escaped !== null) {
      bad.push(`nobody caught: ${String((escaped as Error)?.stack ?? escaped)}`);
      escaped = null;
    }
    done++;
    modes[plan.mode]++;
    const of = counts.get(plan.kind) ?? new Map<string, number>();
    counts.set(plan.kind, of.set(outcome, (of.get(outcome) ?? 0) + 1));
    if (bad.length > 0) unexpected++;
    if (verbose || bad.length > 0) {
      process.stderr.write(
        `fault ${n}: ${JSON.stringify({ ...plan, reached: undefined })}: ${outcome}\n`,
      );
      for (const problem of bad) process.stderr.write(`  ${problem}\n`);
      if (bad.length > 0) {
        process.stderr.write(`  again: npm run faults -- --seed ${seed} --from ${n} --count 1\n`);
      }
    }
    if (done % 100 === 0) {
      const s = (hostClock.nowMs() - start) / 1000;
      process.stderr.write(`${done} of ${count}, ${unexpected} unexpected, ${s.toFixed(0)} s\n`);
    }
  }
  const after = await held();
  await watchdog.terminate();
  process.stdout.write(`${table(counts)}\n\n`);
  const seconds = (hostClock.nowMs() - start) / 1000;
  process.stdout.write(
    `${done} faults (${modes.local} with the vCPU on this thread, ${modes.threaded} with vCPUs in threads and checkpoints going on) in ${seconds.toFixed(0)} s, seed ${seed}\n`,
  );
  if (before !== null) {
    const grown = leaks(before, after);
    process.stdout.write(
      `held before and after: threads ${before.threads}, ${after.threads}; files ${before.files}, ${after.files}; resources ${before.resources}, ${after.resources}; MiB ${mib(before.bytes)}, ${mib(after.bytes)}\n`,
    );
    for (const leak of grown) process.stdout.write(`leaked: ${leak}\n`);
    unexpected += grown.length;
  }
  process.stdout.write(unexpected === 0 ? 'nothing unexpected\n' : `${unexpected} unexpected\n`);
  return unexpected === 0 ? 0 : 1;
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

function leaks(before: Held, after: Held): string[] {
  const found: string[] = [];
  for (const what of ['threads', 'files', 'resources'] as const) {
    if (after[what] > before[what]) found.push(`${after[what] - before[what]} ${what}`);
  }
  if (after.bytes > before.bytes + LEAK_BYTES) {
    found.push(`${mib(after.bytes - before.bytes)} MiB`);
  }
  return found;
}

process.exitCode = await main();
