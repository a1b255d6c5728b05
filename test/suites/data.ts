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

/** The suites in a folder: it holds one of them, or folders that do. */
export function suiteFolders(folder: string): Record<'sst-80286-real' | 'artlav-80186', string[]> {
  const found = { 'sst-80286-real': [] as string[], 'artlav-80186': [] as string[] };
  for (const one of [folder, join(folder, 'sst-80286-real'), join(folder, 'artlav-80186')]) {
    const names =
      existsSync(one) && lstatSync(join(one, '.')).isDirectory() ? readdirSync(one) : [];
    const tests = names.includes('metadata.json') && names.some((name) => name.endsWith('.MOO.gz'));
    if (tests) found['sst-80286-real'].push(one);
    if (names.some((name) => /^res_.*\.bin$/.test(name))) found['artlav-80186'].push(one);
  }
  return found;
}
