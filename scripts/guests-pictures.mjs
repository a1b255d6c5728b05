// SPDX-License-Identifier: GPL-2.0-only
// Draws docs/guests/*.png: what each third-party guest shows on the PC, by `trapline run --screenshot`. The guests are
// read from ../shared/guests, or the folder that TRAPLINE_GUESTS names; no picture is made of one that is not there.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CannotRun, isMain, ROOT, run, say } from './lib.mjs';
import { setUp } from './setup.mjs';

const FLOPPY_360K = 368640;
const FLOPPY_1440K = 1474560;
const CHESS = 'nanochess-bootsectors';

/** Name of the picture, image, size with zeros behind it (0: as it is), and what is done before the picture. */
const PICTURES = [
  ['pi', `${CHESS}/pi.img`, FLOPPY_360K, ['--wait', '60s']],
  ['heart', `${CHESS}/heart.img`, FLOPPY_360K, ['--wait', '4s']],
  ['bricks', `${CHESS}/bricks.img`, FLOPPY_360K, ['--wait', '5s']],
  [
    'bootbasic',
    `${CHESS}/bootbasic.img`,
    FLOPPY_360K,
    ['--expect', '>', '--type', '10 print 6*7\\nlist\\nrun\\n', '--wait', '1s'],
  ],
  [
    'bootos',
    `${CHESS}/bootos.img`,
    FLOPPY_360K,
    ['--expect', 'bootOS', '--type', 'format\\ndir\\nver\\n', '--wait', '2s'],
  ],
  [
    'sectorlisp',
    'sectorlisp/sectorlisp.bin',
    FLOPPY_1440K,
    ['--wait', '3s', '--type', '(CONS (QUOTE A) (QUOTE B))\\n', '--wait', '1s'],
  ],
  [
    'floppybird',
    'floppybird/floppybird.img',
    FLOPPY_1440K,
    ['--wait', '5s', '--type', ' ', '--wait', '1s'],
  ],
  ['mikeos', 'mikeos/mikeos.flp', 0, ['--expect', 'Please select an interface', '--wait', '1s']],
  [
    'freedos',
    'freedos-160k/freedos.boot.disk.160K.img',
    0,
    ['--expect', 'A:\\>', '--type', 'ver\\ndir *.sys\\n', '--wait', '3s'],
  ],
];

function draw(folder) {
  const into = join(ROOT, 'docs', 'guests');
  mkdirSync(into, { recursive: true });
  const scratch = mkdtempSync(join(tmpdir(), 'trapline-pictures-'));
  try {
    for (const [name, path, padded, script] of PICTURES) {
      const from = join(folder, path);
      if (!existsSync(from)) {
        say(`${path}: not there, no picture`);
        continue;
      }
      const image = join(scratch, `${name}.img`);
      copyFileSync(from, image);
      if (padded > 0) truncateSync(image, padded);
      const picture = join(into, `${name}.png`);
      const args = ['run', image, '--machine', 'pc', ...script, '--screenshot', picture];
      run(`picture of ${name}`, process.execPath, [join(ROOT, 'dist', 'cli', 'main.js'), ...args], {
        failure: `no picture of ${name}`,
      });
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (isMain(import.meta.url)) {
  CannotRun.orExit(() => {
    setUp();
    const folder = process.env.TRAPLINE_GUESTS ?? join(ROOT, '..', 'shared', 'guests');
    if (!existsSync(folder)) throw new CannotRun(`no guests at ${folder}: set TRAPLINE_GUESTS`);
    draw(folder);
  });
}
