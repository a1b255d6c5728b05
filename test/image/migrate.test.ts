// SPDX-License-Identifier: GPL-2.0-only
// A guest that moves with its books: between processes, from threads to one thread and back, to a monitor that a device
// model in a process of its own joins anew; and over processes that are killed. Needs dist/.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Random } from '../../src/util/random.ts';
import { inode, main, runAndKill } from './kill.ts';

const MODEL = fileURLToPath(new URL('./children/staying-model.mjs', import.meta.url));
let folder = '';
let model: ChildProcess | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-migrate-'));
});
afterEach(() => {
  model?.kill('SIGKILL');
  model = null;
  rmSync(folder, { recursive: true, force: true });
});

/** `trapline save | trapline restore`, the books in one file. @returns what restore says */
function move(guest: string, save: readonly string[], restore: readonly string[]) {
  const words = (list: readonly string[]): string => list.map((w) => `'${w}'`).join(' ');
  const ledger = ['--ledger', join(folder, 'ledger')];
  const from = [process.execPath, main, 'save', guest, '--iterations', '2000', '--output', '-'];
  const to = [process.execPath, main, 'restore', '-', '--json'];
  const line = `${words([...from, '--after', '9000', ...ledger, ...save])} | ${words([...to, ...ledger, ...restore])}`;
  const { stdout, stderr } = spawnSync('bash', ['-c', line], { encoding: 'utf8' });
  expect(stderr).toMatch(/^[a-z-]+ after 9,000 instructions: [\d,]+ bytes in stdout\n$/);
  return JSON.parse(stdout);
}

function checkLedger(): { status: number | null; stdout: string } {
  const file = join(folder, 'ledger');
  return spawnSync(process.execPath, [main, 'ledger', 'check', file], { encoding: 'utf8' });
}

it.each([
  ['one thread', 'one thread', [], []],
  ['threads', 'threads', ['--threads'], ['--threads']],
  ['one thread', 'threads', [], ['--threads']],
  ['threads', 'one thread', ['--threads'], []],
])('from %s a guest moves to %s, and its books go on', { timeout: 120_000 }, (_a, _b, a, b) => {
  const result = move('rep-counter', a, b);
  expect(result).toMatchObject({
    outcome: 'success',
    verdict: 'success',
    from: { checkpoint: 1, instructions: 9000 },
    ledger: { lost: 0, duplicated: 0, violationsTotal: 0 },
  });
  const { status, stdout } = checkLedger();
  expect(stdout).toContain('every access happened exactly once, in order');
  expect(status).toBe(0);
});

it('a device model that stays joins the monitor of the restored guest', {
  timeout: 120_000,
}, async () => {
  const socket = join(folder, 'device');
  const child = spawn(process.execPath, [MODEL, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  model = child;
  let said = '';
  const twice = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('served 2')) resolve();
    });
  });
  const there = ['--threads', '--device-process', `counter@0x200=unix:${socket}`];
  const result = move('counter', there, there);
  expect(result).toMatchObject({
    outcome: 'success',
    devices: { 'counter@0x200-0x207': { readsServed: 2000 } },
    ledger: { accesses: { issued: 2001, answered: 2001, retired: 2001 }, violationsTotal: 0 },
  });
  // Both by the one process, which is still there.
  await twice;
  expect(child.exitCode).toBeNull();
  expect(checkLedger().stdout).toContain('every access happened exactly once, in order');
});

it.each([
  ['on one thread', []],
  ['in threads', ['--threads']],
])(
  'runs %s that are killed and restored keep one book',
  { timeout: 180_000 },
  async (_, threads) => {
    const [image, ledger] = [join(folder, 'image'), join(folder, 'ledger')];
    const under = [
      '--image',
      image,
      '--checkpoint-every',
      '3000',
      '--ledger',
      ledger,
      '--no-fsync',
    ];
    const random = new Random(12);
    for (let round = 0; round < 5; round++) {
      const start = existsSync(image)
        ? ['restore', image]
        : ['run', 'write-ledger', '--iterations', '0'];
      const before = inode(image);
      await runAndKill(
        [...start, ...under, ...threads],
        () => inode(image) !== before,
        random.below(150),
      );
    }
    const more = ['--max-instructions', '1', '--json', ...under, ...threads];
    const last = spawnSync(process.execPath, [main, 'restore', image, ...more], {
      encoding: 'utf8',
    });
    expect(last.stderr).toBe('');
    const result = JSON.parse(last.stdout);
    expect(result).toMatchObject({ outcome: 'limit', ledger: { violationsTotal: 0 } });
    // Each of them has saved something.
    expect(result.from.checkpoint).toBeGreaterThanOrEqual(5);
    expect(result.ledger.accesses.retired).toBeGreaterThan(500);
    const { status, stdout } = checkLedger();
    expect(stdout).toContain('every access happened exactly once, in order');
    expect(status).toBe(0);
  },
);

it('an image without books is not gone on with under --ledger', () => {
  const image = join(folder, 'image');
  const trapline = (...args: string[]) =>
    spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  expect(trapline('save', 'counter', '--after', '100', '--output', image).status).toBe(0);
  const ledger = join(folder, 'ledger');
  expect(trapline('restore', image, '--ledger', ledger)).toMatchObject({
    stderr: `trapline: --ledger ${ledger}: the image knows of no ledger file, expected one of a run with --ledger [HVM_USAGE]\n`,
    status: 2,
  });
});
