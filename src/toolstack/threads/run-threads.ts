// SPDX-License-Identifier: GPL-2.0-only
// `run`, `restore` and `save` of a guest whose vCPUs and device models are threads: the same reports, the same images.

import { EXIT_NAMES } from '../../cpu/backend.ts';
import type { StreamWriter } from '../../image/writer.ts';
import { HvmError } from '../../util/errors.ts';
import type { BooksReport } from '../books.ts';
import type { GuestSetup } from '../guest-setup.ts';
import { Checkpointer } from '../image/checkpointer.ts';
import { allPages } from '../image/epoch.ts';
import { HeldOutput, holds } from '../image/held-output.ts';
import type { LoadedImage } from '../image/load.ts';
import type { RunImageOptions } from '../image/run-images.ts';
import { Limits, type Watch } from '../limits.ts';
import type { RunReport, RunTerminal } from '../run-report.ts';
import type { StressOutcome } from '../stress-report.ts';
import { threadedEpoch } from './domain-epoch.ts';
import { ThreadedDomain } from './threaded-domain.ts';
import type { ThreadsOptions } from './threads-options.ts';
import type { VcpuFinal } from './vcpu-host.ts';

/** How often a running domain is looked after, in ms. */
const LOOK_MS = 2;

/** What is asked for; with an image, guest, load, devices and revision are its own. */
export interface RunThreadsOptions extends GuestSetup {
  /** Of vCPU 0; null: what the guest's manifest says. */
  maxInstructions: number | null;
  timeoutMs: number | null;
  image?: RunImageOptions | null;
  ledgerPath?: string | null;
}

/** @throws HvmError before the guest runs, when something asked for cannot be */
export async function runThreads(
  options: RunThreadsOptions,
  threads: ThreadsOptions,
  from: LoadedImage | null,
  watch: Watch & RunTerminal,
): Promise<RunReport> {
  const { image = null } = options;
  using output = new HeldOutput(watch.output, holds(image));
  using file = image === null ? null : new Checkpointer(image.path, image.fsync);
  const parts = { output: output.put, fsync: image?.fsync ?? false };
  const domain = await start({ ...options, ...parts }, threads, from, watch, image?.every ?? null);
  const { guest, revision } = domain.plan;
  const limits = new Limits(
    watch,
    options.maxInstructions ?? guest.manifest.limits.maxInstructions,
    options.timeoutMs,
  );
  let last = from?.state.checkpoint ?? 0;
  let icount = from?.state.vcpus[0].icount ?? 0;
  let limit: string | null = null;
  try {
    for (;;) {
      await untilStopped(domain, limits, watch, () => icount);
      const still = await domain.shutDown();
      limit = domain.ended || limits.interrupted ? null : limits.reached(0);
      if (still) {
        await domain.capture(last + 1);
        icount = domain.vcpus[0]?.captured?.part.state.icount ?? icount;
        if (image?.release === 'immediate') await watch.flushed?.();
        if (file !== null) {
          const { shape, state, written } = threadedEpoch(domain, last + 1);
          file.commitPages(shape, domain.ram.bytes, written, state);
          output.release();
        }
        last++;
      }
      if (!domain.ended && !limits.interrupted) limit ??= limits.reached(icount);
      if (!still || domain.ended || limits.interrupted || limit !== null) break;
      await domain.resume();
    }
    const { vcpus, testimonies } = await domain.finish(
      limits.interrupted ? 'interrupted' : (limit ?? 'ended'),
      true,
    );
    const ledger = (options.ledgerPath ?? null) === null ? null : booksReport(vcpus);
    const crash = vcpus.find((v) => v.crash !== null)?.crash ?? null;
    const verdict = vcpus.find((v) => v.verdict !== null)?.verdict ?? null;
    const outcome = (): StressOutcome => {
      if (ledger !== null && ledger.violationsTotal > 0) return 'failure';
      if (limits.interrupted) return 'interrupted';
      if (crash !== null) return 'crashed';
      return limit === null ? (verdict ?? 'error') : 'limit';
    };
    return {
      outcome: outcome(),
      revision,
      guest: guest.name,
      verdict,
      crash: crash === null ? null : { reason: crash.reason },
      limit,
      instructions: vcpus[0]?.instructions ?? 0,
      exits: exitsOf(vcpus),
      unclaimed: vcpus.reduce((sum, v) => sum + v.unclaimed, 0),
      devices: testimonies,
      checkpoints:
        file === null ? null : { taken: file.commits, whole: file.whole, bytes: file.bytes, last },
      ledger,
      pc: null,
      script: null,
    };
  } finally {
    await domain.stop();
  }
}

