// SPDX-License-Identifier: GPL-2.0-only
// Where the third-party suites are. They are read where they lie and are no part of the repository.
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json itself: compiled programs lie beside a symbolic link to it. */
export function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!lstatSync(join(folder, 'package.json'), { throwIfNoEntry: false })?.isFile()) {
    const above = dirname(folder);
    if (above === folder) throw new Error('no package.json above this file');
    folder = above;
  }
  return folder;
}

/** The folder of the suites: `TRAPLINE_GUESTS`, or `../shared/guests` beside the project. It need not exist. */
export function guestsFolder(env: NodeJS.ProcessEnv = process.env): string {
  const named = env.TRAPLINE_GUESTS;
  return named === undefined || named === ''
    ? resolve(projectRoot(), '../shared/guests')
    : resolve(named);
}

/** Why a suite cannot run, in one sentence; null if its folder is there. */
export function absence(suite: string, env: NodeJS.ProcessEnv = process.env): string | null {
  const folder = join(guestsFolder(env), suite);
  if (existsSync(folder)) return null;
  return `the suite ${suite} is not at ${folder}; TRAPLINE_GUESTS names the folder it is in`;
}

export type Suite = 'sst-80286-real' | 'sst-80386-real' | 'artlav-80186';
const SUITES: readonly Suite[] = ['sst-80286-real', 'sst-80386-real', 'artlav-80186'];

/** The suites in a folder: it holds one of them, or folders that do. */
export function suiteFolders(folder: string): Record<Suite, string[]> {
  const found: Record<Suite, string[]> = {
    'sst-80286-real': [],
    'sst-80386-real': [],
    'artlav-80186': [],
  };
  for (const one of [folder, ...SUITES.map((suite) => join(folder, suite))]) {
    const names =
      existsSync(one) && lstatSync(join(one, '.')).isDirectory() ? readdirSync(one) : [];
    // Those of a 386 come without a metadata.json.
    if (names.some((name) => /\.MOO(?:\.gz)?$/.test(name)))
      found[names.includes('metadata.json') ? 'sst-80286-real' : 'sst-80386-real'].push(one);
    if (names.some((name) => /^res_.*\.bin$/.test(name))) found['artlav-80186'].push(one);
  }
  return found;
}
