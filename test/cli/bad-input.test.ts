// SPDX-License-Identifier: GPL-2.0-only
// Whatever is wrong with a guest or the command line: one clear line, the documented exit code, nothing half-written.
// Runs the built program, as a user does; needs dist/ and the addon, which `npm test` builds.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'trapline-bad-'));
afterAll(() => rmSync(folder, { recursive: true }));

function image(name: string, bytes: Uint8Array | number[]): string {
  const path = join(folder, name);
  writeFileSync(path, Uint8Array.from(bytes));
  return path;
}

function trapline(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
    timeout: 120_000,
  });
  return { status, stdout, stderr };
}

/** xorshift32 bytes: garbage that is the same on every machine. */
function garbage(length: number): number[] {
  let state = 0x2545f491;
  return Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  });
}

const empty = image('empty.bin', []);
const large = image('large.bin', new Uint8Array(2_000_000));
const hello = fileURLToPath(new URL('../../guests/hello', import.meta.url));

describe('refused before anything runs', () => {
  it.each([
    ['a missing guest', ['run', join(folder, 'none.bin')], 'HVM_GUEST_MISSING'],
    ['an unknown name', ['run', 'counterr'], 'HVM_GUEST_MISSING'],
    ['an empty guest', ['run', empty], 'HVM_GUEST_EMPTY'],
    ['a guest larger than memory', ['run', large], 'HVM_GUEST_TOO_LARGE'],
    ['an unknown device', ['run', hello, '--device', 'conter@0x200'], 'HVM_DEVICE_UNKNOWN'],
    [
      'overlapping ranges',
      ['run', hello, '--device', 'counter@0x200-0x207', '--device', 'sequence@0x206'],
      'HVM_RANGE_OVERLAP',
    ],
    ['a range past 0xffff', ['run', hello, '--device', 'counter@0xfffe-0x10001'], 'HVM_RANGE'],
    [
      'a device on top of the image',
      ['run', hello, '--device', 'counter@mmio:0x7000-0x7fff'],
      'HVM_RANGE_OVERLAP',
    ],
    ['zero checkpoints', ['stress', hello, '--checkpoints', '0'], 'HVM_USAGE'],
    [
      'an unwritable report',
      ['stress', hello, '--report', join(folder, 'no', 'r.json')],
      'HVM_OUTPUT',
    ],
    ['an unwritable ledger', ['stress', hello, '--ledger', join(folder, 'no', 'l')], 'HVM_OUTPUT'],
    ['an unknown revision', ['stress', hello, '--revision', 'best'], 'HVM_USAGE'],
    ['an unknown option', ['stress', hello, '--chekpoints', '5'], 'HVM_USAGE'],
    ['a ledger that is none', ['ledger', 'check', empty], 'HVM_LEDGER'],
  ])('%s', (_what, args, code) => {
    const before = readdirSync(folder);
    const { status, stdout, stderr } = trapline(...args);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(new RegExp(`^trapline: [^\\n]+ \\[${code}\\]\\n$`));
    expect(readdirSync(folder)).toEqual(before);
    const json = trapline(...args, '--json');
    const document: unknown = JSON.parse(json.stdout === '' ? json.stderr : json.stdout);
    expect(document).toMatchObject({ schema: 'trapline.error/1', code, exitCode: 2 });
  });
});

describe('guests that go wrong', () => {
  it.each<[string, number[], string[], number, RegExp]>([
    [
      'jumps into device memory',
      [0xea, 0, 0, 0, 0xd0],
      ['--device', 'counter@mmio:0xd0000-0xd0fff'],
      3,
      /instruction fetch from memory that is not RAM, at 0xd0000/,
    ],
    [
      'jumps beyond memory',
      [0xea, 0x10, 0, 0xff, 0xff],
      [],
      3,
      /instruction fetch from memory that is not RAM, at 0x100000/,
    ],
    // lidt [zero limit]; int 20h
    [
      'triple-faults',
      [0x0f, 0x01, 0x1e, 0x10, 0x7c, 0xcd, 0x20, 0xf4, ...new Array<number>(16).fill(0)],
      [],
      3,
      /triple fault/,
    ],
    [
      'never ends',
      [0xeb, 0xfe],
      ['--max-instructions', '100000'],
      4,
      /reached a limit: 100000 instructions/,
    ],
    [
      'runs out of time',
      [0xeb, 0xfe],
      ['--timeout', '50ms', '--max-instructions', '0x10000000000'],
      4,
      /reached a limit: 50 ms/,
    ],
    ['halts with interrupts off', [0xfa, 0xf4], [], 6, /halted/],
    ['is garbage', garbage(4096), ['--max-instructions', '200000'], 4, /reached a limit/],
  ])('a guest that %s', (what, code, more, status, text) => {
    const path = image(`${what.replaceAll(' ', '-')}.bin`, code);
    const result = trapline('run', path, ...more);
    expect(result).toMatchObject({ status });
    expect(result.stdout + result.stderr).toMatch(text);
    const stress = trapline('stress', path, ...more, '--checkpoints', '3', '--json');
    expect([0, 1, 3, 4, 6]).toContain(stress.status);
    expect(JSON.parse(stress.stdout)).toMatchObject({ schema: 'trapline.stress/1' });
  });
});

describe('a long run', () => {
  it('stops at the first interrupt, with what is known, and code 130', async () => {
    const ledger = join(folder, 'interrupted.jsonl');
    const child = spawn(
      process.execPath,
      [main, 'stress', 'counter', '--checkpoints', '100000000', '--json', '--ledger', ledger],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    // The ledger grows once checkpoints are being taken.
    await expect.poll(() => existsSync(`${ledger}.partial`)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill('SIGINT');
    const status = await new Promise((resolve) => child.once('close', resolve));
    expect(status).toBe(130);
    const report = JSON.parse(stdout) as { checkpoints: number };
    expect(report).toMatchObject({ outcome: 'interrupted', lost: 0, duplicated: 0 });
    expect(report.checkpoints).toBeGreaterThan(0);
    expect(trapline('ledger', 'check', ledger).status).toBe(0);
  }, 60_000);

  it('prints the command that repeats a violation, and it does', () => {
    const first = JSON.parse(
      trapline(
        'stress',
        'rep-counter',
        '--revision',
        'before-b7e0d8978810',
        '--json',
        '--seed',
        '7',
      ).stdout,
    ) as { reproduce: string; violations: unknown[] };
    const words = first.reproduce.split(' ').slice(1);
    const again = trapline(...words, '--json');
    expect(again.status).toBe(1);
    expect((JSON.parse(again.stdout) as typeof first).violations).toEqual(first.violations);
  });
});
