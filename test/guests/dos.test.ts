// SPDX-License-Identifier: GPL-2.0-only
// .COM programs on the built-in DOS services: third-party ones, and a probe of each kind of service.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, test } from 'vitest';
import { absence, guestsFolder } from '../suites/data.ts';
import { guestFile } from './guests.ts';
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

test('files, memory, clock, errors and exit code', () => {
  const program = join(scratch, 'probe.com');
  const source = fileURLToPath(new URL('dos-probe.asm', import.meta.url));
  execFileSync('nasm', ['-f', 'bin', '-w+all', '-Werror', '-o', program, source]);
  const root = join(scratch, 'root');
  mkdirSync(join(root, 'Sub'), { recursive: true });
  writeFileSync(join(root, 'hello.txt'), 'Hello from the host');
  writeFileSync(join(root, 'a-name-too-long-for-dos.txt'), '');
  writeFileSync(join(root, 'Sub', 'INNER.TXT'), 'inner');
  writeFileSync(join(scratch, 'secret.txt'), 'secret');
  symlinkSync(join(scratch, 'secret.txt'), join(root, 'link.txt'));
  using session = new Session(program, { dir: root, commandLine: 'one two' });
  expect(session.finish(2000)).toEqual({ exitCode: 7, verdict: null });
  expect(session.output.split('\r\n')).toEqual([
    ' one two',
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
    'error 5',
    'ok',
    'ok',
    'error 8',
    '3', // 2020-01-01 was a Wednesday
    '2020',
    'ok',
    'error 1',
    '!',
  ]);
  expect(session.machine.pc?.missing).toEqual([['INT 21h function 0Fh', 1]]);
  expect(session.machine.verdict).toBe('failure');
});
