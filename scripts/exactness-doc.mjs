// SPDX-License-Identifier: GPL-2.0-only
// Writes the tables of docs/exactness.md from documents of `trapline exactness --json`: files that are named, which
// may each hold a part of the cells (--filter), or a run made here and now.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CannotRun, isMain, ROOT } from './lib.mjs';
import { setUp } from './setup.mjs';

export const PAGE = join(ROOT, 'docs', 'exactness.md');
const BEGIN = '<!-- Tables written by scripts/exactness-doc.mjs: begin -->';
const END = '<!-- Tables written by scripts/exactness-doc.mjs: end -->';

const DEEDS = ['resume', 'restore', 'kick'];
const PLACES = {
  point: 'a passage of a preemption point',
  step: 'before a step of a device model',
  instruction: 'an instruction boundary',
};

const count = (number) => number.toLocaleString('en-US');
const row = (cells) => `| ${cells.join(' | ')} |`;

/** One document out of several that share no cell. */
function merged(documents) {
  const names = new Set();
  const all = {
    cells: [],
    stops: {},
    thread: { runs: 0, kicks: 0, kicksInside: 0 },
    durationMs: 0,
  };
  for (const document of documents) {
    if (document.schema !== 'trapline.exactness/1' || document.outcome !== 'success')
      throw new CannotRun(
        `not the document of a success: ${document.schema} ${document.outcome}`,
        1,
      );
    for (const cell of document.cells) {
      if (names.has(cell.name)) throw new CannotRun(`cell '${cell.name}' is there twice`, 1);
      names.add(cell.name);
      all.cells.push(cell);
    }
    for (const [kind, n] of Object.entries(document.stops))
      all.stops[kind] = (all.stops[kind] ?? 0) + n;
    for (const key of Object.keys(all.thread)) all.thread[key] += document.thread[key];
    all.durationMs += document.durationMs;
  }
  return all;
}

/** The tables, as lines. */
export function tables(documents) {
  const { cells, stops, thread } = merged(documents);
  const families = new Map();
  const total = [0, 0, 0, 0, 0];
  for (const { family, possible, combinations, failures } of cells) {
    const sums = families.get(family) ?? [0, 0, 0, 0, 0];
    families.set(family, sums);
    const whole = combinations === possible ? 1 : 0;
    [1, whole, possible, combinations, failures].forEach((n, i) => {
      sums[i] += n;
      total[i] += n;
    });
  }
  return [
    row(['Family', 'Cells', 'of them stopped everywhere', 'Stops there are', 'tried', 'Failures']),
    '|---|---|---|---|---|---|',
    ...[...families].map(([name, sums]) => row([name, ...sums.map(count)])),
    row(['all', ...total.map(count)].map((text) => `**${text}**`)),
    '',
    row([
      'Place of the stop',
      'Checkpoint, resume',
      'Checkpoint, restore into a fresh machine',
      'Kick',
    ]),
    '|---|---|---|---|',
    ...Object.entries(PLACES).map(([where, text]) =>
      row([text, ...DEEDS.map((deed) => count(stops[`${where} ${deed}`] ?? 0))]),
    ),
    '',
    `Kicks from another thread, not the same from run to run: ${count(thread.runs)} runs, ${count(thread.kicks)} kicks, ${count(thread.kicksInside)} of them between the first instruction of a cell and its last.`,
  ];
}

/** A page with its tables replaced. */
export function withTables(page, lines) {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new CannotRun(`${PAGE}: its marks are not there`, 1);
  return `${page.slice(0, from)}${BEGIN}\n\n${lines.join('\n')}\n\n${page.slice(to)}`;
}

function main(files) {
  setUp();
  const texts = files.map((file) => readFileSync(file, 'utf8'));
  if (texts.length === 0) {
    const argv = [join(ROOT, 'dist', 'cli', 'main.js'), 'exactness', '--json'];
    const { status, stdout } = spawnSync(process.execPath, argv, {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (status !== 0) throw new CannotRun(`trapline exactness ended with ${status}`, 1);
    texts.push(stdout);
  }
  const lines = tables(texts.map((text) => JSON.parse(text)));
  writeFileSync(PAGE, withTables(readFileSync(PAGE, 'utf8'), lines));
}

if (isMain(import.meta.url)) CannotRun.orExit(() => main(process.argv.slice(2)));
