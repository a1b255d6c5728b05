// SPDX-License-Identifier: GPL-2.0-only
// The part of set-up that npm cannot do: compilers, NASM, Unicorn, Node's headers, by way of apt.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { findUnicorn } from '../native/find-unicorn.mjs';
import { CannotRun, run } from './lib.mjs';

/** The full path of a program on PATH, or null. Looks only: nothing is started. */
export function findProgram(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here: the next folder.
    }
  }
  return null;
}

function headersMatch(prefix) {
  const file = join(prefix, 'include', 'node', 'node_version.h');
  if (!existsSync(file)) return false;
  const text = readFileSync(file, 'utf8');
  const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)?.[1];
  return `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}` === process.versions.node;
}

/**
 * The prefix of Node's own headers for the running version, for node-gyp's `--nodedir`: beside the
 * executable (official archives, version managers) or /usr (Debian, NodeSource).
 * @returns null when there are none; node-gyp then uses npm's `nodedir` or downloads them
 */
export function findNodeHeaders() {
  const beside = dirname(dirname(realpathSync(process.execPath)));
  return [beside, '/usr', '/usr/local'].find(headersMatch) ?? null;
}

/** Debian's own nodejs keeps its headers in a package of their own, of the same version. */
function debianHeadersAreMissing() {
  if (findNodeHeaders() !== null || (process.env.npm_config_nodedir ?? '') !== '') return false;
  if (findProgram('dpkg-query') === null || realpathSync(process.execPath) !== '/usr/bin/node') {
    return false;
  }
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own syntax for a field
  const query = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', 'libnode-dev'], {
    encoding: 'utf8',
  });
  return query.stdout !== 'installed';
}

/** What is started or included, and the Debian package it comes in; `tests`: by the tests alone. */
const NEEDED = [
  { what: 'g++', package: 'g++', present: () => findProgram('g++') !== null },
  { what: 'make', package: 'make', present: () => findProgram('make') !== null },
  { what: 'python3', package: 'python3', present: () => findProgram('python3') !== null },
  { what: 'nasm', package: 'nasm', present: () => findProgram('nasm') !== null },
  { what: 'pkg-config', package: 'pkg-config', present: () => findProgram('pkg-config') !== null },
  {
    what: 'libunicorn.a and its header',
    package: 'libunicorn-dev',
    present: () => findUnicorn() !== null,
  },
  { what: "Node's headers", package: 'libnode-dev', present: () => !debianHeadersAreMissing() },
  {
    what: 'chromium',
    package: 'chromium',
    present: () => findProgram('chromium') !== null,
    tests: true,
  },
  {
    what: 'parallel',
    package: 'parallel',
    present: () => findProgram('parallel') !== null,
    tests: true,
  },
  {
    what: 'SeaBIOS',
    package: 'seabios',
    present: () => existsSync('/usr/share/seabios/bios.bin'),
    tests: true,
  },
  {
    what: "Bochs's BIOS",
    package: 'bochsbios',
    present: () => existsSync('/usr/share/bochs/BIOS-bochs-legacy'),
    tests: true,
  },
  {
    what: 'the LGPL VGA BIOS',
    package: 'vgabios',
    present: () => existsSync('/usr/share/vgabios/vgabios.bin'),
    tests: true,
  },
];

/**
 * Installs what is missing through apt when that is possible.
 * @param options.tests - also what only the tests need
 * @throws {CannotRun} otherwise, with the command to type
 */
export function installSystemPackages({ tests = false } = {}) {
  const needed = NEEDED.filter((need) => tests || need.tests !== true);
  const missing = needed.filter((need) => !need.present());
  if (missing.length === 0) return;
  if (process.env.UNICORN_DIR && missing.some((need) => need.package === 'libunicorn-dev')) {
    throw new CannotRun(
      `UNICORN_DIR=${process.env.UNICORN_DIR} holds no include/unicorn/unicorn.h with libunicorn.a; correct it, or: unset UNICORN_DIR`,
    );
  }
  const packages = missing.map((need) => need.package);
  const names = missing.map((need) => need.what).join(', ');
  if (findProgram('apt-get') === null) {
    throw new CannotRun(
      `missing: ${names}, and there is no apt-get here. On Debian or Ubuntu the command is: sudo apt-get install -y ${packages.join(' ')}`,
    );
  }
  const typed = `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (process.getuid?.() !== 0) throw new CannotRun(`missing: ${names}. Type: ${typed}`);
  const failure = `system packages cannot be installed (${packages.join(' ')}). Type: ${typed}`;
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=120'];
  run('refreshing the package lists', 'apt-get', [...wait, 'update'], { failure, env });
  run(
    `installing ${packages.join(' ')}`,
    'apt-get',
    [...wait, 'install', '-y', '--no-install-recommends', ...packages],
    { failure, env },
  );
  const still = needed.filter((need) => !need.present()).map((need) => need.what);
  if (still.length > 0) throw new CannotRun(`still missing after ${typed}: ${still.join(', ')}`);
}
