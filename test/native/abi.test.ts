// SPDX-License-Identifier: GPL-2.0-only
// The page that the addon and TypeScript share has the same layout on both sides; and the check would notice if not.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const FILES = [
  'native/run_page.h',
  'native/posted_page.h',
  'src/cpu/run-page.ts',
  'src/cpu/posted-page.ts',
  'src/cpu/backend.ts',
  'src/cpu/string-words.ts',
] as const;

function check(folder: string): { status: number | null; stdout: string } {
  const script = join(root, 'scripts', 'check-abi.mjs');
  const { status, stdout } = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' });
  return { status, stdout };
}

/** The check on a copy in which `from` has become `to` in one file. */
function damaged(file: (typeof FILES)[number], from: string, to: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-abi-'));
  try {
    for (const name of FILES) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      cpSync(join(root, name), join(folder, name));
    }
    const text = readFileSync(join(folder, file), 'utf8');
    expect(text.includes(from), `${file} has ${from}`).toBe(true);
    writeFileSync(join(folder, file), text.replace(from, to));
    const { status, stdout } = check(folder);
    expect(status).toBe(1);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the run page', () => {
  test('is the same on both sides', () => {
    const { status, stdout } = check(root);
    expect(stdout).toMatch(/^the run page is the same on both sides: \d\d+ numbers\n$/);
    expect(status).toBe(0);
  });

  test.each([
    ['src/cpu/run-page.ts', 'PAGE_DATA = 8;', 'PAGE_DATA = 9;', 'PAGE_DATA'],
    ['native/run_page.h', 'PAGE_GPR = 64,', 'PAGE_GPR = 66,', 'PAGE_GPR'],
    ['native/run_page.h', 'STRING_SIZE, STRING_REP,', 'STRING_REP, STRING_SIZE,', 'STRING_REP'],
    ['src/cpu/run-page.ts', 'ACTION_FINISH = 2;', 'ACTION_FINISH = 3;', 'ACTION_FINISH'],
    ['src/cpu/backend.ts', 'EXIT_MMIO = 3;', 'EXIT_MMIO = 4;', 'EXIT_MMIO'],
    ['native/run_page.h', 'EXIT_BOUNDARY = 9', 'EXIT_BOUNDARY = 9, EXIT_NEW = 77', 'EXIT_NEW'],
    ['native/run_page.h', 'PAGE_LINEAR = 6,', '', 'PAGE_LINEAR'],
    ['native/run_page.h', 'RUN_PAGE_BYTES = 1024', 'RUN_PAGE_BYTES = 2048', 'RUN_PAGE_BYTES'],
    ['native/run_page.h', 'UNSUPPORTED_FETCH = 1,', '', 'UNSUPPORTED'],
    ['native/posted_page.h', 'POSTED_LOG = 272,', 'POSTED_LOG = 273,', 'POSTED_LOG'],
    ['src/cpu/posted-page.ts', 'ROW_VALUE = 5;', 'ROW_VALUE = 6;', 'POSTED_ROW_VALUE'],
    ['src/cpu/string-words.ts', "'ins', 'outs'", "'outs', 'ins'", 'STRING_NAMES'],
  ] as const)('%s: %s becomes %s', (file, from, to, named) => {
    expect(damaged(file, from, to)).toContain(named);
  });

  test('a name without a number is noticed', () => {
    expect(damaged('src/cpu/backend.ts', "  'none',\n", '')).toContain('EXIT_NAMES');
  });
});
