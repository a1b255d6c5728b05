// SPDX-License-Identifier: GPL-2.0-only
// The third-party suites, where their data is: the very lines of docs/cpu-suites.md, for as many files as there are. A
// change in either direction is looked into, then written there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, it, type TestContext } from 'vitest';
import { ARTLAV, ROMS, romsIn, runRom } from './artlav.ts';
import { absence, guestsFolder, projectRoot } from './data.ts';
import { SstCpu } from './sst-cpu.ts';
import { runSstFile, SST286, sstFiles } from './sst-suite.ts';
import { fileRow, romRow } from './table.ts';

const LINES = readFileSync(join(projectRoot(), 'docs', 'cpu-suites.md'), 'utf8').split('\n');
const said = new Set<string>();
function needs(context: TestContext, suite: string): void {
  const why = absence(suite);
  if (why === null) return;
  if (!said.has(suite)) process.stderr.write(`SKIPPED: ${why}\n`);
  said.add(suite);
  context.skip(why);
}

describe(ARTLAV, () => {
  const folder = join(guestsFolder(), ARTLAV);
  const here = absence(ARTLAV) === null ? romsIn(folder) : ROMS;
  it('has ROMs', () => expect(here.length).toBeGreaterThanOrEqual(9));
  it.for(here.map((rom) => [rom.rom, rom] as const))('%s', ([, rom], context) => {
    needs(context, ARTLAV);
    const result = runRom(folder, rom);
    expect(result.differences).toEqual([]);
    expect(LINES).toContain(romRow(result));
  });
  it('a ROM that stops at once does not pass', (context) => {
    needs(context, ARTLAV);
    const add = ROMS.find(({ rom }) => rom === 'add');
    if (add === undefined) throw new Error('no ROM');
    // HLT in place of its first instruction.
    const spoilt = runRom(folder, add, (image) => {
      image[0xfff0] = 0xf4;
    });
    expect(spoilt.differences.length).toBeGreaterThan(1);
  });
});

describe(SST286, () => {
  const folder = join(guestsFolder(), SST286);
  const here = absence(SST286) === null ? sstFiles(folder) : ['00'];
  it('has files', () => expect(here.length).toBeGreaterThanOrEqual(1));
  it.for(here)('%s', { timeout: 240_000 }, (file, context) => {
    needs(context, SST286);
    using cpu = new SstCpu();
    const result = runSstFile(cpu, folder, file);
    expect(result.unexplained).toBeNull();
    expect(LINES).toContain(fileRow(result));
  });
});
