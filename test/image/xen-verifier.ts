// SPDX-License-Identifier: GPL-2.0-only
// Images at random moments, judged by Xen's own verifier.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listGuestNames } from '../../src/machine/loader.ts';
import { Random } from '../../src/util/random.ts';
import { imageOf, rig, runTo } from './helper.ts';

/** Xen's program and its library, where scripts/xen-verifier.mjs leaves them. */
function verifier(root: string): { program: string; library: string } {
  for (const base of ['/usr/lib', join(root, 'build', 'xen-utils', 'usr', 'lib')]) {
    if (!existsSync(base)) continue;
    for (const name of readdirSync(base).filter((n) => /^xen-\d/.test(n))) {
      const program = join(base, name, 'bin', 'verify-stream-v2');
      if (existsSync(program)) return { program, library: join(base, name, 'lib', 'python') };
    }
  }
  throw new Error('no verify-stream-v2: node scripts/test.mjs fetches it');
}

/** What Xen's verifier says of a file. */
export function askXen(root: string, file: string): { status: number | null; text: string } {
  const { program, library } = verifier(root);
  // Where python3 on PATH is a version manager's script, it costs more than the verifier.
  const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
  const { status, stdout, stderr } = spawnSync(python, [program, '-v', '-i', file], {
    encoding: 'utf8',
    env: { ...process.env, PYTHONPATH: library },
  });
  return { status, text: `${stdout}${stderr}` };
}

export interface Judged {
  images: number;
  accepted: number;
  /** Of the first refused one. */
  refused: string | null;
  guests: number;
}

/** Latest moment, in instructions. */
const LATEST = 30_000;

/** `images` images of all guests in turn, each of a moment of its own. @param tick - called after each */
export function judgeImages(
  root: string,
  images: number,
  seed: number,
  tick = (): void => {},
): Judged {
  const random = new Random(seed);
  const names = listGuestNames();
  const folder = mkdtempSync(join(tmpdir(), 'trapline-verify-'));
  const judged: Judged = { images: 0, accepted: 0, refused: null, guests: names.length };
  try {
    for (let i = 0; i < images; i++) {
      const name = names[i % names.length] ?? '';
      const at = 1 + random.below(LATEST);
      using r = rig(name);
      // A guest that ends before is saved where it ended.
      runTo(r, at);
      const file = join(folder, 'image');
      writeFileSync(file, imageOf(r));
      const { status, text } = askXen(root, file);
      judged.images++;
      if (status === 0) judged.accepted++;
      else judged.refused ??= `${name} at ${at}: ${text}`;
      tick();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return judged;
}
