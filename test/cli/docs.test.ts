// SPDX-License-Identifier: GPL-2.0-only
// The generated pages are those of the program, links lead somewhere, and the architecture page names every layer.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { EXIT_CODES } from '../../src/cli/exit-codes.ts';
import { COMMANDS, runCli } from '../../src/cli/program.ts';
import { ERROR_CODES } from '../../src/util/errors.ts';
import { documents, linksOf, ROOT, textOf } from '../helpers/markdown.ts';

interface Generator {
  generatedPages(program: Record<string, unknown>): Promise<Map<string, string>>;
  stalePages(pages: Map<string, string>, root: string): string[];
}
const generator = (await import(
  new URL('../../scripts/docs.mjs', import.meta.url).href
)) as Generator;
const program = { COMMANDS, runCli, ERROR_CODES, EXIT_CODES };

it('docs/cli.md and docs/errors.md are what `node scripts/docs.mjs` writes', async () => {
  const pages = await generator.generatedPages(program);
  expect(generator.stalePages(pages, ROOT)).toEqual([]);
  expect([...pages.keys()]).toEqual(['docs/cli.md', 'docs/errors.md']);
  for (const code of Object.keys(ERROR_CODES)) expect(pages.get('docs/errors.md')).toContain(code);
  for (const { name } of COMMANDS) {
    expect(pages.get('docs/cli.md')).toContain(`\n## trapline ${name}\n`);
  }
});

it('a page that is missing or different counts as stale', async () => {
  const pages = await generator.generatedPages(program);
  const root = mkdtempSync(join(tmpdir(), 'trapline-docs-'));
  try {
    mkdirSync(join(root, 'docs'));
    writeFileSync(join(root, 'docs/cli.md'), `${pages.get('docs/cli.md')} `);
    expect(generator.stalePages(pages, root)).toEqual(['docs/cli.md', 'docs/errors.md']);
  } finally {
    rmSync(root, { recursive: true });
  }
});

it.each(documents())('%s links only to files that exist', (document) => {
  const broken = linksOf(textOf(document)).filter(
    (target) => !existsSync(join(ROOT, dirname(document), target)),
  );
  expect(broken).toEqual([]);
});

it('ARCHITECTURE.md has a row for every folder of src/', () => {
  const text = textOf('ARCHITECTURE.md');
  const folders = readdirSync(join(ROOT, 'src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'xen')
    .map((entry) => entry.name);
  for (const folder of [...folders, 'xen/public', 'xen/common', 'xen/hvm']) {
    expect(text, folder).toMatch(new RegExp(`^\\| [^|]+\\| [^|]*\`${folder}/\``, 'm'));
  }
});
