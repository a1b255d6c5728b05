// SPDX-License-Identifier: GPL-2.0-only
// docs/museum.md is what its script writes; each exhibit is complete, and its commit's abbreviation is its name.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { bugsSchema } from '../../src/cli/list-schemas.ts';
import { listGuestNames } from '../../src/machine/loader.ts';
import { findBug, MUSEUM } from '../../src/toolstack/museum/index.ts';
import { cli } from '../helpers/cli.ts';
import { stressBug } from '../helpers/museum.ts';

interface Found {
  checkpoints: number;
  kind: string;
}
interface Generator {
  museumPage(bugs: unknown, found: Map<string, Found>, explored: Map<string, string>): string;
  exploredIn(text: string): Map<string, string>;
  PAGE: string;
}
const script = new URL('../../scripts/museum-doc.mjs', import.meta.url);
const { PAGE, exploredIn, museumPage } = (await import(script.href)) as Generator;

const listed = async () => bugsSchema.parse(JSON.parse((await cli(['bugs', '--json'])).out));

it('docs/museum.md is what `npm run museum:doc` writes', async () => {
  const page = readFileSync(PAGE, 'utf8');
  const { bugs } = await listed();
  const found = new Map<string, Found>();
  for (const bug of MUSEUM) {
    const { checkpoints, violations } = await stressBug(bug);
    found.set(bug.id, { checkpoints, kind: violations[0]?.kind ?? '' });
  }
  const explored = exploredIn(page);
  expect([...explored.keys()]).toEqual(MUSEUM.map((bug) => bug.id));
  expect(page).toBe(museumPage(bugs, found, explored));
  const timed = museumPage(bugs, found, new Map([['ins-mmio', '0.40 s']]));
  expect(exploredIn(timed).get('ins-mmio')).toBe('0.40 s');
}, 120_000);

it('every exhibit is complete', async () => {
  const { bugs } = await listed();
  expect(bugs.map((bug) => bug.id)).toEqual(MUSEUM.map((bug) => bug.id));
  expect(new Set(bugs.map((bug) => bug.id)).size).toBe(bugs.length);
  expect(bugs.filter((bug) => bug.origin === 'repaired').length).toBeGreaterThanOrEqual(10);
  for (const bug of bugs) {
    expect(bug.commit === null).toBe(bug.origin !== 'repaired');
    expect(bug.date === null).toBe(bug.commit === null);
    if (bug.commit !== null) {
      expect(bug.commit).toMatch(/^[0-9a-f]{40}$/);
      expect(bug.commit.startsWith(bug.id)).toBe(true);
      expect(bug.date).toMatch(/^20\d\d-\d\d-\d\d$/);
    }
    expect(listGuestNames()).toContain(bug.guest);
    expect(bug.story.length).toBeGreaterThan(200);
  }
});

it('trapline bugs: a table, a story, a refusal that names what there is', async () => {
  const { code, out } = await cli(['bugs']);
  expect(code).toBe(0);
  for (const { id, title } of MUSEUM) expect(out).toMatch(new RegExp(`^${id} .*${title}$`, 'm'));
  const one = await cli(['bugs', '60a56dc0064a00830663ffe48215dcd080cb9504']);
  expect(one.out).toContain('60a56dc006: Routing took a downward batch for an upward one');
  expect(one.out).toContain('trapline stress down-counter --bug 60a56dc006');
  const json = await cli(['bugs', 'ins-mmio', '--json']);
  expect(bugsSchema.parse(JSON.parse(json.out)).bugs).toMatchObject([{ id: 'ins-mmio' }]);
  const unknown = await cli(['bugs', 'ins-mmi']);
  expect(unknown.code).toBe(2);
  expect(unknown.err).toContain(
    "no bug 'ins-mmi' in the museum: did you mean 'ins-mmio'? [HVM_USAGE]",
  );
  expect(findBug('b7e0d89').id).toBe('b7e0d8978810');
});

it('--bug puts one into a run: alone, and under checkpoints', async () => {
  const ran = await cli(['run', 'broadcast', '--bug', 'da20c93108']);
  expect(ran.code).toBe(3);
  expect(ran.out).toContain('broadcast crashed its domain: unexpected result 1');
  expect((await cli(['run', 'broadcast', '--iterations', '9'])).code).toBe(0);
  const stressed = await cli(['stress', 'counter', '--bug', '0c0cbf72cf', '--checkpoints', '50']);
  expect(stressed.code).toBe(1);
  expect(stressed.out).toContain('stress counter, revision fixed with bug 0c0cbf72cf, seed 1');
  expect(stressed.out).toContain(
    'again: trapline stress counter --bug 0c0cbf72cf --seed 1 --checkpoints 4',
  );
});

it.each([
  [['--revision', 'fixed'], '--revision'],
  [['--seeds', '1-4'], '--seeds'],
  [['--threads'], '--threads'],
])('--bug does not go with %j', async (more, named) => {
  const { code, err } = await cli(['stress', 'counter', '--bug', 'da20c93108', ...more]);
  expect(code).toBe(2);
  expect(err).toContain(named);
});

it('run refuses what only goes wrong at a checkpoint', async () => {
  const { code, err } = await cli(['run', 'counter', '--bug', 'naive-stop']);
  expect([code, err]).toEqual([
    2,
    "trapline: bug 'naive-stop' goes wrong at a checkpoint, and a run has none: expected 'stress' [HVM_USAGE]\n",
  ]);
});

it('what is left out has no effect: bb998efecb, for the request types there are', () => {
  const [PIO, COPY] = [0, 1];
  for (const type of [PIO, COPY]) {
    for (const isMmio of [0, 1]) {
      // As it was written: the choice binds weaker than the comparison.
      const written = (type !== isMmio ? COPY : PIO) !== 0;
      const meant = type !== (isMmio !== 0 ? COPY : PIO);
      expect(written).toBe(meant);
    }
  }
});
