// SPDX-License-Identifier: GPL-2.0-only
// What is typed at each third-party guest under checkpoints, after its INDEX.md, and how close the checkpoints are.
import type { ScriptStep } from '../../src/machine/pc/script.ts';
import { type GuestFiles, guestFile } from './prepare.ts';

export interface StressGuest extends GuestFiles {
  script: () => ScriptStep[];
  /** Instructions between two checkpoints; 10,000 unless said. Few for programs that end by themselves. */
  spacing?: number;
}

const NS_PER_SECOND = 1e9;
const type = (text: string): ScriptStep => ({ kind: 'type', text });
const expect = (text: string): ScriptStep => ({
  kind: 'expect',
  text,
  timeoutNs: 60 * NS_PER_SECOND,
});
const wait = (seconds: number): ScriptStep => ({ kind: 'wait', ns: seconds * NS_PER_SECOND });
const nothing = (): ScriptStep[] => [];

const CHESS = 'nanochess-bootsectors';
const SPICE = 'spice86-com';
const FREEDOS = 'freedos-160k/freedos.boot.disk.160K.img';
const MIKEOS = 'mikeos/mikeos.flp';
const FLOPPY_360K = 368640;
const FLOPPY_1440K = 1474560;

const BOOTOS = [
  'bb 17 7c 8a 07 84 c0 74 0c 53 b4 0e bb 0f 00 cd',
  '10 5b 43 eb ee cd 20 48 65 6c 6c 6f 2c 20 77 6f',
  '72 6c 64 0d 0a 00',
].join('\n');

/** Every other line of the capture is an answer. */
function lisp(): ScriptStep[] {
  const capture = guestFile('sectorlisp/expected/session.txt').toString('utf8');
  const lines = capture.slice(capture.indexOf('(ATOM NIL)')).split('\n').slice(0, 20);
  return [wait(3), ...lines.filter((_, i) => i % 2 === 0).map((line) => type(`${line}\n`))];
}

export const STRESS_GUESTS: readonly StressGuest[] = [
  { name: 'pi', image: `${CHESS}/pi.img`, padded: FLOPPY_360K, script: nothing },
  { name: 'heart', image: `${CHESS}/heart.img`, padded: FLOPPY_360K, script: nothing },
  { name: 'bricks', image: `${CHESS}/bricks.img`, padded: FLOPPY_360K, script: nothing },
  {
    name: 'bootbasic',
    image: `${CHESS}/bootbasic.img`,
    padded: FLOPPY_360K,
    script: () => [
      expect('>'),
      type('10 f=1\n20 n=1\n30 f=f*n\n40 print n;\n45 print " ";\n50 print f\n60 n=n+1\n'),
      type('70 if n-8 goto 30\n80 print "done"\nrun\n'),
      expect('7 5040'),
      type('print (7+5)*3-100/4\nprint 2-5\n'),
      expect('65533'),
    ],
  },
  {
    name: 'bootos',
    image: `${CHESS}/bootos.img`,
    padded: FLOPPY_360K,
    script: () => [
      expect('bootOS'),
      type(`format\ndir\nenter\n${BOOTOS}\n\nhello\n`),
      type('dir\nhello\n'),
      expect('Hello, world'),
      type('ver\n'),
      expect('bootOS'),
    ],
  },
  {
    name: 'sectorlisp',
    image: 'sectorlisp/sectorlisp.bin',
    padded: FLOPPY_1440K,
    script: lisp,
  },
  {
    name: 'floppybird',
    image: 'floppybird/floppybird.img',
    padded: FLOPPY_1440K,
    script: () => [wait(5), type(' '), wait(1)],
  },
  {
    name: 'mikeos',
    image: MIKEOS,
    script: () => [
      expect('Please select an interface'),
      type('{Right}\n'),
      expect('>'),
      type('size kernel.bin\n'),
      expect('19425'),
      type('copy edit.bin foo.bin\nren foo.bin bar.bin\nsize bar.bin\ndel bar.bin\n'),
      type('forth\n2 3 + .\n: sq dup * ; 12 sq .\n'),
      expect('144'),
    ],
  },
  {
    name: 'mikeos-serial',
    image: MIKEOS,
    script: () => [
      expect('Please select an interface'),
      type('{Right}\n'),
      expect('>'),
      type('serial\n\nabc123'),
    ],
  },
  {
    name: 'freedos',
    image: FREEDOS,
    script: () => [
      expect('A:\\>'),
      type('ver\necho hello>t.txt\ntype t.txt\ncopy t.txt u.txt\ndel t.txt\ndir *.txt\n'),
      type('type readme.txt>com1\ndir *.sys>com1\n'),
      expect('A:\\>'),
    ],
  },
  {
    name: 'debug',
    image: FREEDOS,
    floppyB: () => ({
      'DEBUG.COM': guestFile('msdos-com/DEBUG.COM'),
      'INPUT.TXT': guestFile('msdos-com/INPUT.TXT'),
    }),
    script: () => [expect('A:\\>'), type('b:\ndebug < input.txt > com1\n'), expect('B:\\>')],
  },
  { name: 'pi.com', image: `${CHESS}/pi.com`, script: nothing },
  { name: 'heart.com', image: `${CHESS}/heart.com`, script: nothing },
  { name: 'flpybird.com', image: 'floppybird/flpybird.com', script: () => [wait(2), type(' ')] },
  { name: 'cmos_ports.com', image: `${SPICE}/cmos_ports.com`, script: nothing, spacing: 5 },
  { name: 'bios_int1a.com', image: `${SPICE}/bios_int1a.com`, script: nothing, spacing: 5 },
  {
    name: 'int20_terminates.com',
    image: `${SPICE}/int20_terminates.com`,
    script: nothing,
    spacing: 5,
  },
  {
    name: 'child_return_code_initial.com',
    image: `${SPICE}/child_return_code_initial.com`,
    script: nothing,
    spacing: 5,
  },
  {
    name: 'program_arguments_print_argv0.com',
    image: `${SPICE}/program_arguments_print_argv0.com`,
    script: nothing,
    spacing: 5,
  },
];
