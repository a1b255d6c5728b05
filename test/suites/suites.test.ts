// SPDX-License-Identifier: GPL-2.0-only
// The third-party suites, where their data is: 80186 ROMs byte for byte, 80286 tests with exact numbers per cause.
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, it, type TestContext } from 'vitest';
import { ARTLAV, ROMS, runRom } from './artlav.ts';
import { absence, guestsFolder } from './data.ts';
import { EXPECTED } from './expected.ts';
import { Sst286 } from './sst286.ts';
import { runSstFile, SST286, sstFiles } from './sst286-suite.ts';

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
  it.for(ROMS.map((rom) => [rom.rom, rom] as const))('%s', ([, rom], context) => {
    needs(context, ARTLAV);
    expect(runRom(folder, rom).differences).toEqual([]);
  });
  it('a ROM that stops at once does not pass', (context) => {
    needs(context, ARTLAV);
    const [add] = ROMS;
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
  it('has the files that are expected', (context) => {
    needs(context, SST286);
    expect(sstFiles(folder)).toEqual(Object.keys(EXPECTED).sort());
  });
  it.for(Object.keys(EXPECTED))('%s', { timeout: 240_000 }, (file, context) => {
    needs(context, SST286);
    using cpu = new Sst286();
    expect(runSstFile(cpu, folder, file)).toEqual({ ...EXPECTED[file], file, unexplained: null });
  });
});
