// SPDX-License-Identifier: GPL-2.0-only
// The help of every command as text. As a program: writes dist/cli/help-pages.json, which `trapline --help` prints from.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMain, ROOT } from './lib.mjs';

/** What a command prints, with nothing of this machine in it. */
async function printed(runCli, argv) {
  let text = '';
  const unused = () => {
    throw new Error('help must not run anything');
  };
  const io = {
    stdout: { write: (piece) => (text += piece), isTTY: false },
    stderr: { write: unused, isTTY: false },
    env: {},
    signals: { on() {}, off() {} },
    clock: { nowMs: () => 0 },
    quit: unused,
    breathe: unused,
  };
  const code = await runCli(argv, io);
  if (code !== 0) throw new Error(`trapline ${argv.join(' ')}: exit ${code}`);
  return text;
}

/**
 * The pages by command; that of the program itself is called ''.
 * @param program `COMMANDS` and `runCli`, of src/ or of dist/
 */
export async function helpPages({ COMMANDS, runCli }) {
  const pages = { '': await printed(runCli, ['--help']) };
  for (const { name } of COMMANDS) {
    pages[name] = await printed(runCli, [...name.split(' '), '--help']);
  }
  return pages;
}

if (isMain(import.meta.url)) {
  const pages = await helpPages(await import('../dist/cli/program.js'));
  writeFileSync(join(ROOT, 'dist', 'cli', 'help-pages.json'), JSON.stringify(pages));
}
