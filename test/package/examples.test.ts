// SPDX-License-Identifier: GPL-2.0-only
// Each example of the API has at most 30 lines, runs by the package's own name, and prints what is written here.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../helpers/markdown.ts';

const FOLDER = join(ROOT, 'examples', 'api');

const PRINTS: Readonly<Record<string, readonly string[]>> = {
  'own-device.mjs': ['the guest reports failure (verdict after '],
  'checkpoints.mjs': [
    'back at instruction 5000',
    'the same memory again: true',
    'true { issued: ',
    '10 checkpoints',
  ],
  'find-race.mjs': [
    "message: 'device counter@0x200-0x207 testifies: lost 1'",
    '] t1:counter:exact:1.1:',
  ],
  'fuzz.mjs': ['2000 rounds, ', 'as if nothing had happened: verdict, success'],
  'serve-device.mjs': ["{ outcome: 'success', checkpoints: 20, lost: 0, duplicated: 0 }"],
};

describe.each(readdirSync(FOLDER))('%s', (name) => {
  const source = readFileSync(join(FOLDER, name), 'utf8');

  test('is short, and imports the package by its name', () => {
    expect(source.trimEnd().split('\n').length).toBeLessThanOrEqual(30);
    const imports = [...source.matchAll(/from '([^']+)'/g)].map(([, from]) => from ?? '');
    expect(imports.filter((from) => !/^(trapline(\/|$)|node:)/.test(from))).toEqual([]);
  });

  test('prints what it should', { timeout: 120_000 }, () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [join(FOLDER, name)], {
      encoding: 'utf8',
    });
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    expect(PRINTS[name], `${name} has no expected output here`).toBeDefined();
    for (const text of PRINTS[name] ?? []) expect(stdout).toContain(text);
  });
});

test('they are five', () => {
  expect(readdirSync(FOLDER).sort()).toEqual(Object.keys(PRINTS).sort());
});