/**
 * Runs a guest in threads up to instruction `after` of vCPU 0, and saves it.
 * @param write - takes the image's pages and state
 * @throws HvmError when something asked for cannot be, or the guest ends before
 */
export async function saveThreads(
  options: Omit<RunThreadsOptions, 'maxInstructions' | 'image'> & { after: number; fsync: boolean },
  threads: ThreadsOptions,
  watch: Watch & RunTerminal,
  write: (fill: (writer: StreamWriter) => void) => Promise<void>,
): Promise<{ interrupted: boolean; guest: string; instructions: number; pages: number }> {
  const { after, fsync, timeoutMs } = options;
  const request = { ...options, maxInstructions: after, output: watch.output, fsync };
  const domain = await start(request, threads, null, watch, null);
  try {
    const limits = new Limits(watch, after, timeoutMs);
    await untilStopped(domain, limits, watch, () => 0);
    if (domain.ended || !(await domain.shutDown())) {
      const name = domain.plan.guest.name;
      throw new HvmError('HVM_USAGE', `--after ${after}: guest '${name}' ended before`);
    }
    await domain.capture(1);
    const { shape, state } = threadedEpoch(domain, 1);
    await write((writer) => writer.epoch(allPages(shape, domain.ram.bytes), state));
    return {
      interrupted: limits.interrupted,
      guest: domain.plan.guest.name,
      instructions: domain.vcpus[0]?.captured?.part.state.icount ?? 0,
      pages: domain.ram.sizeBytes / 4096,
    };
  } finally {
    await domain.stop();
  }
}

/** @param every - instructions from one checkpoint to the next; null: one, at the last instruction */
function start(
  options: RunThreadsOptions & { output: (byte: number) => void; fsync: boolean },
  threads: ThreadsOptions,
  from: LoadedImage | null,
  watch: Watch,
  every: number | null,
): Promise<ThreadedDomain> {
  return ThreadedDomain.start(
    {
      ...options,
      ...threads,
      ledgerPath: options.ledgerPath ?? null,
      seed: 0,
      measure: false,
      from,
      pauses: { every, last: options.maxInstructions },
      images: { fsync: options.fsync },
    },
    watch,
  );
}

/** Until the guest stands still or has ended, or somebody wants an end. */
async function untilStopped(
  domain: ThreadedDomain,
  limits: Limits,
  watch: Watch,
  done: () => number,
): Promise<void> {
  while (!domain.stopped && !limits.interrupted && limits.reached(0) === null) {
    domain.hear();
    const pause = watch.tick(done(), limits.maxInstructions);
    if (pause !== undefined) await pause;
    domain.rest(LOOK_MS);
    await new Promise<void>((resolve) => watch.idle(0, resolve));
  }
}

function exitsOf(vcpus: readonly VcpuFinal[]): Record<string, number> {
  const exits: Record<string, number> = {};
  for (const v of vcpus) {
    v.exits.forEach((n, reason) => {
      const name = EXIT_NAMES[reason] ?? String(reason);
      if (n > 0) exits[name] = (exits[name] ?? 0) + n;
    });
  }
  return exits;
}

function booksReport(vcpus: readonly VcpuFinal[]): BooksReport {
  const sum = (of: (v: VcpuFinal) => number): number => vcpus.reduce((n, v) => n + of(v), 0);
  return {
    accesses: {
      issued: sum((v) => v.totals.issued),
      answered: sum((v) => v.totals.answered),
      retired: sum((v) => v.totals.retired),
    },
    lost: sum((v) => v.report.lost),
    duplicated: sum((v) => v.report.duplicated),
    violationsTotal: sum((v) => v.report.violationsTotal),
    problem: vcpus.flatMap((v) => v.report.violations)[0]?.message ?? null,
  };
}
