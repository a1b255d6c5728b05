// SPDX-License-Identifier: GPL-2.0-only
// The pictures of docs/guests/: one of each third-party guest, shown in docs/guests.md, and the very bytes that the
// program makes today. Needs dist/.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { afterAll, expect, it, test } from 'vitest';
import { absence, projectRoot } from '../suites/data.ts';
import { draw, PICTURES, pictureFile } from './pictures.ts';
import { STRESS_GUESTS } from './stress-list.ts';

const scratch = mkdtempSync(join(tmpdir(), 'trapline-pictures-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test('each guest that runs under checkpoints has a picture, and docs/guests.md shows each', () => {
  const names = PICTURES.map(({ name }) => name);
  expect(STRESS_GUESTS.map(({ name }) => name).filter((name) => !names.includes(name))).toEqual([]);
  const kept = readdirSync(dirname(pictureFile('')));
  expect(kept.sort()).toEqual(names.map((name) => `${name}.png`).sort());
  const page = readFileSync(join(projectRoot(), 'docs', 'guests.md'), 'utf8');
  const shown = [...page.matchAll(/!\[([^\]]*)\]\(guests\/([^)]*)\.png\)/g)].map(
    ([, alt, name]) => {
      expect(alt).toBe(name);
      return name;
    },
  );
  expect(shown.sort()).toEqual([...names].sort());
});

it.for(PICTURES.map((guest) => [guest.name, guest] as const))(
  '%s shows what its picture shows',
  { timeout: 300_000 },
  ([name, guest], context) => {
    const why = absence(guest.image.split('/')[0] ?? '');
    if (why !== null) {
      process.stderr.write(`SKIPPED: ${why}\n`);
      context.skip(why);
    }
    const into = join(scratch, `${name}.png`);
    expect(draw(guest, scratch, into)).toBe(null);
    const same = readFileSync(into).equals(readFileSync(pictureFile(name)));
    expect(same, 'another picture: look at what npm run guests:pictures draws').toBe(true);
  },
);
