// SPDX-License-Identifier: GPL-2.0-only
// .COM programs on the built-in DOS services: third-party ones, and a probe of each kind of service.
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, test } from 'vitest';
import type { PcRequest } from '../../src/machine/pc/request.ts';
import { absence, guestsFolder } from '../suites/data.ts';
import { guestFile } from './prepare.ts';
import { Session } from './session.ts';

const scratch = mkdtempSync(join(tmpdir(), 'trapline-dos-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Of ../shared/guests/spice86-com; only the first ends by itself. */
const SPICE86 = [
  'int20_terminates',
  'cmos_ports',
  'bios_int1a',
  'child_return_code_initial',
  'program_arguments_print_argv0',
];

describe('spice86-com', () => {
  it.for(SPICE86)('%s', (name, context) => {
    const why = absence('spice86-com');
    if (why !== null) {
      process.stderr.write(`SKIPPED: ${why}\n`);
      context.skip(why);
    }
    using session = new Session(join(guestsFolder(), 'spice86-com', `${name}.com`));
    session.until('verdict', () => session.verdict !== null, 5000, 5);
    expect(session.verdict).toBe(0);
    if (name.startsWith('program')) expect(session.output).toBe('C');
  });
});

describe('nanochess-bootsectors', () => {
  it.for(['pi', 'heart'])('%s.com', { timeout: 120_000 }, (name, context) => {
    const why = absence('nanochess-bootsectors');
    if (why !== null) {
      process.stderr.write(`SKIPPED: ${why}\n`);
      context.skip(why);
    }
    const folder = 'nanochess-bootsectors';
    using session = new Session(join(guestsFolder(), folder, `${name}.com`));
    const done = (): boolean =>
      name === 'pi'
        ? session.text() === guestFile(`${folder}/expected/pi.txt`).toString('utf8').trimEnd()
        : session.memory(0xa0000, 64000).equals(guestFile(`${folder}/expected/heart.a0000.bin`));
    session.until('result', done, 120_000, 1000);
  });
});

test('msdos-com: DEBUG.COM of MS-DOS 1.25, its script typed', (context) => {
  const why = absence('msdos-com');
  if (why !== null) {
    process.stderr.write(`SKIPPED: ${why}\n`);
    context.skip(why);
  }
  using session = new Session(join(guestsFolder(), 'msdos-com', 'DEBUG.COM'));
  const plain = (text: string): string => text.replaceAll('\r', '').trim();
  const script = plain(guestFile('msdos-com/INPUT.TXT').toString('latin1'));
  const want = guestFile('msdos-com/expected/com1-segments-masked.txt').toString('latin1');
  session.expect('-');
  // q leaves, once the program that it ran is over.
  for (const line of script.split('\n')) session.type(`${line}\n`);
  session.until('end', () => session.machine.pc?.exitCode === 0, 5000);
  const masked = plain(session.output).replaceAll(/^[0-9A-F]{4}(?=:)/gm, 'SSSS');
  expect(masked.slice(0, plain(want).length)).toBe(plain(want));
  expect(session.machine.pc?.missing).toEqual([]);
});

const PROBES = fileURLToPath(new URL('dos/', import.meta.url));

/** A probe, assembled into the scratch folder. */
function program(name: string, extension = 'com'): string {
  const path = join(scratch, `${name}.${extension}`);
  const source = join(PROBES, `${name}.asm`);
  const options = ['-f', 'bin', '-w+all', '-Werror', '-I', PROBES, '-o', path];
  execFileSync('nasm', [...options, source]);
  return path;
}

/** A folder for a probe, its path and what is in it. */
function folder(name: string, files: Record<string, string | Uint8Array>): string {
  const path = join(scratch, name);
  mkdirSync(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content);
  return path;
}

/** Runs a probe to its end. */
function run(name: string, request: PcRequest): { lines: string[]; session: Session } {
  const session = new Session(program(name), request);
  session.finish(5000);
  return { lines: session.output.split('\r\n'), session };
}

test('a folder, memory, clock, errors, what is not there, exit code', () => {
  const dir = folder('basics', {
    'hello.txt': 'Hello from the host',
    'a-name-too-long-for-dos.txt': '',
  });
  mkdirSync(join(dir, 'Sub'));
  writeFileSync(join(dir, 'Sub', 'INNER.TXT'), 'inner');
  writeFileSync(join(scratch, 'secret.txt'), 'secret');
  symlinkSync(join(scratch, 'secret.txt'), join(dir, 'link.txt'));
  const { lines, session } = run('basics', { dir, commandLine: 'one two' });
  using _ = session;
  expect(lines).toEqual([
    ' one two',
    'BASICS.COM',
    'HELLO.TXT',
    'SUB',
    '18',
    '19',
    'Hello from the host',
    '5',
    'inner',
    'error 3',
    'error 2',
    'error 2',
    'ok',
    'ok',
    'error 8',
    '3', // 2020-01-01 was a Wednesday
    '2020',
    'ok',
    'error 1',
    '4660',
    '0',
    '!',
  ]);
  expect(session.machine.pc?.missing).toEqual([
    ['INT 21h with AX=5DE4h', 1],
    ['INT E1h with AX=1234h', 1],
    ['INT 33h with AX=0000h (mouse)', 1],
  ]);
  expect(session.machine.pc?.exitCode).toBe(7);
  expect(session.machine.verdict).toBe('failure');
});

/** What a probe says, as words: `x3` stands for three times the one before. */
function words(text: string): string[] {
  return text
    .trim()
    .split(/\s*[|\n]\s*/)
    .flatMap((word) => {
      const [, one = word, times = '1'] = /^(.*) x(\d+)$/.exec(word) ?? [];
      return Array.from({ length: Number(times) }, () => one);
    });
}

test('files and folders are made, written, cut, renamed and deleted', () => {
  const dir = folder('files', { 'host.txt': 'host ' });
  symlinkSync('/etc', join(dir, 'link.txt'));
  const { lines, session } = run('files', { dir });
  using _ = session;
  expect(lines).toEqual(
    words(`
      ok | 11 | 5 | 1 | 22 | 0 | 11 | ok
      hello WORLD | 28 | 21
      error 80 | ok | error 5 x2 | 33 | 5
      host WORLD | 50 | 21
      ok x2 | error 5 | ok | MADE | C:\\MADE\\LONG-LON.TEX
      . | .. | MOVED.TXT | error 18
      error 5
      ok x3 | error 18
      ok x2
      2 | 1 | error 80 | 3
      error 3 x2 | 3 | 8
      ok | error 3
      error 4 | 12 | ok | 20
    `).concat(''),
  );
  // None of it is the host's business.
  expect(readdirSync(dir).sort()).toEqual(['host.txt', 'link.txt']);
  expect(readFileSync(join(dir, 'host.txt'), 'utf8')).toBe('host ');
});

test('--writable puts into the folder what the program left', () => {
  const dir = folder('written', { 'host.txt': 'host ' });
  symlinkSync('/etc', join(dir, 'link.txt'));
  const { session } = run('files', { dir, writable: true });
  using _ = session;
  expect(session.machine.pc?.writeFolderBack()).toBe(3);
  expect(readdirSync(dir).sort()).toEqual(['EXT.DAT', 'MADE', 'host.txt', 'link.txt']);
  expect(readFileSync(join(dir, 'host.txt'), 'utf8')).toBe('host WORLD');
  expect(readFileSync(join(dir, 'MADE', 'MOVED.TXT'), 'utf8')).toBe('hello WORLD');
  expect(statSync(join(dir, 'MADE', 'MOVED.TXT')).mtimeMs).toBe(Date.UTC(2000, 0, 1, 12));
});

test('files by control block', () => {
  const { lines, session } = run('fcb', {});
  using _ = session;
  expect(lines).toEqual(
    words(`
      00 | DATA    TXT | 00 x4 | 48 | 00 x2 | 128
      03 | 62 | 00 | 01
      00 | 63 | 02
      01 | 2 | 3
      00 x2 | 5 | 135 | 00 x2 | 2 | 00 x2
      DATA    BAK | FF
      00 | FF | 20
      00 | FF x2
    `).concat(''),
  );
});

test('programs start programs, parts of programs, and what stays', () => {
  const files = ['child.com', 'resident.com', 'divides.com', 'relocate.exe'];
  const contents = files.map((file) => {
    const [name = '', extension = ''] = file.split('.');
    return [file, readFileSync(program(name, extension))] as const;
  });
  const dir = folder('exec', {
    ...Object.fromEntries(contents),
    'large.com': new Uint8Array(70_000),
  });
  const { lines, session } = run('exec', { dir });
  using _ = session;
  expect(lines).toEqual(
    words(`
      ok
      FF | 02 | b:one | C:\\CHILD.COM | ok
      ok | 00 | 2A | 00 x2
      error 2
      ok | 03 | 05 | 4660
    `).concat(
      '',
      'Divide overflow',
      words(`
        ok | 02 | FF
        relocated | ok | 00 | 63
        ok | 2
        ok | 256 | 0 x2
        error 8
      `),
      '',
    ),
  );
  expect(session.machine.pc?.exitCode).toBe(7);
});

test('an .EXE by itself', () => {
  using session = new Session(program('relocate', 'exe'));
  session.finish(1000);
  expect(session.output).toBe('relocated\r\n');
  expect(session.machine.pc?.exitCode).toBe(0x63);
});

test('the console, redirected and not, and Ctrl-C', () => {
  const dir = folder('console', { 'input.txt': 'ABCDline\r\nrest\r\n' });
  const { lines, session } = run('console', { dir });
  using _ = session;
  expect(lines.map((line) => line.trimEnd())).toEqual(
    words(`
      A | 41 | 42 | 43 | 44
      line | 04 | FF
      80 | D3 | 00 | FF
      00 | 3B | 10
      ^C | break | 00
      ^C | 05
      ^C
    `).concat(''),
  );
  expect(session.machine.pc?.exitCode).toBe(0);
});

test('memory, PSPs, tables, the country; an unknown instruction', () => {
  const { lines, session } = run('system', { environment: ['GREETING=hi', 'B=2'] });
  using _ = session;
  expect(lines).toEqual(
    words(`
      0 | ok | error 9 | hole | end | hole | 1
      ok | error 8 | 65
      5 | 0 x2 | 01 | 02 | FF | 1540 | 41 | GREETING=hi
      CD | 0 | F0 | 0 | 30583 | 0
      1A | 4E | 43 | 40 | 40896 | 5A
      02 | 1A | 20 | 512 | F8 | FF | 512 | 65535 | 32 | 4096
      0 | FF | 1 | 24 | 9A | error 2 | 437 | GR\x9aN | 437
      1 | error 15 | FF | error 6 | 00 | 05 | 01
    `).concat('', 'Invalid opcode', ''),
  );
  expect(session.machine.pc?.missing).toEqual([['instruction 0F 0B', 1]]);
  expect(session.machine.pc?.exitCode).toBe(255);
});
