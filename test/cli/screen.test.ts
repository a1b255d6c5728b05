// SPDX-License-Identifier: GPL-2.0-only
// Options about screen and keyboard, on a boot sector that echoes what is typed.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { cli } from '../helpers/cli.ts';
import { decodePng } from '../unit/screen/page.ts';

const folder = mkdtempSync(join(tmpdir(), 'trapline-screen-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

// mov ax,3; int 10h; again: mov ah,0; int 16h; mov ah,0eh; int 10h; jmp again
const ECHO = [0xb8, 3, 0, 0xcd, 0x10, 0xb4, 0, 0xcd, 0x16, 0xb4, 0x0e, 0xcd, 0x10, 0xeb, 0xf6];
const sector = new Uint8Array(512);
sector.set(ECHO);
sector.set([0x55, 0xaa], 510);
writeFileSync(at('echo.img'), sector);

const run = (...args: string[]): ReturnType<typeof cli> =>
  cli(['run', at('echo.img'), '--quiet', ...args]);

describe('trapline run on a PC', () => {
  test('types, expects and dumps in the order given', async () => {
    const { code, out } = await run(
      ...['--wait', '500ms', '--type', 'abc', '--expect', 'abc', '--text-dump', at('first')],
      ...['--type', '\\r', '--type', 'XYZ!', '--text-dump', at('last')],
      ...['--screenshot', at('last.png'), '--dump-cells', at('cells')],
    );
    expect(out).toContain('came to the end of its session');
    expect(code).toBe(0);
    expect(readFileSync(at('first'), 'latin1')).toBe('abc\n');
    expect(readFileSync(at('last'), 'latin1')).toBe('XYZ!\n');
    const cells = readFileSync(at('cells'));
    expect(cells.length).toBe(4000);
    expect(cells.toString('latin1', 0, 4)).toBe('X\u0007Y\u0007');
    const { width, height } = decodePng(readFileSync(at('last.png')));
    expect([width, height]).toEqual([640, 400]);
  });

  test('the same again is the same, to the instruction', async () => {
    const args = ['--json', '--wait', '300ms', '--type', 'twice', '--expect', 'twice'];
    const both = [await run(...args), await run(...args)].map(({ out }) => {
      const { durationMs: _, ...document } = JSON.parse(out) as Record<string, unknown>;
      return document;
    });
    expect(both[0]).toEqual(both[1]);
  });

  test('what does not appear in time is a failure, with the screen', {
    timeout: 120_000,
  }, async () => {
    const { code, out } = await run(
      ...['--wait', '300ms', '--type', 'seen', '--expect', 'unseen', '--expect-timeout', '1s'],
    );
    expect(code).toBe(1);
    expect(out).toContain("'unseen' did not appear within 1000 ms of guest time");
    expect(out).toContain('seen\n');
  });

  test('a script file says the same', async () => {
    writeFileSync(at('script'), '# a session\nwait 300ms\n\ntype hello\nexpect hello\n');
    const { code } = await run('--script', at('script'), '--text-dump', at('scripted'));
    expect(code).toBe(0);
    expect(readFileSync(at('scripted'), 'latin1')).toBe('hello\n');
  });

  test('a script goes on in the process that restores the guest', async () => {
    const script = ['--wait', '300ms', '--type', 'left', '--expect', 'left', '--type', '\\rright'];
    const straight = await run(...script, '--expect', 'right', '--json');
    const { instructions } = JSON.parse(straight.out) as { instructions: number };
    // Before it begins, between keys, and while the screen is waited for at its end.
    for (const after of [1_000_000, 3_450_000, 4_000_000]) {
      const image = at(`${after}.image`);
      const saved = await cli([
        ...['save', at('echo.img'), '--quiet', ...script, '--expect', 'right'],
        ...['--after', String(after), '--output', image],
      ]);
      expect(saved.code).toBe(0);
      const { code, out } = await cli(['restore', image, '--quiet', '--json']);
      expect(code).toBe(0);
      const restored = JSON.parse(out) as Record<string, unknown>;
      expect(restored.instructions).toBe(instructions);
      expect(restored.script).toEqual({ problem: null });
    }
  });

  test.each([
    ['a text without keys', ['--type', 'ä'], 'cannot be typed'],
    ['a script that is not there', ['--script', at('none')], 'cannot read script'],
    ['a folder that is not there', ['--screenshot', at('no/x.png')], 'no such folder'],
    ['a bad duration', ['--wait', 'soon'], "'soon'"],
    ['a text that no screen shows', ['--expect', '中'], "no screen shows '中'"],
    ['a text of blanks', ['--expect', ' '], 'expected a text'],
  ])('refuses %s', async (_name, args, message) => {
    const { code, err } = await run(...args);
    expect(code).not.toBe(0);
    expect(err).toContain(message);
  });

  test('refuses a script with a line it does not know, and a guest without a screen', async () => {
    writeFileSync(at('bad'), 'type x\nshout y\n');
    expect((await run('--script', at('bad'))).err).toContain("line 2: 'shout y'");
    for (const words of [['run'], ['stress'], ['save', '--after', '1', '--output', at('none')]]) {
      const { code, err } = await cli([...words, 'hello', '--type', 'x']);
      expect(code).toBe(2);
      expect(err).toContain('expected a guest that runs on a PC');
    }
  });
});
