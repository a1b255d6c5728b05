// SPDX-License-Identifier: GPL-2.0-only
// Builds prebuilds/<platform>/trapline.<libc>.node with prebuildify: the addon as the package carries it, for N-API,
// stripped, with the emulator inside. Runs before `npm pack`; says nothing when it is up to date.
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { CannotRun, isMain, ROOT, readStamp, run, writeStamp } from './lib.mjs';
import { addonIdentity, setUp } from './setup.mjs';
import { findNodeHeaders } from './system.mjs';

/** @throws {CannotRun} when it cannot be built here */
export function prebuild() {
  const platform = `${process.platform}-${process.arch}`;
  const folder = join(ROOT, 'prebuilds', platform);
  const stamp = join(ROOT, 'build', 'prebuild', `${platform}.stamp`);
  const identity = addonIdentity();
  if (readStamp(stamp) === identity && addonIn(folder)) return;
  // In a copy: node-gyp clears the build folder of where it builds, and others run from ours.
  const stage = join(ROOT, 'build', 'prebuild', 'stage');
  rmSync(stage, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  for (const name of ['package.json', 'binding.gyp', 'native']) {
    cpSync(join(ROOT, name), join(stage, name), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(stage, 'node_modules'));
  const prebuildify = join(ROOT, 'node_modules', 'prebuildify', 'bin.js');
  const args = [prebuildify, '--napi', '--strip', '--tag-libc', '--cwd', stage, '--out', ROOT];
  const headers = findNodeHeaders();
  run(`building prebuilds/${platform}`, process.execPath, args, {
    failure: `the prebuilt addon does not build; the command was: node ${args.join(' ')}`,
    exit: 70,
    env: headers === null ? {} : { npm_config_nodedir: headers },
  });
  if (!addonIn(folder)) throw new CannotRun(`prebuildify left nothing in ${folder}`, 70);
  writeStamp(stamp, identity);
}

function addonIn(folder) {
  try {
    return readdirSync(folder).some((name) => name.endsWith('.node'));
  } catch {
    return false;
  }
}

if (isMain(import.meta.url)) {
  CannotRun.orExit(() => {
    setUp();
    prebuild();
  });
}
