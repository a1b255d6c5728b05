// SPDX-License-Identifier: GPL-2.0-only
// A guest over many processes: each is killed at a drawn moment, the next goes on from the image, and the books over all
// of them are judged as one.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceProcessOptions } from '../../dm/process/spec.ts';
import { parseDeviceSpec } from '../../dm/registry.ts';
import { checkLedger, type LedgerCheck } from '../../ledger/checker.ts';
import { HvmError } from '../../util/errors.ts';
import { Random } from '../../util/random.ts';
import { ledgerPathOf } from '../books.ts';
import type { Watch } from '../limits.ts';
import { comparisonOf, type EndComparison } from '../stress-report.ts';
import type { EndReport } from '../undisturbed/undisturbed.ts';
import { compareChainEnd } from './chain-end.ts';
import type { ChainLink, ChainWord } from './chain-words.ts';
import { fileSource, loadImage } from './read.ts';

/** A process of the chain, as far as its parent knows it. */
export interface LinkProcess {
  /** SIGKILL. */
  kill(): void;
  /** Hears each word; ends when the process is gone, with what it wrote to stderr. */
  watch(word: (word: ChainWord) => void): Promise<{ killed: boolean; errors: string }>;
}

export interface ChainOptions
  extends Omit<ChainLink, 'seed' | 'image' | 'ledger' | 'resume' | 'until'> {
  /** A folder; made if it is not there. */
  folder: string;
  seed: number;
  /** So many checkpoints must each be followed by a kill, and by a new process that goes on from it. */
  checkpoints: number;
  /** More than 1: a process is killed after so many checkpoints of its own, and `checkpoints` counts all of them. */
  perProcess: number;
  start: (link: ChainLink) => LinkProcess;
}

export interface ChainReport {
  outcome: 'success' | 'failure' | 'interrupted';
  guest: string;
  revision: string;
  seed: number;
  checkpoints: number;
  checkpointsAsked: number;
  perProcess: number;
  /** Started, the last one included. */
  processes: number;
  /** Those of them that were killed. */
  killed: number;
  /** Killed before they had committed anything. */
  barren: number;
  /** Checkpoints that were the last before a kill, and that another process went on from. */
  restored: number;
  /** Checkpoints said to be committed that the image did not have. */
  forgotten: number;
  /** Over the whole chain. */
  ledger: Pick<
    LedgerCheck,
    'ok' | 'chain' | 'events' | 'accesses' | 'lost' | 'duplicated' | 'reordered' | 'violationsTotal'
  >;
  /** Of a PC: its end beside that of an undisturbed run; null: not compared. */
  end: EndComparison | null;
  /** The first thing that was wrong, or null. */
  problem: string | null;
}

/** Milliseconds in which a kill is drawn after a checkpoint is committed, and after the start of a process. */
const AFTER_COMMIT = 12;
/** The first of them where the guest's devices are in threads: it takes longer from checkpoint to checkpoint. */
const AFTER_COMMIT_THREADS = 60;
const AFTER_START = 600;
/** A process that nobody kills in time ends by itself after so many checkpoints: nothing waits for ever. */
const MOST = 100_000;
/** One process in so many is killed without regard to what it has done. */
const BLIND = 8;

/** @throws HvmError when the folder cannot be used, or a process ends by itself with an error */
export async function chain(options: ChainOptions, watch: Watch): Promise<ChainReport> {
  const { folder, checkpoints, perProcess, start, seed, ...rest } = options;
  const image = join(folder, 'image');
  const ledger = join(folder, 'ledger.jsonl');
  prepare(folder);
  const random = new Random(seed);
  const counts = { processes: 0, killed: 0, barren: 0, forgotten: 0, restored: 0 };
  let at = 0;
  let problem: string | null = null;
  let done = false;
  let progressed = false;
  while (!done && problem === null && !watch.signal.aborted) {
    const link: ChainLink = {
      ...rest,
      image,
      ledger,
      seed: (seed + counts.processes) >>> 0,
      resume: at > 0,
      until: at + MOST,
    };
    // The last one is let go to its end: the books are closed there.
    if (progressed) counts.restored++;
    const last = (perProcess > 1 ? at : counts.restored) >= checkpoints;
    if (last) link.until = at + 1;
    counts.processes++;
    const most = options.threads === null ? AFTER_COMMIT : AFTER_COMMIT_THREADS;
    const ran = await runOne(start(link), last ? null : { random, most, after: perProcess }, watch);
    if (ran.ended !== null) {
      const { end, failed, verdict } = ran.ended;
      const well = end === null || (end === 'verdict' && verdict === 'success');
      done = well && failed === null;
      problem = failed ?? (well ? null : `the guest ended: ${verdict ?? end}`);
    } else if (!ran.killed)
      throw new HvmError('HVM_IMAGE', `a process of the chain: ${ran.errors}`);
    else counts.killed++;
    sweep(folder, options.threads?.processes ?? []);
    if (!existsSync(image)) {
      counts.barren++;
      if (ran.committed > 0) counts.forgotten++;
      continue;
    }
    const { state } = await loadImage(fileSource(image));
    if (state.checkpoint < ran.committed) {
      counts.forgotten++;
      problem ??= `checkpoint ${ran.committed} was committed, the image is at ${state.checkpoint}`;
    }
    progressed = state.checkpoint > at;
    if (!progressed) counts.barren++;
    at = state.checkpoint;
    const reached = perProcess > 1 ? at : counts.restored;
    const pause = watch.tick(Math.min(reached, checkpoints), checkpoints);
    if (pause !== undefined) await pause;
  }
  const end = done && problem === null ? await endOf(options, image, ledger, watch) : null;
  const difference = end?.differences[0];
  if (difference !== undefined) problem = `end-${difference.aspect}: ${difference.message}`;
  const report = await judge(options, { ...counts, at, problem, done }, ledger);
  return { ...report, end: end && comparisonOf(end) };
}

