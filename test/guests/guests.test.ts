// SPDX-License-Identifier: GPL-2.0-only
// Third-party boot sectors and systems, unchanged, on the built-in BIOS and on SeaBIOS: what they show is what their captures show.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, describe, it, type TestContext } from 'vitest';
import { absence, guestsFolder } from '../suites/data.ts';
import { fat12 } from './fat12.ts';
import { BOOT_GUESTS, type BootGuest, guestFile } from './guests.ts';
import { Session } from './session.ts';

const scratch = mkdtempSync(join(tmpdir(), 'trapline-guests-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const said = new Set<string>();
function needs(context: TestContext, folder: string): void {
  const why = absence(folder);
  if (why === null) return;
  if (!said.has(folder)) process.stderr.write(`SKIPPED: ${why}\n`);
  said.add(folder);
  context.skip(why);
}

function start(guest: BootGuest, bios: string): Session {
  let image = join(guestsFolder(), guest.image);
  if (guest.padded !== undefined) {
    const whole = Buffer.alloc(guest.padded);
    whole.set(guestFile(guest.image));
    image = join(scratch, `${guest.name}.img`);
    writeFileSync(image, whole);
  }
  const floppies: string[] = [];
  if (guest.floppyB !== undefined) {
    const path = join(scratch, `${guest.name}-b.img`);
    writeFileSync(path, fat12(guest.floppyB()));
    floppies.push(path);
  }
  return new Session(image, { bios, floppies });
}

/** Debian's SeaBIOS is a package: nothing to copy here. */
function needsSeabios(context: TestContext): void {
  if (existsSync('/usr/share/seabios/bios.bin')) return;
  const why = "SeaBIOS is not installed: Debian's package is called seabios";
  if (!said.has(why)) process.stderr.write(`SKIPPED: ${why}\n`);
  said.add(why);
  context.skip(why);
}

describe.each(['builtin', 'seabios'])('BIOS %s', (bios) => {
  it.for(BOOT_GUESTS.map((guest) => [guest.name, guest] as const))(
    '%s',
    { timeout: 120_000 },
    ([, guest], context) => {
      needs(context, guest.image.split('/')[0] ?? '');
      if (bios === 'seabios') needsSeabios(context);
      using session = start(guest, bios);
      guest.play(session);
    },
  );
});
