// SPDX-License-Identifier: GPL-2.0-only
// Entry of `npm run suites [-- --json]`. Exit code 0: nothing differs without a known cause; 1: something does;
// 2: unknown argument; 5: the data is not here.
import { join } from 'node:path';
import process from 'node:process';
import { ARTLAV, ROMS, runRom } from './artlav.ts';
import { CAUSES } from './causes.ts';
import { absence, guestsFolder } from './data.ts';
import { Sst286 } from './sst286.ts';
import { runSstFile, SST286, sstFiles } from './sst286-suite.ts';

const out = (line: string): void => void process.stdout.write(`${line}\n`);
const error = (line: string): void => void process.stderr.write(`${line}\n`);

function main(args: readonly string[]): number {
  const unknown = args.find((arg) => arg !== '--json');
  if (unknown !== undefined) {
    error(`suites: unknown argument ${unknown}; the only one is --json`);
    return 2;
  }
  const missing = [SST286, ARTLAV].map((suite) => absence(suite)).filter((why) => why !== null);
  if (missing.length > 0) {
    for (const why of missing) error(`suites: ${why}`);
    return 5;
  }
  const json = args.includes('--json');
  const roms = ROMS.map((rom) => runRom(join(guestsFolder(), ARTLAV), rom));
  const folder = join(guestsFolder(), SST286);
  using cpu = new Sst286();
  const files = sstFiles(folder).map((file) => runSstFile(cpu, folder, file));
  const bad = [
    ...roms.filter((r) => r.differences.length > 0).map((r) => `${r.rom}: ${r.differences[0]}`),
    ...files.filter((f) => f.unexplained !== null).map((f) => `${f.file}: ${f.unexplained}`),
  ];
  const sum = (of: (file: (typeof files)[number]) => number): number =>
    files.reduce((total, file) => total + of(file), 0);
  const causes: Record<string, number> = {};
  for (const file of files) {
    for (const [cause, count] of Object.entries(file.causes)) {
      causes[cause] = (causes[cause] ?? 0) + count;
    }
  }
  if (json) {
    const total = { tests: sum((f) => f.tests), passed: sum((f) => f.passed), causes };
    out(JSON.stringify({ [ARTLAV]: roms, [SST286]: files, total, unexplained: bad }, null, 2));
    return bad.length > 0 ? 1 : 0;
  }

  const row = (cells: readonly (string | number)[], rest: string): void =>
    out(
      `${cells.map((cell, i) => (i === 0 ? String(cell).padEnd(10) : String(cell).padStart(7))).join('')}  ${rest}`.trimEnd(),
    );
  out(ARTLAV);
  row(['rom', 'bytes'], 'halt');
  for (const { rom, bytes, halt, differences } of roms) {
    row(
      [rom, bytes],
      `${halt}  ${differences.length === 0 ? 'equal' : `${differences.length} differences`}`,
    );
  }
  out('');
  out(SST286);
  row(['file', 'tests', 'passed', 'ports'], 'not passed, by cause');
  const causeText = (counts: Record<string, number>): string =>
    Object.entries(counts)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([cause, count]) => `${cause} ${count}`)
      .join(', ');
  for (const f of files) row([f.file, f.tests, f.passed, f.portAccesses], causeText(f.causes));
  row(
    ['all', sum((f) => f.tests), sum((f) => f.passed), sum((f) => f.portAccesses)],
    causeText(causes),
  );
  out('');
  const named = new Set(Object.keys(causes).flatMap((cause) => cause.split(' + ')));
  for (const [cause, text] of Object.entries(CAUSES))
    if (named.has(cause)) out(`${cause}: ${text}`);
  for (const line of bad) out(`UNEXPLAINED ${line}`);
  return bad.length > 0 ? 1 : 0;
}

process.exitCode = main(process.argv.slice(2));
