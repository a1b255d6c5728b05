// SPDX-License-Identifier: GPL-2.0-only
// Images between processes: a guest that moves through a pipe, a chain of killed processes, Ctrl-C. Needs dist/.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadImageBytes } from '../../src/toolstack/image/read.ts';
import { smallImage } from './damage.ts';
import { main } from './kill.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-process-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function trapline(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

it('a guest moves to another process through a pipe, devices and all', () => {
  const straight = JSON.parse(
    trapline('run', 'counter', '--iterations', '3000', '--json').stdout,
  ) as Record<string, unknown>;
  const image = spawnSync(
    process.execPath,
    [main, 'save', 'counter', '--iterations', '3000', '--after', '12345', '--output', '-'],
    { stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 24 },
  );
  expect(image.status).toBe(0);
  expect(image.stderr.toString()).toContain('counter after 12,345 instructions');
  const moved = spawnSync(process.execPath, [main, 'restore', '-', '--json'], {
    input: image.stdout,
    encoding: 'utf8',
  });
  expect(moved.status).toBe(0);
  const { instructions, verdict, devices } = straight;
  expect(verdict).toBe('success');
  expect(JSON.parse(moved.stdout)).toMatchObject({
    from: { checkpoint: 1, instructions: 12345, dropped: null },
    instructions,
    verdict,
    devices,
  });
});

const MODEL = 'counter@0x200=node examples/device-model-node/counter.mjs';

it.each([
  ['devices on the thread of the vCPU', 'write-ledger', 6, []],
  ['devices in threads', 'rep-counter', 4, ['--threads']],
  ['a page that becomes memory, in threads', 'ballooned', 3, ['--threads']],
  ['a guest that ends soon', 'hello', 3, ['--linger', '2']],
  ['two vCPUs', 'smp-counter', 3, ['--threads', '--vcpus', '2']],
  ['a device in another process', 'counter', 3, ['--threads', '--device-process', MODEL]],
])(
  'a chain of processes, each killed, loses and repeats nothing: %s',
  {
    timeout: 180_000,
  },
  (_, guest, checkpoints, more) => {
    const into = join(folder, 'chain');
    const args = ['--image', into, '--restore', 'fresh', '--checkpoints', `${checkpoints}`];
    const { stdout, stderr } = trapline('stress', guest, ...args, '--seed', '3', ...more, '--json');
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({
      outcome: 'success',
      restored: checkpoints,
      forgotten: 0,
      ledger: { ok: true, chain: 'intact', lost: 0, duplicated: 0, violationsTotal: 0 },
    });
    const { killed, processes, ledger } = JSON.parse(stdout);
    expect(killed).toBe(processes - 1);
    // A guest of a hundred instructions may have come to none.
    if (guest !== 'hello') expect(ledger.accesses.retired).toBeGreaterThan(0);
    // The file over all processes, for the checker that took no part.
    const check = trapline('ledger', 'check', join(into, 'ledger.jsonl'));
    expect(check.stdout).toContain('every access happened exactly once, in order');
  },
);

it('Ctrl-C ends a run under checkpoints at a checkpoint', async () => {
  const image = join(folder, 'interrupted');
  const args = ['run', 'counter', '--iterations', '0', '--max-instructions', '1000000000000'];
  const child = spawn(
    process.execPath,
    [main, ...args, '--image', image, '--checkpoint-every', '5000', '--no-fsync', '--json'],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  const gone = new Promise((resolve) => child.once('close', resolve));
  while (!existsSync(image)) await new Promise((then) => setTimeout(then, 20));
  child.kill('SIGINT');
  const status = await gone;
  expect(status).toBe(130);
  const { state, dropped } = loadImageBytes(new Uint8Array(readFileSync(image)));
  expect(dropped).toBeNull();
  // The last checkpoint is where the run ended.
  expect(JSON.parse(stdout)).toMatchObject({
    outcome: 'interrupted',
    instructions: state.vcpus[0].icount,
    checkpoints: { last: state.checkpoint },
  });
});

it.each([
  ['devices on the thread of the vCPU', []],
  ['devices in threads', ['--threads']],
])('Ctrl-C in a chain stops it: %s', { timeout: 120_000 }, async (_, more) => {
  const into = mkdtempSync(join(folder, 'stopped-'));
  const args = ['--image', into, '--restore', 'fresh', '--checkpoints', '100000', '--no-fsync'];
  const child = spawn(process.execPath, [main, 'stress', 'counter', ...args, ...more, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const gone = new Promise((resolve) => child.once('close', resolve));
  while (!existsSync(join(into, 'image'))) await new Promise((then) => setTimeout(then, 20));
  // As a terminal does: to the whole group.
  process.kill(-(child.pid ?? 0), 'SIGINT');
  expect(await gone).toBe(130);
  expect(stderr).toBe('trapline: stopping; once more to quit at once\n');
  const said = JSON.parse(stdout);
  expect(said).toMatchObject({ outcome: 'interrupted', forgotten: 0, problem: null });
  // The last checkpoint is whole, and the guest goes on from it.
  const { state } = loadImageBytes(new Uint8Array(readFileSync(join(into, 'image'))));
  expect(state.checkpoint).toBe(said.checkpoints);
  const limit = `${state.vcpus[0].icount + 1000}`;
  const on = trapline('restore', join(into, 'image'), '--max-instructions', limit, '--json');
  expect(JSON.parse(on.stdout)).toMatchObject({ outcome: 'limit', instructions: Number(limit) });
});

it('damage is one line with record and offset, and exit code 2', () => {
  const image = smallImage();
  const file = join(folder, 'damaged');
  image[5000] = (image[5000] ?? 0) ^ 1;
  writeFileSync(file, image);
  for (const command of ['restore', 'verify']) {
    const { status, stderr, stdout } = trapline(command, file);
    expect(stderr).toMatch(
      /^trapline: image: record 4 \(HVM_CONTEXT\) at offset \d+: the image is damaged at this record or before it: [^\n]* \[HVM_IMAGE\]\n$/,
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  }
  writeFileSync(file, image.subarray(0, 20_000));
  const { status, stdout } = trapline('inspect', file, '--json');
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    records: [{ type: 'STATIC_DATA_END', offset: 40 }],
    damage: expect.stringContaining('record 1 (PAGE_DATA) at offset 56: the stream is cut off'),
  });
});

it('diff says what a guest did', () => {
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  trapline('save', 'counter', '--after', '100', '--output', a);
  trapline('save', 'counter', '--after', '122', '--output', b);
  const { status, stdout } = trapline('diff', a, b, '--json');
  expect(status).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({
    same: false,
    devices: [{ field: 'counter@0x200-0x207.low', before: '8', after: '10' }],
    registers: expect.arrayContaining([{ field: 'tsc', before: '0x64', after: '0x7a' }]),
  });
  expect(trapline('diff', a, a).status).toBe(0);
});
