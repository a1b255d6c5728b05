// SPDX-License-Identifier: GPL-2.0-only
// The package in a root with nothing but Node and npm, without a network: installs it there and runs `trapline race`.
//   node scripts/bare-root.mjs [--debootstrap]
// Without the option the root is made of files of this machine: node and npm, sh, env and the libraries that they name.
// With it, it is a Debian made by debootstrap (root and a mirror needed), kept in build/debootstrap, and Node copied in.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CannotRun, isMain, ROOT, run, say } from './lib.mjs';
import { findProgram } from './system.mjs';

const SUITE = 'bookworm';
const LIMIT_S = 10;

/**
 * Packs into a folder, which is emptied first.
 * @returns {string} path of the .tgz
 */
export function pack(folder = join(ROOT, 'build', 'package')) {
  // Before the folder: a build of the addon empties what is around it.
  run('building', process.execPath, [join(ROOT, 'scripts', 'prebuild.mjs')], {
    failure: 'the addon cannot be built',
    exit: 1,
  });
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  run('packing', 'npm', ['pack', '--silent', '--pack-destination', folder], {
    failure: 'npm pack fails',
    exit: 1,
  });
  return join(folder, readdirSync(folder)[0]);
}

/** Copies a program and the shared libraries it names, to the same places. */
function addProgram(root, program, to = program) {
  const file = realpathSync(program);
  const { stdout } = spawnSync('ldd', [file], { encoding: 'utf8' });
  for (const path of [file, ...(stdout.match(/\/\S+/g) ?? [])]) {
    const target = join(root, path === file ? to : path);
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(path, target);
  }
}

function addNode(root) {
  addProgram(root, process.execPath, '/usr/bin/node');
  const npm = dirname(dirname(realpathSync(findProgram('npm'))));
  cpSync(npm, join(root, 'usr/lib/node_modules/npm'), { recursive: true });
  for (const name of ['npm', 'npx']) {
    const link = join(root, 'usr/bin', name);
    rmSync(link, { force: true });
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, link);
  }
}

/**
 * A root of this machine's own files.
 * @param {string} root a folder that is not there yet, or old
 */
export function makeRoot(root) {
  rmSync(root, { recursive: true, force: true });
  addNode(root);
  addProgram(root, findProgram('sh'), '/bin/sh');
  addProgram(root, findProgram('env'), '/usr/bin/env');
  for (const name of ['tmp', 'dev']) mkdirSync(join(root, name));
}

/** A Debian, made once. @throws {CannotRun} */
function makeDebian(root) {
  if (findProgram('debootstrap') === null || process.getuid?.() !== 0) {
    throw new CannotRun('debootstrap and root are needed: sudo apt-get install -y debootstrap');
  }
  if (!existsSync(join(root, 'etc', 'debian_version'))) {
    rmSync(root, { recursive: true, force: true });
    mkdirSync(root, { recursive: true });
    run(`debootstrap ${SUITE}`, 'debootstrap', ['--variant=minbase', SUITE, root], {
      failure: 'debootstrap fails: is there a mirror?',
    });
  }
  addNode(root);
}

/** How a command gets into a root without a network, in order of preference. */
const WAYS = [
  ['unshare', '--net', 'chroot'],
  ['unshare', '--user', '--map-root-user', '--net', 'chroot'],
];

/** @returns {string[]} the first way that works here. @throws {CannotRun} */
export function wayInto(root) {
  const found = WAYS.find(
    ([program, ...args]) => spawnSync(program, [...args, root, '/bin/sh', '-c', ':']).status === 0,
  );
  if (found === undefined) {
    throw new CannotRun(
      'neither root nor a user namespace: unshare(1) and chroot(1) must work here',
    );
  }
  return found;
}

const SCRIPT = `
set -e
cd /home/bare
npm install --no-audit --no-fund --no-update-notifier ./*.tgz
npx trapline race
for missing in cc g++ make python3; do ! command -v $missing || exit 90; done
times
`;

/**
 * Installs the package in the root and runs the race, with an empty environment and no network.
 * @param {string} root
 * @param {string} tarball
 * @returns what it printed, its exit code, seconds by the clock and of processor time
 */
export function tryPackage(root, tarball) {
  const home = join(root, 'home', 'bare');
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  copyFileSync(tarball, join(home, basename(tarball)));
  const [program, ...args] = wayInto(root);
  const inside = [
    '/usr/bin/env',
    '-i',
    'PATH=/usr/bin:/bin',
    'HOME=/home/bare',
    '/bin/sh',
    '-c',
    SCRIPT,
  ];
  const start = process.hrtime.bigint();
  const { status, stdout, stderr } = spawnSync(program, [...args, root, ...inside], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const wallS = Number(process.hrtime.bigint() - start) / 1e9;
  // The last line of `times`: user and system time of everything that was started.
  const times = [...(stdout.trimEnd().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  const cpuS = times.reduce((sum, [, m, s]) => sum + 60 * Number(m) + Number(s), 0);
  return { way: [program, ...args].join(' '), status, stdout, stderr, wallS, cpuS };
}

if (isMain(import.meta.url)) {
  CannotRun.orExit(() => {
    const debian = process.argv.includes('--debootstrap');
    const root = join(ROOT, 'build', debian ? 'debootstrap' : 'bare-root');
    const tarball = pack();
    if (debian) makeDebian(root);
    else makeRoot(root);
    const { way, status, stdout, stderr, wallS, cpuS } = tryPackage(root, tarball);
    process.stdout.write(stdout);
    process.stderr.write(stderr);
    say(`${way}: exit ${status}, ${wallS.toFixed(1)} s by the clock, ${cpuS.toFixed(1)} s of work`);
    process.exitCode = status === 0 && cpuS < LIMIT_S ? 0 : 1;
  });
}
