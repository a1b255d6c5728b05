// SPDX-License-Identifier: GPL-2.0-only
// `npm test`: sets up, then every test. Arguments go on to vitest: npm test -- test/unit.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { CannotRun, ROOT } from './lib.mjs';
import { prebuild } from './prebuild.mjs';
import { setUp } from './setup.mjs';

CannotRun.orExit(() => {
  setUp({ tests: true });
  // Tests of the package pack it, several at once.
  prebuild();
});
const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
const { status } = spawnSync(process.execPath, [vitest, 'run', ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
