// SPDX-License-Identifier: GPL-2.0-only
// In a root with Node, npm, a shell and the C library, and nothing else, without a network: the package installs and
// shows the race. `node scripts/bare-root.mjs --debootstrap` does the same in a Debian made for it.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../helpers/markdown.ts';
import { bareRoot } from './packed.ts';

test('npm install and npx trapline race, offline, without a compiler', { timeout: 300_000 }, () => {
  const root = join(ROOT, 'build', 'bare-root');
  bareRoot.makeRoot(root);
  const { status, stdout, stderr, cpuS } = bareRoot.tryPackage(
    root,
    bareRoot.pack(join(root, 'packed')),
  );
  expect(stderr).not.toMatch(/npm error/);
  expect(stdout).toContain('added 1 package');
  expect(stdout).toContain('without the fix a value is lost; with it none is');
  expect(status).toBe(0);
  // Of work, not by the clock: this machine may have other things to do.
  expect(cpuS).toBeGreaterThan(0);
  expect(cpuS).toBeLessThan(10);
});
