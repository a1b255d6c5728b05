// SPDX-License-Identifier: GPL-2.0-only
// Entry of `npm run suites [-- DIR... --json]`. Exit code 0: nothing differs without a known cause; 1: something does;
// 2: unknown option; 5: the data is not here.
import process from 'node:process';
import { ARTLAV, type RomResult, romsIn, runRom } from './artlav.ts';
import { absence, guestsFolder, suiteFolders } from './data.ts';
import { SstCpu } from './sst-cpu.ts';
import { type FileResult, runSstFile, SST286, SST386, sstFiles } from './sst-suite.ts';
import { causeLines, FILE_HEAD, fileRow, ROM_HEAD, romRow, sumOf } from './table.ts';

const out = (line: string): void => void process.stdout.write(`${line}\n`);
const error = (line: string): void => void process.stderr.write(`${line}\n`);
const HELP = `Usage: npm run suites -- [DIR...] [--json]

  DIR     a folder with the suites (default: TRAPLINE_GUESTS, or ../shared/guests), or with one of them: the .MOO.gz files and
          metadata.json of SingleStepTests/80286, the .MOO.gz files of SingleStepTests/80386, or the .bin files of the
          80186 ROMs
  --json  one document instead of text`;

function main(args: readonly string[]): number {
  const json = args.includes('--json');
  const unknown = args.find((arg) => arg.startsWith('-') && arg !== '--json' && arg !== '--help');
  if (args.includes('--help')) {
    out(HELP);
    return 0;
  }
  if (unknown !== undefined) {
    error(`suites: unknown option ${unknown}; there are --json and --help`);
    return 2;
  }
  const named = args.filter((arg) => !arg.startsWith('-'));
  const missing =
    named.length === 0 ? [SST286, ARTLAV].map((suite) => absence(suite)) : named.map(nothingIn);
  for (const why of missing) if (why !== null) error(`suites: ${why}`);
  if (missing.some((why) => why !== null)) return 5;
  const folders = (named.length === 0 ? [guestsFolder()] : named).map(suiteFolders);

  const roms: RomResult[] = [];
  const files: FileResult[] = [];
  const bySuite: Record<typeof SST286 | typeof SST386, FileResult[]> = {
    [SST286]: [],
    [SST386]: [],
  };
  const bad: string[] = [];
  const say = (line: string): void => (json ? undefined : out(line));
  const romFolders = folders.flatMap((folder) => folder[ARTLAV]);
  if (romFolders.length > 0) say(`${ARTLAV}\n${ROM_HEAD}`);
  for (const folder of romFolders)
    for (const rom of romsIn(folder)) {
      const result = runRom(folder, rom);
      roms.push(result);
      bad.push(...result.differences.slice(0, 1).map((first) => `${rom.rom}: ${first}`));
      say(romRow(result));
    }
  using cpu = new SstCpu();
  for (const suite of [SST286, SST386] as const) {
    const testFolders = folders.flatMap((folder) => folder[suite]);
    if (testFolders.length === 0) continue;
    say(`${roms.length + files.length > 0 ? '\n' : ''}${suite}\n${FILE_HEAD}`);
    for (const folder of testFolders)
      for (const file of sstFiles(folder)) {
        const result = runSstFile(cpu, folder, file);
        files.push(result);
        bySuite[suite].push(result);
        if (result.unexplained !== null) bad.push(`${file}: ${result.unexplained}`);
        say(fileRow(result));
      }
  }
  const total = sumOf(files);
  if (json) {
    const { tests, passed, causes } = total;
    const document = { [ARTLAV]: roms, ...bySuite, total: { tests, passed, causes } };
    out(JSON.stringify({ ...document, unexplained: bad }, null, 2));
  } else {
    if (files.length > 0) out(fileRow(total));
    const lines = causeLines(total);
    if (lines.length > 0) out(`\n${lines.join('\n')}`);
    for (const line of bad) out(`UNEXPLAINED ${line}`);
  }
  return bad.length > 0 ? 1 : 0;
}

function nothingIn(folder: string): string | null {
  const found = suiteFolders(folder);
  if (Object.values(found).some((folders) => folders.length > 0)) return null;
  return `no suite is in ${folder}: no .MOO or .MOO.gz files, no ROMs`;
}

process.exitCode = main(process.argv.slice(2));
