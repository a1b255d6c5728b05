// SPDX-License-Identifier: GPL-2.0-only
// Each third-party guest of ../shared/guests that boots, and what it has to show, after its INDEX.md.
import { expect } from 'vitest';
import { type GuestFiles, guestFile } from './prepare.ts';
import type { Session } from './session.ts';

export interface BootGuest extends GuestFiles {
  /** Types and looks; throws when something is not as expected. */
  play(session: Session): void;
}

/** The text of a capture, or from its first line with `from` on: what stands above differs per BIOS. */
function expectText(session: Session, path: string, from?: string): void {
  const cut = (text: string): string => text.slice(from === undefined ? 0 : text.indexOf(from));
  expect(cut(session.text())).toBe(cut(guestFile(path).toString('utf8').trimEnd()));
}

/** @param maybe - bytes that may differ, and why is said where they are given */
function expectCells(session: Session, path: string, maybe: readonly number[] = []): void {
  expectText(session, path.replace('.cells.bin', '.txt'));
  const want = guestFile(path);
  const differ = [...session.cells()].flatMap((byte, at) => (byte === want[at] ? [] : [at]));
  expect(differ.filter((at) => !maybe.includes(at))).toEqual([]);
}

const BALL = (20 * 80 + 40) * 2 + 1;
const NANOCHESS = 'nanochess-bootsectors';
const FLOPPY_360K = 368640;
const FLOPPY_1440K = 1474560;
/** Time for what follows a typed line. */
const settle = (session: Session): void => session.run(400);

