// SPDX-License-Identifier: GPL-2.0-only
// Entry of `npm run guests:pictures [-- GUEST...]`: draws docs/guests/*.png, what each third-party guest shows, by
// `trapline run --screenshot`. No picture is made of one that is not there. Exit code 0; 1: a guest shows nothing;
// 2: no such guest.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { absence } from '../suites/data.ts';
import { draw, PICTURES, pictureFile } from './pictures.ts';

function drawAll(names: readonly string[]): number {
  const say = (line: string): void => void process.stderr.write(`guests:pictures: ${line}\n`);
  const unknown = names.find((name) => !PICTURES.some((one) => one.name === name));
  if (unknown !== undefined) {
    say(`no guest '${unknown}': expected ${PICTURES.map(({ name }) => name).join(', ')}`);
    return 2;
  }
  const scratch = mkdtempSync(join(tmpdir(), 'trapline-pictures-'));
  let code = 0;
  try {
    for (const guest of PICTURES) {
      if (names.length > 0 && !names.includes(guest.name)) continue;
      const why = absence(guest.image.split('/')[0] ?? '');
      const failed = why === null ? draw(guest, scratch, pictureFile(guest.name)) : null;
      say(`${guest.name}: ${why ?? failed ?? 'drawn'}`);
      if (failed !== null) code = 1;
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return code;
}

process.exitCode = drawAll(process.argv.slice(2));
