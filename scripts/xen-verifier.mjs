// SPDX-License-Identifier: GPL-2.0-only
// Xen's own stream verifier, for the tests: installed, or unpacked from Debian's package into build/.
// Unpacked, not installed: the package wants a newer systemd, and nothing of it but one Python program is needed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CannotRun, ROOT, say } from './lib.mjs';

const PACKAGE = 'xen-utils-4.17';
const FOLDER = join(ROOT, 'build', 'xen-utils');
const PROGRAM = join('bin', 'verify-stream-v2');

/** `{ program, library }` of the newest one below `root`, or null. */
function lookIn(root) {
  const lib = join(root, 'usr', 'lib');
  if (!existsSync(lib)) return null;
  const versions = readdirSync(lib)
    .filter((name) => /^xen-\d/.test(name))
    .sort();
  for (const name of versions.reverse()) {
    const program = join(lib, name, PROGRAM);
    if (existsSync(program)) return { program, library: join(lib, name, 'lib', 'python') };
  }
  return null;
}

/** Where it is, or null. */
export function findXenVerifier() {
  return lookIn('/') ?? lookIn(FOLDER);
}

/** Makes sure that it is there. @throws {CannotRun} with the command to type */
export function installXenVerifier() {
  if (findXenVerifier() !== null) return;
  const typed = `apt-get download ${PACKAGE} && dpkg -x ${PACKAGE}_*.deb ${FOLDER}`;
  const failure = `Xen's verify-stream-v2 is missing and cannot be fetched. Type: ${typed}`;
  mkdirSync(join(ROOT, 'build'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, 'build', 'xen-utils-'));
  const run = (command, ...args) => spawnSync(command, args, { cwd: folder, encoding: 'utf8' });
  try {
    say(`fetching ${PACKAGE} for its verifier ...`);
    let got = run('apt-get', 'download', PACKAGE);
    if (got.status !== 0 && process.getuid?.() === 0) {
      run('apt-get', 'update');
      got = run('apt-get', 'download', PACKAGE);
    }
    const deb = readdirSync(folder).find((name) => name.endsWith('.deb'));
    if (got.status !== 0 || deb === undefined) throw new CannotRun(failure);
    if (run('dpkg', '-x', deb, 'unpacked').status !== 0) throw new CannotRun(failure);
    rmSync(FOLDER, { recursive: true, force: true });
    renameSync(join(folder, 'unpacked'), FOLDER);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (findXenVerifier() === null) throw new CannotRun(failure);
}

// node scripts/xen-verifier.mjs: fetched, if it is not there.
if (process.argv[1] === fileURLToPath(import.meta.url)) CannotRun.orExit(installXenVerifier);
