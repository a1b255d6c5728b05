// SPDX-License-Identifier: GPL-2.0-only
// The replayer proved alive: faults put into a compiled copy of the port, each noticed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { vectorsFile } from './conformance.ts';
import { MUTANTS } from './mutants.ts';

const root = resolve(import.meta.dirname, '../..');
const file = vectorsFile(root);
const copy = mkdtempSync(join(tmpdir(), 'trapline-mutants-'));

/** Replays all traces with the copy as it is now. @returns exit code: 0 equal, 1 a mismatch */
function replayCopy(): { status: number | null; output: string } {
  const program = join(copy, 'test', 'conformance', 'main.js');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    // The copy has no addon beside it; the faults are in the port, not in a CPU.
    [program, file, '--first', '--json', '--cpu', 'mini'],
    { encoding: 'utf8' },
  );
  return { status, output: stdout + stderr };
}

describe.skipIf(!existsSync(file))('mutants of the I/O path', () => {
  beforeAll(() => {
    const tsc = join(root, 'node_modules', 'typescript-7', 'bin', 'tsc');
    const options = [
      '-p',
      join(root, 'tsconfig.tools.json'),
      '--outDir',
      copy,
      '--sourceMap',
      'false',
    ];
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...options], { encoding: 'utf8' });
    expect(stdout).toBe('');
    expect(status).toBe(0);
    writeFileSync(join(copy, 'package.json'), '{ "type": "module" }');
  }, 60_000);

  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  it('the copy without a fault is equal everywhere', () => {
    expect(replayCopy()).toMatchObject({ status: 0 });
  }, 60_000);

  it.each(MUTANTS)(
    '$name: killed',
    ({ file: name, find, replace }) => {
      const path = join(copy, 'src', 'xen', name.replace(/\.ts$/, '.js'));
      const source = readFileSync(path, 'utf8');
      // White space differs between the source and its compiled form.
      const pattern = find.split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
      const matches = [...source.matchAll(new RegExp(pattern.join('\\s*'), 'g'))];
      expect(matches).toHaveLength(1);
      const [match] = matches;
      const at = match?.index ?? 0;
      writeFileSync(
        path,
        source.slice(0, at) + replace + source.slice(at + (match?.[0].length ?? 0)),
      );
      try {
        const { status, output } = replayCopy();
        // Exit code 1 and a named field: noticed by comparison, not by a crash of the copy.
        expect(output).toContain('"field":');
        expect(status).toBe(1);
      } finally {
        writeFileSync(path, source);
      }
    },
    60_000,
  );

  it('there are at least 15', () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(15);
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
  });
});
