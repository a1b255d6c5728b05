// SPDX-License-Identifier: GPL-2.0-only
// `npm run bench:threads`: one IN through a device model in a thread of its own, beside the bare cost of passing a word
// between the same two threads, spinning and sleeping.
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { setEnvironmentData } from 'node:worker_threads';
import { formatTable } from '../src/cli/format.ts';
import { EXIT_PIO } from '../src/cpu/backend.ts';
import { parseDeviceSpec } from '../src/dm/registry.ts';
import { COMMAND_REPORT } from '../src/dm/worker-loop.ts';
import { loadGuest } from '../src/machine/loader.ts';
import { Machine } from '../src/machine/machine.ts';
import { RunLoop } from '../src/machine/run-loop.ts';
import { DeviceThread, serverPlan } from '../src/machine/threads/device-host.ts';
import { createDomainMemory } from '../src/machine/threads/domain-memory.ts';
import { RemoteServers } from '../src/machine/threads/remote-servers.ts';
import { VcpuThread } from '../src/machine/threads/vcpu-thread.ts';
import { type Statistics, statistics } from '../src/toolstack/bench/sampler.ts';
import { hostClock } from '../src/util/clock.ts';
import { COUNT, ECHO, ECHO_WORDS, PING, PONG, passWords, SPINS } from './pass-word.ts';

const USAGE = `Usage: npm run bench:threads -- [options]

  --time MS  for each way of waiting (default 4000)
  --json     one document instead of text`;

const WORKER = new URL('./echo-worker.js', import.meta.url);
/** Looks before a thread sleeps: enough never to sleep while both have a CPU, and none at all. */
const WAYS = { wait: 0, spin: 5_000_000 } as const;
type Way = keyof typeof WAYS;
/** Round trips of one slice: short, so that some are free of other programs on a busy machine. */
const SLICE: Readonly<Record<Way, number>> = { wait: 50, spin: 40 };
/** Share of the time for slices that are compiled and thrown away. */
const WARM_UP = 0.25;
const LEAST_ROUNDS = 20;

interface Measurement {
  way: Way;
  /** ns per round trip. */
  word: Statistics;
  /** The same IN with the device model on the vCPU's thread: what is no passing of words. */
  inline: Statistics;
  threaded: Statistics;
  /** threaded / word, in the same round. */
  ratio: Statistics;
  /** (threaded - inline) / word, in the same round. */
  handing: Statistics;
  /** threaded / word, both at the 10th percentile: what the machine does when nothing disturbs it. */
  undisturbed: number;
}

/** `storm` with a mix of nothing but IN, and one device: nothing is checked, nothing else is asked. */
function guestAndDevice() {
  const guest = loadGuest('storm', { iterations: 0, parameter: 1 });
  return { guest, devices: [parseDeviceSpec('blank@0x220-0x227')] };
}

/** ns per IN over about `count` of them; two of 66 instructions are none. */
function timeIns(machine: Machine, loop: RunLoop, count: number): number {
  const before = loop.exits[EXIT_PIO] ?? 0;
  loop.deadline = machine.cpu.icount + count;
  const start = hostClock.nowMs();
  const stop = loop.run();
  const ns = (hostClock.nowMs() - start) * 1e6;
  if (stop !== 'deadline') throw new Error(`the guest stopped: ${stop}`);
  return ns / ((loop.exits[EXIT_PIO] ?? 0) - before);
}

function timeWords(echo: Int32Array, thread: DeviceThread, count: number, spins: number): number {
  echo.fill(0);
  Atomics.store(echo, COUNT, count + 1);
  Atomics.store(echo, SPINS, spins);
  thread.command(COMMAND_REPORT);
  // The first word finds the other thread on its way: it is not timed.
  Atomics.store(echo, PING, 1);
  Atomics.notify(echo, PING);
  while (Atomics.load(echo, PONG) !== 1) Atomics.wait(echo, PONG, 0, 1);
  const start = hostClock.nowMs();
  passWords(echo, 2, count + 1, spins);
  const ns = (hostClock.nowMs() - start) * 1e6;
  while (!thread.idle);
  return ns / count;
}

