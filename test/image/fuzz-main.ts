// SPDX-License-Identifier: GPL-2.0-only
// npm run fuzz -- [minutes] [seed]: fuzzes the image reader; new inputs go to test/image/corpus/, findings to build/.

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fuzz, tinyImage } from './fuzz.ts';

/** The corpus in the repository stays small: the shortest inputs, so many. */
const MOST = 60;
const LONGEST = 8192;

const [minutes = 10, seed = 1] = process.argv.slice(2).map(Number);
const corpus = join(process.cwd(), 'test', 'image', 'corpus');
mkdirSync(corpus, { recursive: true });
const stored = readdirSync(corpus).map((name) => new Uint8Array(readFileSync(join(corpus, name))));
const seeds = [tinyImage(0), tinyImage(1), tinyImage(2), ...stored];
const end = performance.now() + minutes * 60_000;
const result = fuzz(seeds, seed, () => performance.now() >= end);
const name = (input: Uint8Array): string =>
  createHash('sha256').update(input).digest('hex').slice(0, 16);
for (const input of result.kept.filter((i) => i.length <= LONGEST).slice(0, MOST - stored.length)) {
  writeFileSync(join(corpus, name(input)), input);
}
const lines = [
  `${result.inputs} inputs in ${minutes} minutes, seed ${seed}: ${result.refused} refused, ${result.loaded} loaded, ${result.findings.length} findings`,
  `${result.places} blocks of the reader reached, ${result.blocks} by how often; ${result.kept.length} inputs reached something new; the slowest took ${Math.round(result.slowestMs)} ms of CPU`,
];
for (const { why, input } of result.findings.slice(0, 10)) {
  const file = join(process.cwd(), 'build', `finding-${name(input)}`);
  writeFileSync(file, input);
  lines.push(`finding: ${why}: ${file}`);
}
process.stdout.write(`${lines.join('\n')}\n`);
process.exitCode = result.findings.length === 0 ? 0 : 1;
