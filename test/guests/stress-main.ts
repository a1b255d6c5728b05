// SPDX-License-Identifier: GPL-2.0-only
// Entry of `npm run guests:stress [-- --bios NAME] [--checkpoints N] [--one-process] [--json] [GUEST...]`:
// third-party guests under checkpoints, in one process and over killed ones, compared with undisturbed runs.
// `--doc FILE...` writes the table of docs/guests.md from documents of --json.
// Exit code 0: nothing differs; 1: something does; 2: usage; 5: the guests are not here.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { chainRunner } from '../../src/cli/chain-runner.ts';
import type { RunHooks } from '../../src/cli/command.ts';
import { absence, projectRoot } from '../suites/data.ts';
import { STRESS_GUESTS } from './stress-list.ts';
import { type Chain, type StressRow, stressGuest } from './stress-run.ts';

const BEGIN = '<!-- Table written by npm run guests:stress: begin -->';
const END = '<!-- Table written by npm run guests:stress: end -->';
const CHECKPOINTS = 10_000;
const BIOSES = ['builtin', 'seabios'];

const out = (line: string): void => void process.stdout.write(`${line}\n`);
const error = (line: string): void => void process.stderr.write(`guests:stress: ${line}\n`);
const count = (n: number): string => n.toLocaleString('en-US');

export function table(rows: readonly StressRow[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line([
      ...['Guest', 'BIOS', 'Script', 'Checkpoints', 'Instructions', 'Accesses', 'Lost'],
      ...['Duplicated', 'End as undisturbed', 'Over killed processes'],
    ]),
    '|---|---|---|---|---|---|---|---|---|---|',
    ...rows.map((r) =>
      line([
        ...[`\`${r.guest}\``, r.bios, r.script, count(r.checkpoints), count(r.instructions)],
        ...[count(r.accesses), count(r.lost), count(r.duplicated)],
        r.identical ? 'yes' : 'no',
        fresh(r),
      ]),
    ),
  ];
}

function fresh({ fresh: over }: StressRow): string {
  if (over === null) return '';
  const { checkpoints, processes, identical } = over;
  return `${count(checkpoints)} over ${processes}${identical ? '' : ', another end'}`;
}

/** Puts the table into the page. */
function document(files: readonly string[]): number {
  const rows = files.flatMap((file) => JSON.parse(readFileSync(file, 'utf8')) as StressRow[]);
  const order = STRESS_GUESTS.map(({ name }) => name);
  const place = ({ guest, bios }: StressRow): number =>
    order.indexOf(guest) + order.length * BIOSES.indexOf(bios);
  rows.sort((a, b) => place(a) - place(b));
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

const hooks: RunHooks = { signal: new AbortController().signal, tick: () => undefined };
const chain: Chain = async (wish) => await chainRunner(wish, hooks);

/** Options with a value, and the rest. */
function options(args: readonly string[]): { values: Record<string, string>; given: string[] } {
  const values: Record<string, string> = {};
  const given: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (arg === '--checkpoints' || arg === '--bios') values[arg] = args[++i] ?? '';
    else given.push(arg);
  }
  return { values, given };
}

async function main(args: string[]): Promise<number> {
  if (args[0] === '--doc') return document(args.slice(1));
  const json = args.includes('--json');
  const { values, given } = options(args);
  const checkpoints = Number(values['--checkpoints'] ?? CHECKPOINTS);
  const bios = values['--bios'] ?? 'builtin';
  // A .COM program brings DOS services of our own, which are part of our BIOS.
  const all = STRESS_GUESTS.filter(({ name }) => bios === 'builtin' || !/\.com$/.test(name));
  const names = given.filter((arg) => arg !== '--json' && arg !== '--one-process');
  const unknown = names.find((name) => !all.some((guest) => guest.name === name));
  const known = BIOSES.includes(bios) && Number.isInteger(checkpoints) && checkpoints > 0;
  if (unknown !== undefined || !known) {
    const list = all.map(({ name }) => name).join(', ');
    error(
      `expected --bios ${BIOSES.join(' or ')}, --checkpoints N, --one-process, --json and guests: ${list}`,
    );
    return 2;
  }
  const chained = given.includes('--one-process') ? null : chain;
  const guests = all.filter(({ name }) => names.length === 0 || names.includes(name));
  const missing = guests.map(({ image }) => absence(image.split('/')[0] ?? '')).find((why) => why);
  if (missing) {
    error(missing);
    return 5;
  }
  const scratch = mkdtempSync(join(tmpdir(), 'trapline-guests-stress-'));
  const rows: StressRow[] = [];
  try {
    for (const guest of guests) {
      const row = await stressGuest(guest, { bios, checkpoints, scratch, chain: chained });
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
