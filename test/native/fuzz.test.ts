// SPDX-License-Identifier: GPL-2.0-only
// A short run of the fuzz that `npm run fuzz:cpu` does at length: random memory images, and a part of the opcodes.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/fuzz-cpu.mjs', import.meta.url));

function fuzz(...options: string[]): { images: number; opcodes: number } {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [script, '--json', ...options],
    { encoding: 'utf8', timeout: 120_000 },
  );
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout) as { images: number; opcodes: number };
}

test('300 random memory images: the process survives', () => {
  expect(fuzz('--images', '300', '--only', 'images').images).toBe(300);
}, 120_000);

test('two-byte opcodes from F8 on, under every prefix: the process survives', () => {
  // 512 opcodes, 6 prefixes, 256 ModRM bytes: the last 8 opcodes
  const from = 2 * 256 * 6 * 256 - 8 * 6 * 256;
  fuzz('--only', 'opcodes', '--from', String(from));
}, 120_000);
