// SPDX-License-Identifier: GPL-2.0-only
// `npm start`: sets up, then the main job: the race without and with the fix, and a short stress run.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { CannotRun, ROOT } from './lib.mjs';
import { setUp } from './setup.mjs';

const JOBS = [['race'], ['stress', 'counter', '--checkpoints', '20000', '--seed', '1']];

CannotRun.orExit(() => setUp());
for (const job of JOBS) {
  process.stdout.write(`\n$ trapline ${job.join(' ')}\n`);
  const main = join(ROOT, 'dist', 'cli', 'main.js');
  const { status, signal } = spawnSync(process.execPath, [main, ...job], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (status !== 0) {
    process.exitCode = status ?? (signal === 'SIGINT' ? 130 : 143);
    break;
  }
}
