// SPDX-License-Identifier: GPL-2.0-only
// Looks at the package as it would be published: what is in it and how large, publint, and the types of every export.
// Prints a line for each look; exit code 1 if one of them is not clean.
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pack } from './bare-root.mjs';
import { CannotRun, isMain, ROOT } from './lib.mjs';

const MIB = 2 ** 20;
/** Bytes. What is over it needs a look at why, then a new number here. */
const BUDGET = { packed: 3 * MIB, unpacked: 12 * MIB, ours: 5 * MIB, addon: 1.5 * MIB };

/** Everything that may be in it, and what has to be. */
const ALLOWED =
  /^(dist\/.*\.(js|d\.ts)|dist\/cli\/help-pages\.json|prebuilds\/[a-z0-9-]+\/trapline(\.[a-z]+)?\.node|native\/.*|binding\.gyp|schemas\/.*\.json|guests\/.*\.(json|bin|asm)|examples\/.*|node_modules\/(commander|node-gyp-build|zod)\/.*|README\.md|LICENSE|THIRD-PARTY\.md|package\.json)$/;
const REQUIRED = [
  'LICENSE',
  'THIRD-PARTY.md',
  'README.md',
  'binding.gyp',
  'native/addon.cc',
  'guests/counter/counter.bin',
  'schemas/trapline.race-1.json',
  `prebuilds/${process.platform}-${process.arch}/`,
  'node_modules/zod/LICENSE',
  'node_modules/commander/LICENSE',
  'node_modules/node-gyp-build/LICENSE',
];

function contents(tarball) {
  const { stdout, status, stderr } = spawnSync('tar', ['-tvzf', tarball], { encoding: 'utf8' });
  if (status !== 0) throw new CannotRun(`${tarball} cannot be read: ${stderr}`, 1);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [, , size, , , ...name] = line.split(/\s+/);
      return { path: name.join(' ').replace(/^package\//, ''), size: Number(size) };
    });
}

/** What is wrong with the content, a sentence each. */
function look(files, packedBytes) {
  const { exports, bin, dependencies, bundleDependencies } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  );
  const targets = [...Object.values(exports), bin.trapline]
    .flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)))
    .map((path) => path.replace('./', ''));
  const sum = (some) => some.reduce((total, { size }) => total + size, 0);
  const sizes = {
    packed: packedBytes,
    unpacked: sum(files),
    ours: sum(files.filter(({ path }) => !path.startsWith('node_modules/'))),
    addon: sum(files.filter(({ path }) => path.startsWith('prebuilds/'))),
  };
  for (const [what, bytes] of Object.entries(sizes)) {
    const limit = (BUDGET[what] / MIB).toFixed(1);
    process.stdout.write(`${what.padEnd(9)} ${(bytes / MIB).toFixed(2)} MiB of ${limit}\n`);
  }
  return [
    ...files.filter(({ path }) => !ALLOWED.test(path)).map(({ path }) => `${path} is not wanted`),
    ...[...REQUIRED, ...targets]
      .filter((want) => !files.some(({ path }) => path.startsWith(want)))
      .map((want) => `${want} is missing`),
    ...Object.keys(dependencies)
      .filter((name) => !bundleDependencies.includes(name))
      .map((name) => `dependency ${name} is not bundled: it could not be installed offline`),
    ...Object.entries(sizes)
      .filter(([what, bytes]) => bytes > BUDGET[what])
      .map(([what]) => `${what} is over its budget`),
  ];
}

function tool(name, args) {
  const program = join(ROOT, 'node_modules', '.bin', name);
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8' });
  process.stdout.write(`${name.padEnd(9)} ${status === 0 ? 'clean' : 'not clean'}\n`);
  if (status !== 0) process.stdout.write(stdout + stderr);
  return status === 0;
}

if (isMain(import.meta.url)) {
  CannotRun.orExit(() => {
    const tarball = pack();
    const problems = look(contents(tarball), statSync(tarball).size);
    for (const problem of problems) process.stdout.write(`${problem}\n`);
    const clean = [
      tool('publint', ['run', tarball, '--strict']),
      tool('attw', [tarball, '--profile', 'esm-only']),
    ];
    process.exitCode = problems.length === 0 && clean.every(Boolean) ? 0 : 1;
  });
}
