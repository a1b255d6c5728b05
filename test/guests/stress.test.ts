// SPDX-License-Identifier: GPL-2.0-only
// `npm run guests:stress` in short: each third-party guest under checkpoints, beside an undisturbed run of itself.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, describe, expect, it, type TestContext } from 'vitest';
import { absence } from '../suites/data.ts';
import { STRESS_GUESTS } from './stress-list.ts';
import { stressGuest } from './stress-run.ts';

const CHECKPOINTS = 60;
/** Those that also start from SeaBIOS here; `npm run guests:stress` has all. */
const BOOTED = ['bricks', 'bootos', 'freedos'];

const scratch = mkdtempSync(join(tmpdir(), 'trapline-guests-stress-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const SEABIOS = '/usr/share/seabios/bios.bin';

function skip(context: TestContext, why: string): never {
  process.stderr.write(`SKIPPED: ${why}\n`);
  return context.skip(why);
}

describe.each(['builtin', 'seabios'])('guests under checkpoints, BIOS %s', (bios) => {
  const guests = STRESS_GUESTS.filter(({ name }) => bios === 'builtin' || BOOTED.includes(name));
  it.for(guests.map((guest) => [guest.name, guest] as const))(
    '%s',
    { timeout: 240_000 },
    async ([, guest], context) => {
      const why = absence(guest.image.split('/')[0] ?? '');
      if (why !== null) skip(context, why);
      if (bios === 'seabios' && !existsSync(SEABIOS)) skip(context, 'SeaBIOS is not installed');
      const row = await stressGuest(guest, {
        bios,
        checkpoints: CHECKPOINTS,
        scratch,
        chain: null,
      });
      expect(row.problem).toBeNull();
      expect(row).toMatchObject({ identical: true, lost: 0, duplicated: 0 });
      expect(row.checkpoints).toBeGreaterThanOrEqual(CHECKPOINTS);
    },
  );
});
