// SPDX-License-Identifier: GPL-2.0-only
// Runs a TypeScript program of bench/ or test/: node scripts/run-tool.mjs bench/main.ts [arguments].
// Sets up, compiles what changed to build/tools/ (Node 20 runs no TypeScript), then runs it.

import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { CannotRun, hashOf, ROOT, readStamp, run, writeStamp } from './lib.mjs';
import { setUp } from './setup.mjs';

function buildTools() {
  const tools = join(ROOT, 'build', 'tools');
  const stamp = join(tools, '.trapline-stamp');
  const sources = ['src', 'test', 'bench', 'tsconfig.json', 'tsconfig.tools.json'];
  const identity = hashOf(sources, { node: process.versions.node });
  if (readStamp(stamp) === identity) return;
  rmSync(tools, { recursive: true, force: true });
  const tsc = join(ROOT, 'node_modules', 'typescript-7', 'bin', 'tsc');
  run('compiling the tools', process.execPath, [tsc, '-p', 'tsconfig.tools.json'], {
    failure: 'the tools do not compile; the command was: npx tsc -p tsconfig.tools.json',
    exit: 70,
  });
  // The compiled src/ finds the addon, the guests, native/ and package.json two folders above its own.
  for (const name of ['build', 'guests', 'native', 'package.json']) {
    symlinkSync(join(ROOT, name), join(tools, name));
  }
  writeStamp(stamp, identity);
}

const [source, ...args] = process.argv.slice(2);
CannotRun.orExit(() => {
  if (source === undefined || !existsSync(join(ROOT, source))) {
    throw new CannotRun(`no such program: ${source}; expected a .ts file of bench/ or test/`, 2);
  }
  setUp();
  buildTools();
});
const program = join(ROOT, 'build', 'tools', source.replace(/\.ts$/, '.js'));
// The caller's folder stays the current one: file arguments mean what was typed.
const { status, signal } = spawnSync(process.execPath, [program, ...args], { stdio: 'inherit' });
process.exitCode = status ?? (signal === 'SIGINT' ? 130 : 143);
