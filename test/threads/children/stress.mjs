// SPDX-License-Identifier: GPL-2.0-only
// A stress run in threads, in a process of its own: node stress.mjs '<JSON>'. Options besides those of stressThreads():
// `rounds`: so many runs; `faults`: last words of the first process's command, in turn. Prints the last report, what it
// left behind, and what it threw.
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';

const dist = (path) => new URL(`../../../dist/${path}`, import.meta.url).href;
const { stressThreads } = await import(dist('toolstack/threads/stress-threads.js'));
const { hostClock } = await import(dist('util/clock.js'));

const { rounds = 1, faults = null, ...options } = JSON.parse(process.argv[2]);
const watch = {
  signal: new AbortController().signal,
  tick: () => undefined,
  clock: hostClock,
  idle: (ms, then) => setTimeout(then, ms),
};

/** What this process holds: open files by name, its children, its threads. */
function held() {
  const files = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`).replace(/\d+/g, 'N')];
    } catch {
      return [];
    }
  });
  const children = readdirSync('/proc').filter((pid) => {
    try {
      return (
        readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')[1] === `${process.pid}`
      );
    } catch {
      return false;
    }
  });
  const folders = readdirSync(tmpdir()).filter((name) => name.startsWith('trapline-'));
  return {
    files: files.length,
    children: children.length,
    threads: readdirSync('/proc/self/task').length,
    folders: folders.length,
  };
}

let report = null;
let error = null;
let first = null;
const outcomes = {};
for (let round = 0; round < rounds; round++) {
  report = null;
  error = null;
  if (faults !== null) options.processes[0].command.splice(2, 1, faults[round % faults.length]);
  try {
    report = await stressThreads(
      {
        guest: 'counter',
        load: {},
        devices: [],
        revision: 'exact',
        seed: 1 + round,
        ledgerPath: null,
        checkpoints: 50,
        maxInstructions: null,
        timeoutMs: 60000,
        vcpus: 1,
        spins: 200,
        answerTimeoutMs: 400,
        modules: [],
        ...options,
      },
      watch,
    );
  } catch (e) {
    error = { code: e.code ?? null, message: e.message };
  }
  const outcome = report?.outcome ?? error?.code ?? 'none';
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  if (round === (faults?.length ?? 1) - 1) {
    // What is loaded once stays.
    await new Promise((resolve) => setTimeout(resolve, 50));
    first = held();
  }
}
await new Promise((resolve) => setTimeout(resolve, 50));
const socket = options.processes?.[0]?.socket;
process.stdout.write(
  JSON.stringify({
    report,
    error,
    outcomes,
    first,
    last: held(),
    socketLeft: socket !== undefined && existsSync(socket),
  }),
);
