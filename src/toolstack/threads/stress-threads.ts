// SPDX-License-Identifier: GPL-2.0-only
// The checkpoint stress run with everything at once: vCPUs, device models and toolstack are threads, and a shutdown
// lands wherever it lands. What the witnesses say is the same as of a run on one thread; the run cannot be repeated.
import { addHistograms, type RateData, RateSeries } from '../../util/measure.ts';
import { Random } from '../../util/random.ts';
import { Limits, type Watch } from '../limits.ts';
import { reproduceCommand } from '../stress-command.ts';
import {
  emptyReport,
  type StressOptions,
  type StressReport,
  type StressViolation,
} from '../stress-report.ts';
import { testimonyViolations } from '../stress-witnesses.ts';
import { WINDOW_NAMES } from '../windows.ts';
import { type DeviceDeath, ThreadedDomain } from './threaded-domain.ts';
import type { ThreadsOptions } from './threads-options.ts';
import type { VcpuFinal } from './vcpu-host.ts';

/** The guest runs for up to so long between two checkpoints, in ms; drawn anew each time. */
const MOST_REST_MS = 0.2;
const LOOK_EVERY = 32;
/** A guest that checks what it reads has noticed long before. */
const NOTICE_MS = 1000;
/** What a guest reads where no device is, or none any more. */
const NOBODY = 0xffffffff;

/** @throws HvmError before the guest runs, when something asked for cannot be */
export async function stressThreads(
  options: StressOptions & { threads: ThreadsOptions },
  watch: Watch,
): Promise<StressReport> {
  const limits = new Limits(watch, options.maxInstructions, options.timeoutMs);
  const random = new Random(options.seed);
  const measure = (options.meter ?? null) !== null;
  const load = { iterations: 0, ...options.load };
  const parts = { ...options.threads, load, measure };
  const domain = await ThreadedDomain.start({ ...options, ...parts }, watch);
  const rate = measure ? new RateSeries() : null;
  const startMs = watch.clock.nowMs();
  try {
    let taken = 0;
    let end = 'done';
    while (taken < options.checkpoints) {
      domain.rest((random.below(1000) / 1000) * MOST_REST_MS);
      if (domain.ended || !(await domain.shutDown())) {
        end = 'ended';
        break;
      }
      await domain.checkpoint(++taken);
      rate?.add(watch.clock.nowMs() - startMs);
      if (domain.failed) {
        end = 'violation';
        break;
      }
      const pause = watch.tick(taken, options.checkpoints);
      if (pause !== undefined) await pause;
      if (limits.interrupted) {
        end = 'interrupted';
        break;
      }
      if (taken % LOOK_EVERY === 0 && limits.reached(0) !== null) {
        end = 'time';
        break;
      }
    }
    if (end === 'violation') domain.letGuestNotice(NOTICE_MS);
    const seen = await domain.finish(end, end !== 'ended');
    const measured = rate?.data() ?? null;
    return judgeThreads(options, domain.plan.guest.name, { taken, end, rate: measured, ...seen });
  } finally {
    await domain.stop();
  }
}

interface Evidence {
  taken: number;
  end: string;
  vcpus: readonly VcpuFinal[];
  testimonies: Record<string, Record<string, unknown>>;
  rate: RateData | null;
  deaths: readonly DeviceDeath[];
}

function judgeThreads(options: StressOptions, guest: string, evidence: Evidence): StressReport {
  const { taken, end, vcpus, testimonies, deaths } = evidence;
  const report = emptyReport(options, guest);
  report.threads = true;
  report.checkpoints = taken;
  const events = vcpus[0]?.events ?? 0;
  for (const [id, v] of vcpus.entries()) {
    report.instructions += v.instructions;
    report.accesses.issued += v.report.accesses.issued;
    report.accesses.answered += v.report.accesses.answered;
    report.accesses.retired += v.report.accesses.retired;
    const gap =
      v.gap === null ? 0 : v.gap.got === NOBODY ? 1 : Math.max(1, v.gap.got - v.gap.expected);
    report.lost += Math.max(v.report.lost, gap);
    report.duplicated += v.report.duplicated;
    report.violations.push(...v.report.violations);
    report.violationsTotal += v.report.violationsTotal;
    report.verdict ??= v.verdict;
    report.crash ??= v.crash;
    const seen = (kind: string, klass: string, message: string): void => {
      report.violations.push(bare(kind, klass, message, events));
      report.violationsTotal++;
    };
    if (v.gap !== null) {
      const { expected, got, index } = v.gap;
      seen(
        'guest-log',
        'lost',
        `vCPU ${id}: the guest logged ${got} where ${expected} was due (value ${index} of its log)`,
      );
    }
    if (v.verdict === 'failure') {
      seen('guest-verdict', 'totals', 'the guest itself reports failure');
    }
    for (const { server, why } of v.failedServers) {
      const death = deaths.find((d) => d.server === server);
      report.deviceModels.push({ server, why: death === undefined ? why : `${why}: ${death.why}` });
    }
  }
  for (const { server, why } of deaths) {
    if (report.deviceModels.every((d) => d.server !== server)) {
      report.deviceModels.push({ server, why: `died: ${why}` });
    }
  }
  const others = testimonyViolations(testimonies, events);
  report.violations.push(...others);
  report.violationsTotal += others.length;
  for (const name of WINDOW_NAMES) {
    const hits = vcpus.reduce((sum, v) => sum + (v.windows[name] ?? 0), 0);
    if (hits > 0) report.windows[name] = hits;
  }
  if (evidence.rate !== null) {
    const latency = vcpus.flatMap((v) => (v.latency === null ? [] : [v.latency]));
    report.measured = { rate: evidence.rate, latency: addHistograms(latency) };
  }
  if (report.violationsTotal > 0) {
    report.story = vcpus.find((v) => v.story !== null)?.story ?? null;
    report.outcome = 'failure';
    // Another run, not the same one again.
    report.reproduce = reproduceCommand(options, options.checkpoints - 1);
  } else if (report.crash !== null) report.outcome = 'crashed';
  else if (end === 'ended') report.outcome = report.verdict ?? 'error';
  else if (end === 'interrupted') report.outcome = 'interrupted';
  else if (end === 'time') report.outcome = 'limit';
  else report.outcome = 'success';
  return report;
}

function bare(kind: string, klass: string, message: string, seq: number): StressViolation {
  return { kind, class: klass, identity: null, firstSeq: null, seq, checkpoint: null, message };
}
