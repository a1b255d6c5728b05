// SPDX-License-Identifier: GPL-2.0-only
// npm run image:damage: small images cut off at every byte, their records out of place, every bit of them flipped; and
// 100,000 flips in a large one. Says how much memory it took at most.
import { Random } from '../../src/util/random.ts';
import { cutOutcomes, cuts, flips, rearrangements, smallContinuous, smallImage } from './damage.ts';
import { imageOf, rig, runTo } from './helper.ts';

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function* every(bytes: Uint8Array): Generator<number> {
  for (let bit = 0; bit < 8 * bytes.length; bit++) yield bit;
}

function* drawn(bytes: Uint8Array, count: number, seed: number): Generator<number> {
  const random = new Random(seed);
  for (let i = 0; i < count; i++) yield random.below(8 * bytes.length);
}

const [large = 100_000, seed = 1] = process.argv.slice(2).map(Number);
let wrong = 0;
const report = (what: string, count: number, found: string[]): void => {
  wrong += found.length;
  say(
    `${what}: ${count} tried, ${found.length} neither refused nor an earlier checkpoint, announced`,
  );
  for (const line of found.slice(0, 5)) say(`  ${line}`);
};

for (const [name, bytes] of [
  ['small image', smallImage()],
  ['small continuous image', smallContinuous()],
] as const) {
  const cut = cuts(bytes);
  report(`a ${name} cut off at every byte`, cut.tried, cut.wrong);
  const moved = rearrangements(bytes);
  report(`records of a ${name} doubled, swapped, dropped, strange`, moved.tried, moved.wrong);
  report(
    `every bit of a ${name}`,
    8 * bytes.length,
    flips(bytes, every(bytes), cutOutcomes(bytes)),
  );
}
{
  using r = rig('counter');
  runTo(r, 5000);
  const bytes = imageOf(r);
  const found = flips(bytes, drawn(bytes, large, seed), []);
  report(`drawn bits of an image of ${bytes.length} bytes, seed ${seed}`, large, found);
}
say(`most memory at any time: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
process.exitCode = wrong === 0 ? 0 : 1;
