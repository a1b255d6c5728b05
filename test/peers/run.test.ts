// SPDX-License-Identifier: GPL-2.0-only
// The built program beside a real peer: its document, and that Ctrl-C and a hanging peer leave nothing behind. Needs
// dist/, which `npm test` builds.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { benchSchema } from '../../src/cli/bench-schemas.ts';
import { ROOT } from '../helpers/markdown.ts';

const MAIN = join(ROOT, 'dist', 'cli', 'main.js');
const TIMEOUT = { timeout: 120_000 };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-bench-run-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function bench(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'bench', ...args], {
    encoding: 'utf8',
    env: { ...process.env, TMPDIR: folder },
  });
  return { status, stdout, stderr };
}

it('gives ratios of loops beside v86, by <loop>/<peer>', TIMEOUT, () => {
  const { status, stdout } = bench('in/v86', '--time', '50ms', '--json');
  expect(status).toBe(0);
  const document = benchSchema.parse(JSON.parse(stdout));
  expect(document.peers).toMatchObject([{ name: 'v86', state: 'measured', reason: null }]);
  const [ours, theirs] = document.versus.results;
  expect([ours?.name, theirs?.name]).toEqual(['in/trapline', 'in/v86']);
  expect(ours?.samples).toBe(40);
  // Each row and each ratio is a median of its own: near each other, not equal.
  const [ratio] = document.versus.ratios;
  expect(document.ratios).toEqual({ 'in/v86': ratio?.median });
  expect(ratio?.median).toBeGreaterThan(0);
});

it('a v86 that is none is an error before anything is measured', TIMEOUT, () => {
  const { status, stdout, stderr } = bench('in/v86', '--v86', folder);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toContain(`--v86 '${folder}': expected the folder of the npm package v86`);
});

/** The npm package with another main file. */
function doctored(script: string): string {
  const copy = join(folder, 'v86');
  cpSync(join(ROOT, 'node_modules', 'v86', 'package.json'), join(copy, 'package.json'));
  cpSync(join(ROOT, 'node_modules', 'v86', 'build', 'v86.wasm'), join(copy, 'build', 'v86.wasm'));
  writeFileSync(join(copy, 'build', 'libv86.mjs'), script);
  return copy;
}

it('a peer that breaks is a line', TIMEOUT, () => {
  const broken = doctored("throw new Error('no such emulator');");
  const { status, stdout } = bench('in/v86', '--v86', broken, '--time', '50ms', '--json');
  expect(status).toBe(0);
  const { peers, ratios } = benchSchema.parse(JSON.parse(stdout));
  expect(peers).toMatchObject([{ name: 'v86', state: 'failed' }]);
  expect(peers[0]?.reason).toMatch(/^in: it ended \(1\)/);
  expect(ratios).toEqual({});
});

/** Processes started by `child`. */
function childrenOf(child: ChildProcess): number[] {
  const text = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

it.each([
  ['SIGINT', 130],
  ['SIGKILL', null],
] as const)('%s ends the peers too', TIMEOUT, async (signal, status) => {
  const args = ['bench', 'in/v86', '--time', '60s', '--json'];
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, TMPDIR: folder },
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  await expect.poll(() => childrenOf(child).length).toBe(2);
  const peers = childrenOf(child);
  child.kill(signal);
  expect(await ended).toBe(status);
  await expect.poll(() => peers.filter(alive)).toEqual([]);
  if (status === 130) {
    const document = benchSchema.parse(JSON.parse(stdout));
    expect(document.versus).toEqual({ results: [], ratios: [] });
    expect(readdirSync(folder)).toEqual([]);
  }
});

it('without a folder for temporary files it says so', TIMEOUT, () => {
  const env = { ...process.env, TMPDIR: '/nowhere' };
  const args = [MAIN, 'bench', 'in/v86', '--time', '50ms'];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr:
      'trapline: cannot make a folder /nowhere/trapline-peers-*, which peers need [HVM_OUTPUT]\n',
  });
});
