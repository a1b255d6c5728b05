// SPDX-License-Identifier: GPL-2.0-only
// What each third-party guest shows on the PC, as a picture that `trapline run --screenshot` makes: with which words.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { guestsFolder, projectRoot } from '../suites/data.ts';
import { type GuestFiles, guestFile, prepare } from './prepare.ts';

export interface Pictured extends GuestFiles {
  /** Words of `trapline run` before --screenshot. */
  words: () => string[];
}

const FLOPPY_360K = 368640;
const FLOPPY_1440K = 1474560;
const CHESS = 'nanochess-bootsectors';
const SPICE = 'spice86-com';
const MIKEOS = 'mikeos/mikeos.flp';
const FREEDOS = 'freedos-160k/freedos.boot.disk.160K.img';

const wait = (time: string): string[] => ['--wait', time];
const type = (text: string): string[] => ['--type', text];
const expect = (text: string): string[] => ['--expect', text];
/** Looked at after a second; the program reports and halts. */
const spice86 = (name: string): Pictured => ({
  name: `${name}.com`,
  image: `${SPICE}/${name}.com`,
  words: () => wait('1s'),
});

/** A guest that shows nothing has a black picture: that is its screen. */
export const PICTURES: readonly Pictured[] = [
  { name: 'pi', image: `${CHESS}/pi.img`, padded: FLOPPY_360K, words: () => wait('60s') },
  { name: 'heart', image: `${CHESS}/heart.img`, padded: FLOPPY_360K, words: () => wait('4s') },
  { name: 'bricks', image: `${CHESS}/bricks.img`, padded: FLOPPY_360K, words: () => wait('5s') },
  {
    name: 'bootbasic',
    image: `${CHESS}/bootbasic.img`,
    padded: FLOPPY_360K,
    words: () => [...expect('>'), ...type('10 print 6*7\\nlist\\nrun\\n'), ...wait('1s')],
  },
  {
    name: 'bootos',
    image: `${CHESS}/bootos.img`,
    padded: FLOPPY_360K,
    words: () => [...expect('bootOS'), ...type('format\\ndir\\nver\\n'), ...wait('2s')],
  },
  {
    name: 'sectorlisp',
    image: 'sectorlisp/sectorlisp.bin',
    padded: FLOPPY_1440K,
    words: () => [...wait('3s'), ...type('(CONS (QUOTE A) (QUOTE B))\\n'), ...wait('1s')],
  },
  {
    name: 'floppybird',
    image: 'floppybird/floppybird.img',
    padded: FLOPPY_1440K,
    words: () => [...wait('5s'), ...type(' '), ...wait('1s')],
  },
  {
    name: 'mikeos',
    image: MIKEOS,
    words: () => [...expect('Please select an interface'), ...wait('1s')],
  },
  {
    name: 'mikeos-serial',
    image: MIKEOS,
    words: () => [
      ...[...expect('Please select an interface'), ...type('{Right}\\n'), ...expect('>')],
      ...[...type('serial\\n\\nabc123'), ...wait('1s')],
    ],
  },
  {
    name: 'freedos',
    image: FREEDOS,
    words: () => [...expect('A:\\>'), ...type('ver\\ndir *.sys\\n'), ...wait('3s')],
  },
  {
    name: 'debug',
    image: FREEDOS,
    floppyB: () => ({ 'DEBUG.COM': guestFile('msdos-com/DEBUG.COM') }),
    words: () => [
      ...[...expect('A:\\>'), ...type('b:\\ndebug\\n'), ...expect('-')],
      ...[...type('d 0 2f\\nr\\n'), ...wait('1s')],
    ],
  },
  { name: 'pi.com', image: `${CHESS}/pi.com`, words: () => wait('60s') },
  { name: 'heart.com', image: `${CHESS}/heart.com`, words: () => wait('4s') },
  {
    name: 'flpybird.com',
    image: 'floppybird/flpybird.com',
    words: () => [...wait('5s'), ...type(' '), ...wait('1s')],
  },
  ...['cmos_ports', 'bios_int1a', 'int20_terminates'].map(spice86),
  ...['child_return_code_initial', 'program_arguments_print_argv0'].map(spice86),
  {
    name: 'DEBUG.COM',
    image: 'msdos-com/DEBUG.COM',
    words: () => [...expect('-'), ...type('d 0 2f\\nr\\n'), ...wait('1s')],
  },
];

/** Where the pictures are kept. */
export const pictureFile = (name: string): string =>
  join(projectRoot(), 'docs', 'guests', `${name}.png`);

/**
 * Runs the built program.
 * @param scratch - a folder for files that are made
 * @returns what it said, when there is no picture; null: there is one
 */
export function draw(guest: Pictured, scratch: string, into: string): string | null {
  const { image, floppies } = prepare(guest, scratch);
  const run = spawnSync(
    process.execPath,
    [
      ...[join(projectRoot(), 'dist', 'cli', 'main.js'), 'run', image, '--machine', 'pc'],
      ...floppies.flatMap((path) => ['--floppy', path]),
      ...guest.words(),
      ...['--screenshot', into],
    ],
    { cwd: guestsFolder(), stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' },
  );
  // 1: the program ended before the script did, which a few of them do.
  return run.status === 0 || run.status === 1 ? null : run.stderr;
}
