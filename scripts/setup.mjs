// SPDX-License-Identifier: GPL-2.0-only
// Brings a clean clone to a runnable state, and says nothing when it already is: system packages,
// npm packages, the native addon, dist/. Plain JavaScript without dependencies: it runs before any is there.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findUnicorn } from '../native/find-unicorn.mjs';
import { CannotRun, hashOf, isMain, ROOT, readStamp, run, say, writeStamp } from './lib.mjs';
import { findNodeHeaders, installSystemPackages } from './system.mjs';
import { installXenVerifier } from './xen-verifier.mjs';

const NODE_MINIMUM = [20, 18];

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [needMajor, needMinor] = NODE_MINIMUM;
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return;
  throw new CannotRun(
    `Node ${process.versions.node} is too old: ${needMajor}.${needMinor} or newer is needed (https://nodejs.org)`,
  );
}

/** Whether every package that the lock file demands here is in node_modules, in that version. */
function npmPackagesAreInstalled() {
  const installedFile = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' ||
      (installed[path] === undefined ? optional === true : installed[path].version === version),
  );
}

function installNpmPackages() {
  if (npmPackagesAreInstalled()) return;
  // No install scripts: the only one of interest is our own addon's, which is built below.
  run('installing npm packages', 'npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    failure: 'npm packages cannot be installed; the command was: npm ci --ignore-scripts',
  });
}

/** What the addon is built from: the same for the same result. */
export function addonIdentity() {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  return hashOf(['native', 'binding.gyp'], {
    abi: process.versions.modules,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    header: lock.packages['node_modules/node-addon-api']?.version,
    unicorn: hashOf([findUnicorn().archive], {}),
  });
}

function buildAddon() {
  const addon = join(ROOT, 'build', 'Release', 'trapline.node');
  // The stamp lives beside the addon because node-gyp clears build/ before it builds.
  const stamp = join(ROOT, 'build', 'Release', '.trapline-stamp');
  const identity = addonIdentity();
  if (existsSync(addon) && readStamp(stamp) === identity) return;
  const headers = findNodeHeaders();
  const nodeGyp = join(ROOT, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const args = [nodeGyp, 'rebuild', ...(headers === null ? [] : [`--nodedir=${headers}`])];
  run('building the native addon', process.execPath, args, {
    failure: `the native addon does not build; the command was: node ${args.join(' ')}`,
    exit: 70,
  });
  writeStamp(stamp, identity);
}

function buildDist() {
  const dist = join(ROOT, 'dist');
  const stamp = join(dist, '.trapline-stamp');
  const identity = hashOf(
    ['src', 'scripts/help-pages.mjs', 'tsconfig.json', 'tsconfig.build.json'],
    {
      typescript: JSON.parse(
        readFileSync(join(ROOT, 'node_modules', 'typescript-7', 'package.json'), 'utf8'),
      ).version,
    },
  );
  if (readStamp(stamp) === identity) return;
  // A file whose source is gone must not stay.
  rmSync(dist, { recursive: true, force: true });
  const tsc = join(ROOT, 'node_modules', 'typescript-7', 'bin', 'tsc');
  run('compiling src/ to dist/', process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    failure: 'src/ does not compile; the command was: npx tsc -p tsconfig.build.json',
    exit: 70,
  });
  run('writing down the help', process.execPath, [join(ROOT, 'scripts', 'help-pages.mjs')], {
    failure: 'the help cannot be written; the command was: node scripts/help-pages.mjs',
    exit: 70,
  });
  writeStamp(stamp, identity);
}

/**
 * Installs and builds whatever is missing or out of date.
 * @param options.tests - also what only the tests need
 * @throws {CannotRun} with the command that a person has to type
 */
export function setUp(options = {}) {
  checkNode();
  installSystemPackages(options);
  installNpmPackages();
  buildAddon();
  buildDist();
  // Behind the addon, whose build clears the folder that it is kept in.
  if (options.tests === true) installXenVerifier();
}

if (isMain(import.meta.url)) {
  CannotRun.orExit(() => {
    setUp();
    say('ready');
  });
}
