// SPDX-License-Identifier: GPL-2.0-only
// A vCPU without books and its device model pass one word each way; another thread shuts the domain down and resumes it
// from outside meanwhile, and no access is lost or made twice.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const CHILD = fileURLToPath(new URL('./children/straight.mjs', import.meta.url));

test('no access is lost or made twice, whenever the domain is shut down', async () => {
  const reads = 15_000;
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, String(reads)], {
    timeout: 120_000,
  });
  const seen = JSON.parse(stdout);
  expect(seen).toMatchObject({ failure: null, stop: 'verdict', verdict: 'success', inFlight: 0 });
  expect(seen.reads['counter@0x200-0x207']).toEqual({ reads, writes: 0 });
  // Both were there to be seen.
  expect(seen.taken).toBeGreaterThan(reads / 100);
  expect(seen.shutdowns).toBeGreaterThan(10);
}, 120_000);
