// SPDX-License-Identifier: GPL-2.0-only
// One fault with every vCPU in a thread of its own, the toolstack outside, and checkpoints going on.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageGuestsFolder } from '../../src/machine/loader.ts';
import { ThreadedDomain } from '../../src/toolstack/threads/threaded-domain.ts';
import type { VcpuFinal } from '../../src/toolstack/threads/vcpu-host.ts';
import { hostClock } from '../../src/util/clock.ts';
import { Random } from '../../src/util/random.ts';
import type { FaultResult } from './fault-judge.ts';
import type { FaultPlan, Outcome } from './fault-plan.ts';
import './lanes.ts';

const WORKER = new URL('./faulty-worker.js', import.meta.url);
const LANES = new URL('./lanes.js', import.meta.url);
/** After the fault. */
const CHECKPOINTS = 8;
/** So long a guest may take to come to its fault. */
const MOST_MS = 20_000;
const MOST_REST_MS = 1;
/** So long a guest whose device model failed is given to notice. */
const NOTICE_MS = 100;

/** smp-counter with one device for all vCPUs, in a folder of its own. */
export class LanesGuest implements Disposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'trapline-lanes-'));
  constructor() {
    const from = join(packageGuestsFolder(), 'smp-counter');
    const manifest = JSON.parse(readFileSync(join(from, 'guest.json'), 'utf8'));
    manifest.name = 'lanes';
    manifest.devices = ['lanes@0x200-0x21f', 'verdict@0xf4'];
    writeFileSync(join(this.folder, 'guest.json'), JSON.stringify(manifest));
    copyFileSync(join(from, 'smp-counter.bin'), join(this.folder, 'lanes.bin'));
  }
  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const watch = {
  signal: new AbortController().signal,
  tick: () => undefined,
  clock: hostClock,
  idle: (ms: number, then: () => void) => {
    setTimeout(then, ms);
  },
};

function outcomeOf(vcpus: readonly VcpuFinal[], crashed: boolean, gaveUp: boolean): Outcome {
  if (crashed) return 'crash';
  const gaps = vcpus.flatMap((v) => (v.gap === null ? [] : [v.gap]));
  if (gaps.length > 0) {
    return gaveUp && gaps.every(({ got }) => ONES.includes(got)) ? 'all ones' : 'other value';
  }
  // HLT for ever is what a guest does that has noticed; its verdict port may be the one that is given up on.
  const noticed = vcpus.some((v) => v.verdict === 'failure' || v.ended === 'dead');
  if (noticed && gaveUp) return 'all ones';
  return vcpus.some((v) => v.ended !== null && v.ended !== 'verdict') ? 'guest astray' : 'goes on';
}
const ONES: readonly number[] = [0xff, 0xffffffff];

export async function runThreaded(plan: FaultPlan, lanes: LanesGuest): Promise<FaultResult> {
  const random = new Random(plan.seed);
  const domain = await ThreadedDomain.start(
    {
      guest: plan.guest === 'lanes' ? lanes.folder : plan.guest,
      load: { iterations: 0 },
      devices: [],
      revision: plan.revision,
      seed: plan.seed,
      ledgerPath: null,
      vcpus: plan.vcpus,
      spins: plan.spins,
      answerTimeoutMs: plan.answerTimeoutMs,
      modules: [LANES.href],
      measure: false,
      deviceMain: WORKER,
    },
    watch,
  );
  try {
    let ended = false;
    const reached = (): boolean => Atomics.load(new Int32Array(plan.reached), 0) === 1;
    const late = hostClock.nowMs() + MOST_MS;
    for (let n = 1, after = 0; after < CHECKPOINTS && !ended && hostClock.nowMs() < late; n++) {
      if (reached()) after++;
      domain.rest((random.below(1000) / 1000) * MOST_REST_MS);
      ended = domain.ended || !(await domain.shutDown());
      if (!ended) await domain.checkpoint(n);
      if (domain.failed) break;
    }
    if (!ended && domain.failed) {
      const until = hostClock.nowMs() + NOTICE_MS;
      while (!domain.ended && hostClock.nowMs() < until) domain.rest(1);
    }
    ended ||= domain.ended;
    const { vcpus } = await domain.finish('done', !ended && !domain.failed);
    const failed = [
      ...vcpus.flatMap((v) => [...v.failedServers]),
      ...domain.devices.flatMap(({ server, death }) =>
        death === null ? [] : [{ server, why: death }],
      ),
    ];
    const crash = vcpus.find((v) => v.crash !== null && !v.crash.reason.startsWith('crashed in'));
    const outcome = outcomeOf(vcpus, crash !== undefined || domain.crashed, failed.length > 0);
    return {
      outcome,
      reason: crash?.crash?.reason ?? null,
      sent: -1,
      ledgers: vcpus.map((v) => v.report),
      touched: null,
      failed,
      problems: reached() || failed.length > 0 ? [] : ['the fault was never reached'],
    };
  } finally {
    await domain.stop();
  }
}