export const BOOT_GUESTS: readonly BootGuest[] = [
  {
    name: 'pi',
    image: `${NANOCHESS}/pi.img`,
    padded: FLOPPY_360K,
    play(session) {
      const want = guestFile(`${NANOCHESS}/expected/pi.txt`).toString('utf8').trimEnd();
      session.until('last digit', () => session.text() === want, 120_000, 1000);
      expectCells(session, `${NANOCHESS}/expected/pi.cells.bin`);
    },
  },
  {
    name: 'heart',
    image: `${NANOCHESS}/heart.img`,
    padded: FLOPPY_360K,
    play(session) {
      const picture = guestFile(`${NANOCHESS}/expected/heart.a0000.bin`);
      const drawn = (): boolean => session.memory(0xa0000, 64000).equals(picture);
      session.until('picture', drawn, 60_000, 200);
      expect(session.mode).toBe(0x13);
    },
  },
  {
    name: 'bricks',
    image: `${NANOCHESS}/bricks.img`,
    padded: FLOPPY_360K,
    play(session) {
      session.until('game', () => session.cells()[0] === 0xb1, 20_000);
      settle(session);
      // The ball's colours are a byte the game never sets: what the BIOS left on the stack decides.
      const foreign = session.machine.pc?.config.bios !== 'builtin';
      expectCells(session, `${NANOCHESS}/expected/bricks.cells.bin`, foreign ? [BALL] : []);
      expect([0x06, 0x60]).toContain(session.cells()[BALL]);
    },
  },
  {
    name: 'bootbasic',
    image: `${NANOCHESS}/bootbasic.img`,
    padded: FLOPPY_360K,
    play(session) {
      session.expect('>');
      session.type(
        '10 f=1\n20 n=1\n30 f=f*n\n40 print n;\n45 print " ";\n50 print f\n60 n=n+1\n70 if n-8 goto 30\n' +
          '80 print "done"\nrun\nprint (7+5)*3-100/4\nprint 2-5\n',
      );
      settle(session);
      expectText(session, `${NANOCHESS}/expected/bootbasic.txt`, '>10 f=1');
    },
  },
  {
    name: 'bootos',
    image: `${NANOCHESS}/bootos.img`,
    padded: FLOPPY_360K,
    play(session) {
      const code = [
        'bb 17 7c 8a 07 84 c0 74 0c 53 b4 0e bb 0f 00 cd',
        '10 5b 43 eb ee cd 20 48 65 6c 6c 6f 2c 20 77 6f',
        '72 6c 64 0d 0a 00',
      ].join('\n');
      session.expect('bootOS');
      session.type(`format\ndir\nenter\n${code}\n\nhello\ndir\nhello\nver\n`);
      settle(session);
      expectText(session, `${NANOCHESS}/expected/bootos.txt`, 'bootOS');
      const sector = (n: number): Uint8Array => {
        const into = new Uint8Array(512);
        session.machine.pc?.fdc.drives[0]?.medium?.read(n, into);
        return into;
      };
      const boot = guestFile(`${NANOCHESS}/bootos.img`);
      expect(boot.equals(sector(0))).toBe(true);
      const directory = new Uint8Array(512);
      directory.set(Buffer.from('hello\0', 'latin1'));
      expect(sector(1)).toEqual(directory);
      const typed = Buffer.from(code.replace(/\s+/g, ''), 'hex');
      expect(Buffer.from(sector(18)).subarray(0, typed.length).equals(typed)).toBe(true);
    },
  },
  {
    name: 'sectorlisp',
    image: 'sectorlisp/sectorlisp.bin',
    padded: FLOPPY_1440K,
    play(session) {
      session.run(3000);
      const first = '(ATOM NIL)';
      const capture = guestFile('sectorlisp/expected/session.txt').toString('utf8');
      const lines = capture.slice(capture.indexOf(first)).split('\n');
      // Every other line is an answer.
      for (const line of lines.filter((_, i) => i % 2 === 0 && i < 20)) session.type(`${line}\n`);
      settle(session);
      expectText(session, 'sectorlisp/expected/session.txt', first);
    },
  },
  {
    name: 'floppybird',
    image: 'floppybird/floppybird.img',
    padded: FLOPPY_1440K,
    play(session) {
      session.until('mode 13h', () => session.mode === 0x13, 20_000);
      settle(session);
      const before = session.memory(0xa0000, 64000);
      expect(new Set(before).size).toBeGreaterThan(8);
      session.type(' ');
      session.run(500);
      expect(session.memory(0xa0000, 64000).equals(before)).toBe(false);
    },
  },
  {
    name: 'mikeos',
    image: 'mikeos/mikeos.flp',
    play(session) {
      session.expect('Please select an interface');
      settle(session);
      expectCells(session, 'mikeos/expected/1-boot.cells.bin');
      session.type('{Right}\n');
      session.expect('>');
      expectCells(session, 'mikeos/expected/2-cli.cells.bin');
      session.type('size kernel.bin\ncopy edit.bin foo.bin\nren foo.bin bar.bin\nsize bar.bin\n');
      session.type('del bar.bin\nsize bar.bin\nforth\n2 3 + .\n: sq dup * ; 12 sq .\n');
      settle(session);
      expectCells(session, 'mikeos/expected/3-session.cells.bin');
    },
  },
  {
    name: 'mikeos-serial',
    image: 'mikeos/mikeos.flp',
    play(session) {
      session.expect('Please select an interface');
      settle(session);
      session.type('{Right}\nserial\n\n');
      settle(session);
      session.receive('hello from the line');
      session.type('abc123');
      settle(session);
      expectCells(session, 'mikeos/expected/4-serial.cells.bin');
      expect(session.line).toBe('abc123');
    },
  },
  {
    name: 'freedos',
    image: 'freedos-160k/freedos.boot.disk.160K.img',
    play(session) {
      session.expect('A:\\>', 60_000);
      session.type('ver\necho hello>t.txt\ntype t.txt\ncopy t.txt u.txt\ndel t.txt\n');
      session.type('dir *.txt\ntype readme.txt>com1\ndir *.sys>com1\n');
      session.run(4000);
      expectText(session, 'freedos-160k/expected/session.txt');
      const want = guestFile('freedos-160k/expected/session.com1.txt').toString('latin1');
      expect(session.line).toBe(want);
    },
  },
  {
    name: 'debug',
    image: 'freedos-160k/freedos.boot.disk.160K.img',
    floppyB: () => ({
      'DEBUG.COM': guestFile('msdos-com/DEBUG.COM'),
      'INPUT.TXT': guestFile('msdos-com/INPUT.TXT'),
    }),
    play(session) {
      session.expect('A:\\>', 60_000);
      session.type('b:\ndebug < input.txt > com1\n');
      session.run(4000);
      const want = guestFile('msdos-com/expected/com1-segments-masked.txt').toString('latin1');
      const [segment] = /^[0-9A-F]{4}(?=:)/m.exec(session.line) ?? [''];
      expect(segment).not.toBe('');
      expect(session.line.replaceAll(segment, 'SSSS')).toBe(want);
    },
  },
];
