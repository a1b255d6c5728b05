// SPDX-License-Identifier: GPL-2.0-only
// The terminal as screen and keyboard: what is drawn, which keys are understood, and a terminal that is as it was.
// The last part runs the built program on a terminal of its own, made by script(1).
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { AnsiScreen, ENTER_SCREEN, LEAVE_SCREEN } from '../../src/screen/ansi.ts';
import { terminalKeys } from '../../src/screen/terminal-keys.ts';
import { cli } from '../helpers/cli.ts';
import { page } from '../unit/screen/page.ts';

const E = '\u001b[';

describe('drawing', () => {
  test('all of it at first, then only what has changed, nothing for the same again', () => {
    const screen = new AnsiScreen();
    const cells = Uint8Array.of(0x41, 0x1f, 0xb3, 0x1f, 0x42, 0x07, 0x20, 0x07);
    const first = screen.draw(page(cells, 2), 80, 25);
    expect(first).toContain(`${E}1;1H${E}38;2;255;255;255m${E}48;2;17;17;17mA│`);
    expect(first).toContain(`${E}2;1H`);
    expect(screen.draw(page(cells, 2), 80, 25)).toBe('');
    const changed = Uint8Array.from(cells);
    changed[4] = 0x43;
    expect(screen.draw(page(changed, 2), 80, 25)).toBe(
      `${E}2;1H${E}38;2;119;119;119m${E}48;2;0;0;0mC${E}?25l`,
    );
  });

  test('a terminal of another size is drawn anew, and what does not fit is left out', () => {
    const screen = new AnsiScreen();
    const frame = page(Uint8Array.of(0x41, 7, 0x42, 7, 0x43, 7, 0x44, 7), 2);
    screen.draw(frame, 80, 25);
    const small = screen.draw(frame, 1, 1);
    expect(small).toContain(`${E}2J`);
    expect(small).toContain('A');
    expect(small).not.toMatch(/[BCD]$/);
    expect(small).not.toContain(`${E}2;`);
  });

  test('a terminal with fewer rows shows those with the cursor, as 80 by 24 a prompt in the last of 25', () => {
    const cells = Uint8Array.from({ length: 2 * 80 * 25 }, (_, i) =>
      i % 2 === 1 ? 7 : 0x41 + Math.floor(i / 160),
    );
    const cursor = { column: 3, row: 24, start: 13, end: 14 };
    const screen = new AnsiScreen();
    const text = screen.draw({ ...page(cells, 80), cursor }, 80, 24);
    expect(text).not.toContain('A');
    expect(text).toContain('B'.repeat(80));
    expect(text.endsWith(`${'Y'.repeat(80)}${E}24;4H${E}?25h`)).toBe(true);
    const up = screen.draw({ ...page(cells, 80), cursor: { ...cursor, row: 0 } }, 80, 24);
    expect(up).toContain('A'.repeat(80));
    expect(up.endsWith(`${E}1;4H${E}?25h`)).toBe(true);
    const narrow = new AnsiScreen().draw(
      { ...page(cells, 80), cursor: { ...cursor, column: 79 } },
      40,
      25,
    );
    expect(narrow.endsWith(`${E}25;40H${E}?25h`)).toBe(true);
  });

  test('pixels are half blocks', () => {
    const indices = new Uint8Array(320 * 200).fill(1);
    const palette = new Uint32Array(256).fill(0x102030);
    const frame = { kind: 'pixels', width: 320, height: 200, indices, palette } as const;
    const text = new AnsiScreen().draw(frame, 80, 25);
    expect(text.split('▀').length).toBeGreaterThan(500);
    expect(text).toContain(`${E}38;2;16;32;48m${E}48;2;16;32;48m`);
  });
});

test.each([
  ['a', ['a']],
  ['\r', ['\r']],
  ['\u007f', ['\b']],
  ['\u001b', ['\u001b']],
  ['\u001b[A\u001bOD', ['Up', 'Left']],
  ['\u001b[3~\u001b[15~\u001bOP', ['Delete', 'F5', 'F1']],
  ['\u001b[1;5C', ['Ctrl-Right']],
  ['\u001bx', ['Alt-x']],
  ['\u0003', ['\u0003']],
  ['ä', []],
])('keys of a terminal: %j', (sent, names) => {
  const { keys, leave } = terminalKeys(sent);
  expect(keys.map((key) => key.name)).toEqual(names);
  expect(leave).toBe(false);
});

test('Ctrl-] leaves, and what comes behind it is not a key', () => {
  const { keys, leave } = terminalKeys('a\u001db');
  expect([keys.length, leave]).toEqual([1, true]);
});

describe('trapline run --screen', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-seat-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const image = join(folder, 'echo.img');
  const sector = new Uint8Array(512);
  sector.set([0xb8, 3, 0, 0xcd, 0x10, 0xb4, 0, 0xcd, 0x16, 0xb4, 0x0e, 0xcd, 0x10, 0xeb, 0xf6]);
  sector.set([0x55, 0xaa], 510);
  writeFileSync(image, sector);
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

  /** What comes out of a terminal in which the program runs, and its state afterwards. @param signal - in place of Ctrl-] */
  async function seated(signal: 'TERM' | null): Promise<string> {
    const seat = `sh -c 'echo pid=$$; exec "${process.execPath}" "${main}" run "${image}" --screen'`;
    const command = `${seat}; echo "status=$?"; stty -a | grep -o -- "-\\?icanon"`;
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH, TERM: 'xterm', SHELL: '/bin/sh' },
    });
    let out = '';
    const until = (wanted: string): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (out.includes(wanted)) resolve();
        };
        child.stdout.on('data', (chunk: Buffer) => {
          out += chunk.toString();
          look();
        });
        look();
      });
    const ended = new Promise((resolve) => child.on('close', resolve));
    await until(ENTER_SCREEN);
    // The BIOS has drawn and the mode is set: the cursor stands at the first cell.
    await until(`${E}1;1H${E}?25h`);
    child.stdin.write('hq');
    await until('q');
    if (signal === null) child.stdin.write('\u001d');
    else process.kill(Number(/pid=(\d+)/.exec(out)?.[1]), `SIG${signal}`);
    await until('icanon');
    child.stdin.end();
    await ended;
    return out;
  }

  test('keys go to the guest, Ctrl-] leaves, and the terminal is as it was', {
    timeout: 120_000,
  }, async () => {
    const out = await seated(null);
    expect(out).toContain(ENTER_SCREEN);
    expect(out.slice(out.lastIndexOf(LEAVE_SCREEN))).toContain('came to the end of its session');
    expect(out).toContain('status=0');
    expect(out).toMatch(/[^-]icanon/);
  });

  test('so it is after SIGTERM', async () => {
    const out = await seated('TERM');
    expect(out).toContain(LEAVE_SCREEN);
    expect(out).toContain('status=143');
    expect(out).toMatch(/[^-]icanon/);
  });

  test('without a terminal it is refused', async () => {
    const { code, err } = await cli(['run', image, '--screen']);
    expect(code).toBe(2);
    expect(err).toContain('--screen without a terminal');
  });
});
