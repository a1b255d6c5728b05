// SPDX-License-Identifier: GPL-2.0-only
// `npm run guests:stress` in short: each third-party guest under checkpoints, beside an undisturbed run of itself.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, describe, expect, it } from 'vitest';
import { absence } from '../suites/data.ts';
import { STRESS_GUESTS } from './stress-list.ts';
import { stressGuest } from './stress-run.ts';

const CHECKPOINTS = 60;

const scratch = mkdtempSync(join(tmpdir(), 'trapline-guests-stress-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('guests under checkpoints', () => {
  it.for(STRESS_GUESTS.map((guest) => [guest.name, guest] as const))(
    '%s',
    { timeout: 240_000 },
    async ([, guest], context) => {
      const why = absence(guest.image.split('/')[0] ?? '');
      if (why !== null) {
        process.stderr.write(`SKIPPED: ${why}\n`);
        context.skip(why);
      }
      const row = await stressGuest(guest, CHECKPOINTS, scratch);
      expect(row.problem).toBeNull();
      expect(row).toMatchObject({ identical: true, lost: 0, duplicated: 0 });
      expect(row.checkpoints).toBeGreaterThanOrEqual(CHECKPOINTS);
    },
  );
});
