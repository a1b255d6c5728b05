// SPDX-License-Identifier: GPL-2.0-only
// What one access of a guest costs when its device model is a thread, a Node process or a Python process: the counter
// guest for three seconds each, without checkpoints. Needs dist/.
//
//   node bench/device-process/end-to-end.mjs [spins]
import { fileURLToPath } from 'node:url';

const dist = (path) => new URL(`../../dist/${path}`, import.meta.url).href;
const example = (path) => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
const { ThreadedDomain } = await import(dist('toolstack/threads/threaded-domain.js'));
const { hostClock } = await import(dist('util/clock.js'));

const spins = Number(process.argv[2] ?? 200);
const SECONDS = 3;
const watch = {
  signal: new AbortController().signal,
  tick: () => undefined,
  clock: hostClock,
  idle: (ms, then) => setTimeout(then, ms),
};
const hosts = {
  thread: null,
  node: ['node', example('device-model-node/counter.mjs')],
  python: ['python3', example('device-model-python/counter.py')],
};
for (const [host, command] of Object.entries(hosts)) {
  const domain = await ThreadedDomain.start(
    {
      guest: 'counter',
      load: { iterations: 0 },
      devices: [],
      revision: 'exact',
      seed: 1,
      ledgerPath: null,
      vcpus: 1,
      spins,
      answerTimeoutMs: 1000,
      modules: [],
      measure: true,
      processes: command === null ? [] : [{ device: 'counter@0x200', command }],
    },
    watch,
  );
  await new Promise((resolve) => setTimeout(resolve, 1000 * SECONDS));
  const { vcpus } = await domain.finish('done', true);
  await domain.stop();
  const [{ report, roundTrips }] = vcpus;
  const half = roundTrips.reduce((a, b) => a + b) / 2;
  let seen = 0;
  const bucket = roundTrips.findIndex((count) => {
    seen += count;
    return seen >= half;
  });
  const rate = Math.round(report.accesses.answered / SECONDS);
  const us = (b) => (2 ** b / 1000).toFixed(0);
  process.stdout.write(
    `${host.padEnd(7)} ${String(rate).padStart(7)} accesses per second, half of the round trips within ${us(bucket)}-${us(bucket + 1)} us, ${report.violationsTotal} violations\n`,
  );
}
