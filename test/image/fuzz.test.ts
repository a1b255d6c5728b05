// SPDX-License-Identifier: GPL-2.0-only
// A short stretch of what npm run fuzz does for minutes, from the corpus in the repository; and that it can find something.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { judge } from './damage.ts';
import { fuzz, signed, tinyImage } from './fuzz.ts';

const folder = fileURLToPath(new URL('./corpus/', import.meta.url));
const corpus = readdirSync(folder).map((name) => new Uint8Array(readFileSync(`${folder}${name}`)));

it('finds nothing, and gets further than its seeds', { timeout: 120_000 }, () => {
  const seeds = [tinyImage(0), tinyImage(1), tinyImage(2)];
  const result = fuzz([...seeds, ...corpus], 3, (inputs) => inputs > 4000);
  expect(result.findings.map((f) => f.why)).toEqual([]);
  expect(result.refused).toBeGreaterThan(2000);
  // The three seeds load, and no input of the corpus: whatever else does is a change that got through. How many do
  // depends on what V8 has compiled by then.
  expect(result.loaded).toBeGreaterThan(seeds.length);
  const bare = fuzz(seeds, 3, (inputs) => inputs > 2000);
  expect(bare.kept.length).toBeGreaterThan(5);
});

it('a digest that was made to fit gets past the digest', () => {
  const image = tinyImage(0);
  const at = Buffer.from(image).indexOf('"tiny"');
  image[at + 1] = 'T'.charCodeAt(0);
  expect(judge(image)).toBe('refused');
  expect(judge(signed(image))).toMatch(/^[0-9a-f]{64}$/);
});
