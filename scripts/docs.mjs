// SPDX-License-Identifier: GPL-2.0-only
// Writes the pages that say what the program says: docs/cli.md and docs/errors.md. With --check it writes nothing,
// names the pages that are out of date, and exits with 1.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { helpPages } from './help-pages.mjs';
import { CannotRun, isMain, ROOT } from './lib.mjs';
import { setUp } from './setup.mjs';

const NOTICE = '<!-- Written by scripts/docs.mjs: change the program, then run it again. -->';

async function cliPage({ COMMANDS, EXIT_CODES, runCli }) {
  const pages = await helpPages({ COMMANDS, runCli });
  const lines = [
    '# The command line',
    '',
    NOTICE,
    '',
    'Results go to stdout, progress and errors to stderr. `--json` prints one document, described by a JSON Schema in `schemas/`; errors too. An error is one line that ends in its code, see [errors.md](errors.md).',
    '',
    '| Exit code | Meaning |',
    '|---|---|',
    ...Object.entries(EXIT_CODES).map(([code, meaning]) => `| ${code} | ${meaning} |`),
    '',
    '## trapline',
    '',
    '```',
    pages[''].trimEnd(),
    '```',
  ];
  for (const { name } of COMMANDS) {
    lines.push('', `## trapline ${name}`, '', '```', pages[name].trimEnd(), '```');
  }
  return `${lines.join('\n')}\n`;
}

function errorsPage({ ERROR_CODES, EXIT_CODES }) {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, { exit, meaning }]) => `| \`${code}\` | ${exit} | ${meaning} |`,
  );
  const lines = [
    '# Errors',
    '',
    NOTICE,
    '',
    'What the caller or the machine causes is an `HvmError` with one of these codes: `code` is API, the message is not. Nothing a guest does throws. `isHvmError()` recognises one across workers and copies of the package.',
    '',
    '| Code | Exit code | Meaning |',
    '|---|---|---|',
    ...rows,
    '',
    `A broken invariant of our own is a \`BugError\` without a code: exit code 70, ${EXIT_CODES[70]}.`,
    '',
    'The exit codes of the program are in [cli.md](cli.md).',
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * The text of every generated page, by its path in the repository.
 * @param program `COMMANDS`, `runCli`, `ERROR_CODES` and `EXIT_CODES`, of src/ or of dist/
 */
export async function generatedPages(program) {
  return new Map([
    ['docs/cli.md', await cliPage(program)],
    ['docs/errors.md', errorsPage(program)],
  ]);
}

/** Paths of the pages under `root` that are missing or say something else. */
export function stalePages(pages, root) {
  return [...pages.keys()].filter((path) => {
    const file = join(root, path);
    return !existsSync(file) || readFileSync(file, 'utf8') !== pages.get(path);
  });
}

if (isMain(import.meta.url)) {
  const check = process.argv.includes('--check');
  CannotRun.orExit(() => setUp());
  const pages = await generatedPages({
    ...(await import('../dist/cli/program.js')),
    ...(await import('../dist/cli/exit-codes.js')),
    ...(await import('../dist/util/errors.js')),
  });
  const stale = stalePages(pages, ROOT);
  if (!check) for (const path of stale) writeFileSync(join(ROOT, path), pages.get(path));
  for (const path of stale) {
    console.log(check ? `${path} is out of date: node scripts/docs.mjs` : `wrote ${path}`);
  }
  if (check && stale.length > 0) process.exitCode = 1;
}
