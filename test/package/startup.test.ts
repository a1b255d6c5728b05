// SPDX-License-Identifier: GPL-2.0-only
// What is loaded by --help and by importing the package: neither the addon nor zod nor any command. How long that takes
// is measured by `npm run bench:startup`. Needs dist/.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/program.ts';
import { ROOT } from '../helpers/markdown.ts';

const MAIN = join(ROOT, 'dist', 'cli', 'main.js');
/** Tells every module that is loaded, on stderr. */
const HOOK = `data:text/javascript,import { register } from 'node:module';
register('data:text/javascript,' + encodeURIComponent(\`
  import { writeSync } from 'node:fs';
  export async function load(url, context, next) { writeSync(2, url + '\\\\n'); return next(url, context); }\`));`;

function loadedBy(...args: string[]): { out: string; modules: string[] } {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', HOOK, ...args], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect(status).toBe(0);
  const own = new URL('../../', import.meta.url).href;
  return {
    out: stdout,
    modules: stderr
      .trim()
      .split('\n')
      .map((url) => url.replace(own, '')),
  };
}

describe('trapline --help', () => {
  test('loads two modules of ours', () => {
    const { modules } = loadedBy(MAIN, '--help');
    expect(modules).toEqual(['dist/cli/main.js', 'dist/cli/help-pages.js', 'node:fs']);
  });

  test('says what the program itself says, for every command', async () => {
    const { helpPages } = (await import(
      new URL('../../scripts/help-pages.mjs', import.meta.url).href
    )) as { helpPages(program: object): Promise<Record<string, string>> };
    const { runCli } = await import('../../src/cli/program.ts');
    const pages = await helpPages({ COMMANDS, runCli });
    expect(Object.keys(pages)).toHaveLength(COMMANDS.length + 1);
    for (const name of ['', 'run', 'ledger check']) {
      const words = name.split(' ').filter((word) => word !== '');
      expect(loadedBy(MAIN, ...words, '-h').out).toBe(pages[name]);
    }
  });

  test('a page that is not there comes from the program', () => {
    expect(loadedBy(MAIN, 'ledger', '--help').out).toContain('Usage: trapline ledger');
    expect(loadedBy(MAIN, 'help', 'run').out).toContain('Usage: trapline run');
  });
});

test('importing the package loads no addon, no zod, no machine', () => {
  const { modules } = loadedBy('--input-type=module', '-e', "await import('trapline');");
  expect(modules).toContain('dist/index.js');
  const heavy = /node_modules|\.node$|^dist\/(cpu|machine|toolstack|explore|image|cli)\//;
  expect(modules.filter((url) => heavy.test(url))).toEqual([]);
});

test('trapline/check and trapline/device-client load no addon and no zod', {
  timeout: 120_000,
}, () => {
  const { modules } = loadedBy(
    '--input-type=module',
    '-e',
    "await import('trapline/check'); await import('trapline/device-client');",
  );
  expect(modules.filter((url) => /node_modules|\.node$|^dist\/(cpu|machine)\//.test(url))).toEqual(
    [],
  );
});
