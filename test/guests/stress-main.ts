// SPDX-License-Identifier: GPL-2.0-only
// Entry of `npm run guests:stress [-- --checkpoints N] [--json] [GUEST...]`: third-party guests under checkpoints, each
// compared with an undisturbed run of itself. `--doc FILE...` writes the table of docs/guests.md from documents of
// --json. Exit code 0: nothing differs; 1: something does; 2: usage; 5: the guests are not here.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { absence, projectRoot } from '../suites/data.ts';
import { STRESS_GUESTS } from './stress-list.ts';
import { type StressRow, stressGuest } from './stress-run.ts';

const BEGIN = '<!-- Table written by npm run guests:stress: begin -->';
const END = '<!-- Table written by npm run guests:stress: end -->';
const CHECKPOINTS = 10_000;

const out = (line: string): void => void process.stdout.write(`${line}\n`);
const error = (line: string): void => void process.stderr.write(`guests:stress: ${line}\n`);
const count = (n: number): string => n.toLocaleString('en-US');

export function table(rows: readonly StressRow[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line([
      ...['Guest', 'Script', 'Checkpoints', 'Instructions', 'Accesses', 'Lost', 'Duplicated'],
      'End as undisturbed',
    ]),
    '|---|---|---|---|---|---|---|---|',
    ...rows.map((r) =>
      line([
        ...[`\`${r.guest}\``, r.script, count(r.checkpoints), count(r.instructions)],
        ...[count(r.accesses), count(r.lost), count(r.duplicated)],
        r.identical ? 'yes' : 'no',
      ]),
    ),
  ];
}

/** Puts the table into the page. */
function document(files: readonly string[]): number {
  const rows = files.flatMap((file) => JSON.parse(readFileSync(file, 'utf8')) as StressRow[]);
  const order = STRESS_GUESTS.map(({ name }) => name);
  rows.sort((a, b) => order.indexOf(a.guest) - order.indexOf(b.guest));
  const page = join(projectRoot(), 'docs', 'guests.md');
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) {
    error(`${page} has no place for the table`);
    return 2;
  }
  writeFileSync(
    page,
    `${text.slice(0, from + BEGIN.length)}\n\n${table(rows).join('\n')}\n\n${text.slice(to)}`,
  );
  return 0;
}

async function main(args: string[]): Promise<number> {
  if (args[0] === '--doc') return document(args.slice(1));
  const json = args.includes('--json');
  const at = args.indexOf('--checkpoints');
  const checkpoints = at < 0 ? CHECKPOINTS : Number(args[at + 1]);
  const names = args.filter((arg, i) => !arg.startsWith('--') && (at < 0 || i !== at + 1));
  const unknown = names.find((name) => !STRESS_GUESTS.some((guest) => guest.name === name));
  if (unknown !== undefined || !Number.isInteger(checkpoints) || checkpoints < 1) {
    const all = STRESS_GUESTS.map(({ name }) => name).join(', ');
    error(`expected --checkpoints N, --json and guests: ${all}`);
    return 2;
  }
  const guests = STRESS_GUESTS.filter(({ name }) => names.length === 0 || names.includes(name));
  const missing = guests.map(({ image }) => absence(image.split('/')[0] ?? '')).find((why) => why);
  if (missing) {
    error(missing);
    return 5;
  }
  const scratch = mkdtempSync(join(tmpdir(), 'trapline-guests-stress-'));
  const rows: StressRow[] = [];
  try {
    for (const guest of guests) {
      const row = await stressGuest(guest, checkpoints, scratch);
      rows.push(row);
      process.stderr.write(`${row.guest}: ${row.problem ?? 'as undisturbed'}\n`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  if (json) out(JSON.stringify(rows, null, 2));
  else for (const line of table(rows)) out(line);
  return rows.every((row) => row.identical && row.problem === null) ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
