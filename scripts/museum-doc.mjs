// SPDX-License-Identifier: GPL-2.0-only
// Writes docs/museum.md: the table and the stories of `trapline bugs --json`, what a stress run of each finds, and,
// from documents of `trapline explore --bug ID --json` that are named, how long the explorer took. What an earlier
// page says of the explorer is kept for bugs without a document.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CannotRun, isMain, ROOT } from './lib.mjs';
import { setUp } from './setup.mjs';

export const PAGE = join(ROOT, 'docs', 'museum.md');
const PENDING = 'not run';
const ORIGINS = {
  repaired: 'Repaired in Xen',
  open: 'Observed in Xen with every repair there is',
  elsewhere: 'Not of Xen',
};

const row = (cells) => `| ${cells.join(' | ')} |`;
const anchor = (id) => `[\`${id}\`](#${id})`;

/** The last column of the table in `text`, by id. */
export function exploredIn(text) {
  const rows = text.matchAll(/^\| \[`([^`]+)`\].* \| ([^|]*) \|$/gm);
  return new Map([...rows].map(([, id, time]) => [id, time]));
}

function story(bug) {
  const { commit, date, id, invariant, modelled, notModelled, title } = bug;
  const switches = Object.entries(bug.switches).map(
    ([name, on]) => `\`${name}\` ${on ? 'on' : 'off'}`,
  );
  const facts = [
    ...(commit === null ? [] : [['Repaired by', `Xen commit \`${commit}\`, ${date}`]]),
    ['Breaks', invariant],
    ['Modelled', modelled],
    ['Not modelled', notModelled],
    [
      'Put into',
      [
        `revision \`${bug.revision}\``,
        ...switches,
        ...bug.session.map((name) => `session \`${name}\``),
      ].join(', '),
    ],
    ['Silent in', `\`${bug.cure}\``],
  ];
  return [
    `### ${id}`,
    '',
    `**${title}.** ${bug.story}`,
    '',
    row(['', '']),
    '|---|---|',
    ...facts.map(row),
    '',
  ];
}

/**
 * The page.
 * @param bugs of a document of `trapline bugs --json`
 * @param found what a stress run of each found: `{ checkpoints, kind }` by id
 * @param explored how long the explorer took, as text, by id
 */
export function museumPage(bugs, found, explored) {
  const rows = bugs.map((bug) => {
    const { checkpoints, kind } = found.get(bug.id);
    const stress = `\`${kind}\` after ${checkpoints} ${checkpoints === 1 ? 'checkpoint' : 'checkpoints'}`;
    return row([
      anchor(bug.id),
      bug.date ?? '',
      bug.title,
      `\`${bug.guest}\``,
      bug.invariant,
      stress,
      explored.get(bug.id) ?? PENDING,
    ]);
  });
  const stories = Object.entries(ORIGINS).flatMap(([origin, title]) => [
    `## ${title}`,
    '',
    ...bugs.filter((bug) => bug.origin === origin).flatMap(story),
  ]);
  return `${[
    '# The bug museum',
    '',
    '<!-- Written by scripts/museum-doc.mjs: change src/toolstack/museum/, then run it again. -->',
    '',
    'Defects on the path of an I/O access that can be put back, one at a time: `trapline bugs` lists them, `trapline bugs ID` tells one, `trapline stress GUEST --bug ID` and `trapline run GUEST --bug ID` run with one. Each is a switch that every revision has off (`src/xen/hvm/defects.ts`), a switch of a revision turned, a revision as it is, or something done wrong around the monitor. `test/museum/` shows of each that something breaks with it and nothing without.',
    '',
    row(['Id', 'Date', 'What', 'Guest', 'Breaks', 'Stress, seed 1', 'Explorer']),
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
    "The explorer's column is filled in by `node scripts/museum-doc.mjs FILE...`, with documents of `trapline explore --bug ID --json`.",
    '',
    ...stories,
    '## Left out',
    '',
    '- `bb998efecb` (2016): an operator of lower precedence in the check that an access is made again as it was. With the two types of request there are, ports 0 and memory 1, the expression as written has the same truth as the one that was meant, so nothing can show it.',
  ].join('\n')}\n`;
}

function document(args, codes) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, 'dist/cli/main.js'), ...args, '--json'],
    { encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  if (!codes.includes(status))
    throw new CannotRun(`trapline ${args.join(' ')}: ${stderr}${stdout}`, 1);
  return JSON.parse(stdout);
}

/** Of a document of `trapline explore --json`: which bug, and how long. */
function exploredBy(file) {
  const { bug, durationMs, violations } = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof bug !== 'string' || typeof durationMs !== 'number' || violations.length === 0)
    throw new CannotRun(`${file}: not the document of an exploration that found a bug`, 1);
  return [bug, `${(durationMs / 1000).toFixed(2)} s`];
}

if (isMain(import.meta.url)) {
  CannotRun.orExit(() => {
    setUp();
    const { bugs } = document(['bugs'], [0]);
    const found = new Map(
      bugs.map(({ command, id }) => {
        const { checkpoints, violations } = document(
          [...command.split(' ').slice(1), '--quiet'],
          [1],
        );
        return [id, { checkpoints, kind: violations[0].kind }];
      }),
    );
    const before = existsSync(PAGE) ? exploredIn(readFileSync(PAGE, 'utf8')) : new Map();
    const explored = new Map([...before, ...process.argv.slice(2).map(exploredBy)]);
    writeFileSync(PAGE, museumPage(bugs, found, explored));
  });
}
