// SPDX-License-Identifier: GPL-2.0-only
// Xen's own stream verifier takes our images, and refuses what it should: npm run image:verify asks it 1,000 times.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { Checkpointer } from '../../src/toolstack/image/checkpointer.ts';
import { suspend } from '../../src/toolstack/image/suspend.ts';
import { imageOf, rig, runTo } from './helper.ts';
import { askXen, judgeImages } from './xen-verifier.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

it('accepts images of every guest at random moments', { timeout: 120_000 }, () => {
  const judged = judgeImages(root, 30, 11);
  expect(judged).toMatchObject({ images: 30, accepted: 30, refused: null });
});

it('accepts continuous checkpoints after each of them, and refuses a damaged length', {
  timeout: 120_000,
}, () => {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-verifier-'));
  const path = join(folder, 'image');
  try {
    using file = new Checkpointer(path, false);
    using r = rig('counter');
    for (let n = 1; n <= 5; n++) {
      runTo(r, 1000 * n);
      suspend(r.machine, r.loop, r.snapshot, () => {
        const facts = { revision: 'exact', checkpoint: n, ledger: null, log: null } as const;
        file.commit(r.machine, r.snapshot, facts);
      });
      const { status, text } = askXen(root, path);
      expect(text.match(/Libxc Record: Checkpoint/g)).toHaveLength(n);
      expect(status).toBe(0);
    }
    const bytes = imageOf(r);
    bytes[0x30 + 4] = (bytes[0x30 + 4] ?? 0) ^ 8;
    writeFileSync(path, bytes);
    expect(askXen(root, path).status).toBe(1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