async function measure(way: Way, timeMs: number): Promise<Measurement> {
  const spins = WAYS[way];
  const { guest, devices } = guestAndDevice();
  const echoBuffer = new SharedArrayBuffer(4 * ECHO_WORDS);
  const echo = new Int32Array(echoBuffer);
  setEnvironmentData(ECHO, echoBuffer as never);
  const memory = createDomainMemory(guest.memoryBytes, 1, 1);
  const [parts] = serverPlan(devices);
  if (parts === undefined) throw new Error('no device');
  const thread = new DeviceThread({ memory, server: 0, ...parts, modules: [], spins }, WORKER);
  try {
    await thread.ready();
    const remote = new RemoteServers(memory, 0);
    using there = new Machine({ guest, devices, remote });
    using here = new Machine({ guest, devices });
    const vcpu = new VcpuThread(there, { spins, answerTimeoutMs: 60_000, clock: hostClock });
    const local = new RunLoop(here);
    const count = SLICE[way];
    const samples = { word: [], inline: [], threaded: [], ratio: [], handing: [] } as Record<
      'word' | 'inline' | 'threaded' | 'ratio' | 'handing',
      number[]
    >;
    const warm = hostClock.nowMs() + WARM_UP * timeMs;
    const end = warm + timeMs;
    while (samples.word.length < LEAST_ROUNDS || hostClock.nowMs() < end) {
      const word = timeWords(echo, thread, count, spins);
      const threaded = timeIns(there, vcpu.loop, count);
      const inline = timeIns(here, local, count);
      if (hostClock.nowMs() < warm) continue;
      samples.word.push(word);
      samples.threaded.push(threaded);
      samples.inline.push(inline);
      samples.ratio.push(threaded / word);
      samples.handing.push((threaded - inline) / word);
    }
    const word = statistics(samples.word);
    const threaded = statistics(samples.threaded);
    return {
      way,
      word,
      inline: statistics(samples.inline),
      threaded,
      ratio: statistics(samples.ratio),
      handing: statistics(samples.handing),
      undisturbed: threaded.low / word.low,
    };
  } finally {
    await thread.stop();
  }
}

const spread = ({ median, low, high }: Statistics, digits: number): string =>
  `${median.toFixed(digits)} (${low.toFixed(digits)} .. ${high.toFixed(digits)})`;

function render(all: readonly Measurement[]): string {
  const rows = all.map((m) => [
    m.way,
    spread(m.word, 0),
    spread(m.inline, 0),
    spread(m.threaded, 0),
    spread(m.ratio, 2),
    m.undisturbed.toFixed(2),
    spread(m.handing, 2),
    String(m.word.samples),
  ]);
  const head = ['', 'word, ns', 'IN here, ns', 'IN there, ns', 'there / word', 'undisturbed'];
  return formatTable([[...head, '(there - here) / word', 'rounds'], ...rows], {
    right: [1, 2, 3, 4, 5, 6, 7],
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      time: { type: 'string', default: '4000' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const timeMs = Number(values.time);
  if (!(timeMs > 0)) throw new Error(`--time '${values.time}': expected a number above 0`);
  const results: Measurement[] = [];
  for (const way of Object.keys(WAYS) as Way[]) results.push(await measure(way, timeMs));
  const processors = cpus();
  const environment = {
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    load: loadavg()[0],
  };
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ environment, results }, null, 2)}\n`);
    return;
  }
  process.stdout.write(
    `${environment.cores} x ${environment.cpu}, node ${environment.node}, load ${environment.load?.toFixed(1)}; median (10 % .. 90 %)\n\n${render(results)}\n`,
  );
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench:threads: ${(error as Error).message}\n${USAGE}\n`);
  process.exitCode = 2;
}
