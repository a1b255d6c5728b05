// SPDX-License-Identifier: GPL-2.0-only
// Boot sectors of our own, one for each kind of thing that other people's do and the captured guests do not.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, type TestContext, test } from 'vitest';
import { checkLedger } from '../../src/ledger/checker.ts';
import type { Watch } from '../../src/toolstack/limits.ts';
import { stress } from '../../src/toolstack/stress.ts';
import { hostClock } from '../../src/util/clock.ts';
import { fat12 } from './fat12.ts';
import { Session } from './session.ts';

const scratch = mkdtempSync(join(tmpdir(), 'trapline-probes-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const SOURCES = fileURLToPath(new URL('probes/', import.meta.url));
const SETTLE_MS = 3000;

function assembled(name: string): Buffer {
  const out = join(scratch, `${name}.bin`);
  const source = join(SOURCES, `${name}.asm`);
  execFileSync('nasm', ['-f', 'bin', '-w+all', '-Werror', '-i', SOURCES, '-o', out, source]);
  return readFileSync(out);
}

/** The probe in the first sector of `image`. */
function withProbe(name: string, image: Uint8Array): string {
  image.set(assembled(name));
  const path = join(scratch, `${name}.img`);
  writeFileSync(path, image);
  return path;
}

function skipWithout(bios: string, context: TestContext): void {
  if (bios !== 'seabios' || existsSync('/usr/share/seabios/bios.bin')) return;
  process.stderr.write('SKIPPED: BIOS seabios is not installed\n');
  context.skip("Debian's package is called seabios");
}

const watch: Watch = {
  signal: new AbortController().signal,
  tick: () => undefined,
  clock: hostClock,
  idle: (ms, then) => void setTimeout(then, ms),
};

const lastLine = (session: Session): string => session.text().split('\n').at(-1) ?? '';
const floppy = (): Uint8Array => new Uint8Array(1474560);

/** Sectors of a disk, each full of a byte that its number makes. */
function stamped(sectors: number): Uint8Array {
  const disk = new Uint8Array(sectors * 512);
  for (let n = 0; n < sectors; n++) disk.fill((n * 7 + (n >> 8)) & 0xff, n * 512, n * 512 + 512);
  return disk;
}

describe.each(['builtin', 'seabios'])('BIOS %s', (bios) => {
  // What QEMU shows, too, but for the second byte: it drops a word that begins at port 43h.
  test('words and double words at 8-bit devices', (context) => {
    skipWithout(bios, context);
    using session = new Session(withProbe('wide', floppy()), { bios });
    session.run(SETTLE_MS);
    expect(lastLine(session)).toBe('F6 F4 00 00 A5 A5 2D B5 34 12 5A');
  });

  // The next two as QEMU shows them.
  test('protected mode for each character, and address line 20 by its three switches', (context) => {
    skipWithout(bios, context);
    using session = new Session(withProbe('modes', floppy()), { bios });
    session.run(SETTLE_MS);
    expect(lastLine(session)).toBe('Trapline!01 00 01 00 01 00 01');
  });

  test('a hard disk by geometry and by number', (context) => {
    skipWithout(bios, context);
    using session = new Session(withProbe('disk', stamped(8064)), { bios });
    session.run(SETTLE_MS);
    expect(lastLine(session)).toBe('80 0F 3F AA 00 14 00 B7 BE 77 01');
    expect(session.machine.pc?.missing).toEqual([]);
  });

  test('a formatted floppy that does not boot asks for a key and boots again', (context) => {
    skipWithout(bios, context);
    const disk = fat12({ 'README.TXT': Buffer.from('nothing here') });
    const path = join(scratch, 'formatted.img');
    const sector = assembled('again');
    // Between jump and code lies what the format says of itself.
    sector.set(disk.subarray(3, 62), 3);
    writeFileSync(path, Buffer.concat([sector, disk.subarray(512)]));
    using session = new Session(path, { bios });
    const times = (): number => session.text().split('press a key').length - 1;
    session.until('message', () => times() === 1, 20_000);
    session.type('x');
    session.until('message again', () => times() === 2, 20_000);
  });
});

test('colours after a monochrome mode, and the state of the adapter saved and restored', () => {
  using session = new Session(withProbe('vga', floppy()));
  session.run(SETTLE_MS);
  // The mode, a colour, where the picture begins, how memory is read, the kind of palette; register 1 of a monochrome mode,
  // register 6 of a colour mode.
  expect(lastLine(session)).toBe('1C 13 33 22 11 01 0E 40 41 08 14');
});

// A BIOS chip that is larger than what lies below 1 MiB comes with a chip set; else there is no PCI.
const BIG_SEABIOS = '/usr/share/seabios/bios-256k.bin';
test('PCI, as far as a BIOS insists on it', (context) => {
  skipWithout('seabios', context);
  const shows = (bios: string): string => {
    using session = new Session(withProbe('pci', floppy()), { bios });
    session.run(SETTLE_MS);
    return lastLine(session);
  };
  // As QEMU's machine `pc` shows it, but for the last: there a byte of the address can be read.
  expect(shows(BIG_SEABIOS)).toBe('00 00 50 00 08 37 12 00 06 00 70 FF FF FF');
  const nothing = 'FF FF FF FF FF FF FF FF FF';
  expect(shows('builtin').slice(-nothing.length)).toBe(nothing);
  expect(shows('builtin').slice(0, 2)).toBe('01');
});

test('configuration space under checkpoints, and its books', {
  timeout: 120_000,
}, async (context) => {
  skipWithout('seabios', context);
  const ledgerPath = join(scratch, 'pci.jsonl');
  const report = await stress(
    {
      guest: withProbe('pci', floppy()),
      load: { machine: 'pc', pc: { bios: BIG_SEABIOS } },
      devices: [],
      revision: 'exact',
      ...{ seed: 1, ledgerPath, checkpoints: 500, spacing: 20_000 },
      maxInstructions: null,
      timeoutMs: null,
    },
    watch,
  );
  expect(report.violations).toEqual([]);
  expect(report.end?.identical).toBe(true);
  // What the host bridge counted is what the books hold of its ports.
  expect(await checkLedger(ledgerPath)).toMatchObject({ ok: true });
});

test('what is not there is named, and what a BIOS looks for before it boots is not', () => {
  using session = new Session(withProbe('unserved', floppy()));
  session.run(SETTLE_MS);
  expect(Object.fromEntries(session.machine.pc?.missing ?? [])).toEqual({
    'IN from port 0x388': 2,
    'INT 10h with AX=005Eh': 1,
    'INT 10h with AX=1011h': 1,
    'INT 10h with AX=1105h': 1,
    'INT 10h with AX=1200h': 1,
    'INT 10h with AX=FE00h': 1,
    'INT 13h with AX=4100h': 1,
    'INT 15h with AX=EE01h': 1,
    'INT 16h with AX=2142h': 1,
    'INT 1Ah with AX=B101h': 1,
    'INT 21h with AX=0901h': 1,
    'INT 33h with AX=0000h (mouse)': 1,
    'instruction 0F 0B': expect.any(Number),
  });
});

test('the same on SeaBIOS, as far as ports and memory go', (context) => {
  skipWithout('seabios', context);
  using session = new Session(withProbe('unserved', floppy()), { bios: 'seabios' });
  session.run(SETTLE_MS);
  expect(session.machine.pc?.missing).toEqual([['IN from port 0x388', 2]]);
});