async function endOf(
  { guest, load, devices, revision, threads }: ChainOptions,
  image: string,
  ledger: string,
  watch: Watch,
): Promise<EndReport | null> {
  if (threads !== null) return null;
  const asked = { guest, load, revision, devices: devices.map(parseDeviceSpec) };
  return await compareChainEnd(image, ledger, asked, watch);
}

async function judge(
  options: ChainOptions,
  ran: Pick<
    ChainReport,
    'processes' | 'killed' | 'barren' | 'forgotten' | 'restored' | 'problem'
  > & {
    at: number;
    done: boolean;
  },
  ledger: string,
): Promise<Omit<ChainReport, 'end'>> {
  const { guest, revision, seed, checkpoints, perProcess } = options;
  const { at, done, problem, ...counts } = ran;
  const files = ledgerFiles(options, ledger).map((f) => (existsSync(f) ? f : `${f}.partial`));
  const books = await Promise.all(files.map((file) => checkLedger(file)));
  // Interrupted, the last process was killed: its books have no end.
  const bad = problem !== null || counts.forgotten > 0 || (done && !books.every((b) => b.ok));
  const violation = books.flatMap((b) => b.violations)[0]?.message ?? null;
  return {
    outcome: bad ? 'failure' : done ? 'success' : 'interrupted',
    guest,
    revision,
    seed,
    checkpoints: at,
    checkpointsAsked: checkpoints,
    perProcess,
    ...counts,
    ledger: merged(books),
    problem: problem ?? (bad ? violation : null),
  };
}

/** A file for each vCPU. */
function ledgerFiles({ threads }: Pick<ChainOptions, 'threads'>, ledger: string): string[] {
  const vcpus = Array.from({ length: threads?.vcpus ?? 1 }, (_, vcpu) => vcpu);
  return vcpus.flatMap((vcpu) => ledgerPathOf(ledger, vcpu) ?? []);
}

/** The books of all vCPUs as one result. */
function merged(books: readonly LedgerCheck[]): ChainReport['ledger'] {
  const sum = (of: (b: LedgerCheck) => number): number => books.reduce((n, b) => n + of(b), 0);
  return {
    ok: books.every((b) => b.ok),
    chain: books.find((b) => b.chain !== 'intact')?.chain ?? 'intact',
    events: sum((b) => b.events),
    accesses: {
      issued: sum((b) => b.accesses.issued),
      answered: sum((b) => b.accesses.answered),
      retired: sum((b) => b.accesses.retired),
    },
    lost: sum((b) => b.lost),
    duplicated: sum((b) => b.duplicated),
    reordered: sum((b) => b.reordered),
    violationsTotal: sum((b) => b.violationsTotal),
  };
}

function prepare(folder: string): void {
  try {
    // Not recursive: under /proc that never returns in Node 20.
    if (!existsSync(folder)) mkdirSync(folder);
    for (const name of readdirSync(folder)) {
      if (/^(image|ledger\.jsonl(\.vcpu\d)?(\.partial)?)$/.test(name)) rmSync(join(folder, name));
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HvmError('HVM_OUTPUT', `cannot use folder '${folder}': ${why}`, { cause });
  }
}

/** What processes that are gone have left: half-written images, and sockets to which nobody has connected. */
function sweep(folder: string, processes: readonly DeviceProcessOptions[]): void {
  for (const { socket } of processes) if (socket !== undefined) rmSync(socket, { force: true });
  for (const name of readdirSync(folder)) {
    if (/^image\.\d+\.tmp$/.test(name)) rmSync(join(folder, name), { force: true });
  }
}

interface Ran {
  killed: boolean;
  errors: string;
  /** Last checkpoint it said it had committed. */
  committed: number;
  ended: Extract<ChainWord, { what: 'ended' }> | null;
}

/** @param death - when it is killed: at most so many ms after a commit, the `after`-th; null: it is not */
async function runOne(
  process: LinkProcess,
  death: { random: Random; most: number; after: number } | null,
  watch: Watch,
): Promise<Ran> {
  const ran: Ran = { killed: false, errors: '', committed: 0, ended: null };
  let armed = false;
  let commits = 0;
  const arm = (ms: number): void => {
    if (armed) return;
    armed = true;
    watch.idle(ms, () => process.kill());
  };
  const stop = (): void => process.kill();
  watch.signal.addEventListener('abort', stop);
  if (death?.random.below(BLIND) === 0) arm(death.random.below(AFTER_START));
  const delay = death?.random.below(death.most) ?? 0;
  const end = await process.watch((word) => {
    if (word.what === 'ended') ran.ended = word;
    else {
      ran.committed = word.checkpoint;
      if (death !== null && ++commits >= death.after) arm(delay);
    }
  });
  watch.signal.removeEventListener('abort', stop);
  return { ...ran, ...end };
}
