// SPDX-License-Identifier: GPL-2.0-only
// Third-party boot sectors and systems, unchanged, on the built-in BIOS, on SeaBIOS and on Bochs's BIOS: what they show is
// what their captures show.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { afterAll, describe, it, type TestContext } from 'vitest';
import type { PcRequest } from '../../src/machine/pc/request.ts';
import { absence } from '../suites/data.ts';
import { BOOT_GUESTS, type BootGuest } from './guests.ts';
import { prepare } from './prepare.ts';
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

function start(guest: BootGuest, { request, bootsIn }: Firmware): Session {
  const { image, floppies } = prepare(guest, scratch);
  const session = new Session(image, { ...request, floppies });
  const loaded = (): boolean => session.memory(0x7c00, 4).some((byte) => byte !== 0);
  session.until('boot sector', loaded, bootsIn);
  return session;
}

/** What a PC is started with, and a file that Debian's packages of that name bring: nothing to copy here. */
interface Firmware {
  readonly name: string;
  readonly packages: string;
  readonly request: PcRequest;
  readonly needs: readonly string[];
  /** Milliseconds of guest time in which it has loaded a boot sector. */
  readonly bootsIn: number;
}

const BOCHS = {
  bios: '/usr/share/bochs/BIOS-bochs-legacy',
  vgaBios: '/usr/share/vgabios/vgabios.bin',
};
const FIRMWARE: readonly Firmware[] = [
  { name: 'builtin', packages: '', request: { bios: 'builtin' }, needs: [], bootsIn: 10_000 },
  {
    name: 'seabios',
    packages: 'seabios',
    request: { bios: 'seabios' },
    needs: ['/usr/share/seabios/bios.bin'],
    bootsIn: 10_000,
  },
  {
    name: 'bochs',
    packages: 'bochsbios and vgabios',
    request: BOCHS,
    needs: [BOCHS.bios, BOCHS.vgaBios],
    bootsIn: 60_000,
  },
];

function needsFirmware(context: TestContext, { name, packages, needs: files }: Firmware): void {
  if (files.every((file) => existsSync(file))) return;
  const why = `BIOS ${name} is not installed: Debian calls it ${packages}`;
  if (!said.has(why)) process.stderr.write(`SKIPPED: ${why}\n`);
  said.add(why);
  context.skip(why);
}

describe.each(FIRMWARE)('BIOS $name', (firmware) => {
  it.for(BOOT_GUESTS.map((guest) => [guest.name, guest] as const))(
    '%s',
    { timeout: 120_000 },
    ([, guest], context) => {
      needs(context, guest.image.split('/')[0] ?? '');
      needsFirmware(context, firmware);
      using session = start(guest, firmware);
      guest.play(session);
    },
  );
});
