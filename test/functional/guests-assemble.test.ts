// SPDX-License-Identifier: GPL-2.0-only
// The committed guest binaries are what their sources assemble to.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const build = join(root, 'scripts/build-guests.mjs');
const { assemble, hasNasm, sources } = (await import(build)) as {
  assemble: (program: { source: string }) => Buffer;
  hasNasm: () => boolean;
  sources: () => { name: string; source: string; binary: string }[];
};

/** Folders of programs that are part of a machine, not guests of it. */
const FIRMWARE = ['bios', 'dos'];

test('nasm is there', () => {
  expect(hasNasm(), 'nasm is missing: sudo apt-get install -y nasm').toBe(true);
});

test.each(sources())('guests/$binary is what guests/$source assembles to', (program) => {
  const committed = readFileSync(join(root, 'guests', program.binary));
  expect(assemble(program).equals(committed)).toBe(true);
});

test.each(sources())('guests/$source says first what it is for', ({ source }) => {
  const lines = readFileSync(join(root, 'guests', source), 'utf8').split('\n');
  expect(lines[0]).toBe('; SPDX-License-Identifier: GPL-2.0-only');
  expect(lines[1]).toMatch(/^; (Proves|The little of DOS|The built-in)/);
});

test('every folder with a manifest has a source and a binary', () => {
  const assembled = new Set(sources().map(({ source }) => dirname(source)));
  for (const entry of readdirSync(join(root, 'guests'), { withFileTypes: true })) {
    if (!entry.isDirectory() || ['include', ...FIRMWARE].includes(entry.name)) continue;
    expect(existsSync(join(root, 'guests', entry.name, 'guest.json'))).toBe(true);
    expect(assembled).toContain(entry.name);
  }
});

test('--check agrees', () => {
  expect(execFileSync(process.execPath, [build, '--check'], { encoding: 'utf8' })).toBe(
    'guests: all binaries are up to date\n',
  );
});
