// SPDX-License-Identifier: GPL-2.0-only
// `npm run bench:startup`: what importing the library and `trapline --help` take, in processes of their own, in turn with
// a Node that does nothing. Medians by the clock and of processor time; the aims are those of a quiet machine.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { CannotRun, ROOT } from './lib.mjs';
import { setUp } from './setup.mjs';

const ROUNDS = 21;
const IMPORT = `
const cpu = process.cpuUsage();
const start = process.hrtime.bigint();
await import('trapline');
const ms = Number(process.hrtime.bigint() - start) / 1e6;
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify([ms, (user + system) / 1000]));
`;
const AIMS = { node: null, 'import trapline': 80, 'trapline --help': 150 };

function wholeProcess(args) {
  const start = process.hrtime.bigint();
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new CannotRun(stderr, 1);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

function importOnly() {
  const args = ['--input-type=module', '-e', IMPORT];
  const { stdout } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  return JSON.parse(stdout);
}

const percentile = (sorted, part) => sorted[Math.floor((sorted.length - 1) * part)];

function row(name, values) {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, middle, high] = [0.1, 0.5, 0.9].map((part) => percentile(sorted, part).toFixed(0));
  const aim = AIMS[name] ?? null;
  const verdict = aim === null ? '' : `  (aim: under ${aim} ms)`;
  return `${name.padEnd(24)} ${middle} ms (${low} .. ${high})${verdict}`;
}

CannotRun.orExit(() => {
  setUp();
  const main = join(ROOT, 'dist', 'cli', 'main.js');
  const [bare, help, wall, cpu] = [[], [], [], []];
  for (let i = 0; i < ROUNDS; i++) {
    bare.push(wholeProcess(['-e', '0']));
    help.push(wholeProcess([main, '--help']));
    const [ms, cpuMs] = importOnly();
    wall.push(ms);
    cpu.push(cpuMs);
  }
  const lines = [
    row('node', bare),
    row('trapline --help', help),
    row('import trapline', wall),
    row('import, processor time', cpu),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
});
