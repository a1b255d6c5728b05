// SPDX-License-Identifier: GPL-2.0-only
// `trapline serve` in a real browser: the screen, keys, pause, steps, checkpoint and restore, accesses, and who gets in.
// Needs dist/ and Chromium.
/// <reference lib="dom" />
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { faintTexts, tooWide } from '../report/look.ts';

const CHROMIUM =
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((bin) => join(bin, 'chromium'))
    .find((path) => existsSync(path)) ?? '/usr/bin/chromium';
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-sync'];
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const GENEROUS = 60_000;

describe('the page of a running PC', { timeout: 2 * GENEROUS }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'trapline-web-'));
  let child: ChildProcess;
  let browser: Browser;
  let page: Page;
  let address = '';
  const problems: string[] = [];

  beforeAll(async () => {
    const image = join(folder, 'echo.img');
    const sector = new Uint8Array(512);
    // mov ax,3; int 10h; again: mov ah,0; int 16h; mov ah,0eh; int 10h; jmp again
    sector.set([0xb8, 3, 0, 0xcd, 0x10, 0xb4, 0, 0xcd, 0x16, 0xb4, 0x0e, 0xcd, 0x10, 0xeb, 0xf6]);
    sector.set([0x55, 0xaa], 510);
    writeFileSync(image, sector);
    child = spawn(process.execPath, [MAIN, 'serve', image], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    address = await new Promise((resolve) =>
      child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())),
    );
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    page.setDefaultTimeout(GENEROUS);
    await page.goto(address);
  }, GENEROUS);
  afterAll(async () => {
    await browser?.close();
    child?.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  });

  const shows = async (what: string): Promise<void> => {
    await page.waitForFunction(
      (wanted) => (document.getElementById('screen') as HTMLImageElement).alt === wanted,
      what,
    );
  };
  const phase = async (what: string): Promise<void> => {
    await page.waitForFunction(
      (wanted) => document.getElementById('phase')?.textContent === wanted,
      what,
    );
  };
  const says = async (id: string, text: string): Promise<void> => {
    await page.waitForFunction(
      ([of = '', wanted = '']) =>
        document.getElementById(of)?.textContent?.includes(wanted) ?? false,
      [id, text],
    );
  };
  const count = async (): Promise<number> =>
    Number((await page.textContent('#instructions'))?.replaceAll(',', ''));
  const isOff = async (id: string): Promise<boolean> =>
    (await page.getAttribute(`#${id}`, 'aria-disabled')) === 'true';
  const boxes = (): Promise<string> =>
    page.evaluate(() =>
      JSON.stringify(
        ['stage', 'buttons', 'state', 'typing', 'io', 'events'].map((id) => {
          const { x, y, width, height } =
            document.getElementById(id)?.getBoundingClientRect() ?? {};
          return [id, x, y, width, height];
        }),
      ),
    );

  test('is on 127.0.0.1 and shows what is typed', async () => {
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[0-9a-f]{32}$/);
    // The guest has set its mode: the screen is empty.
    await page.waitForFunction(
      () => (document.getElementById('screen') as HTMLImageElement).alt === 'Graphics',
    );
    await page.keyboard.type('Hi {x}\\');
    await shows('Hi {x}\\\n');
    const size = await page.evaluate(() => {
      const { naturalWidth, naturalHeight } = document.getElementById('screen') as HTMLImageElement;
      return [naturalWidth, naturalHeight];
    });
    expect(size).toEqual([640, 400]);
  });

  test('the accesses scroll beside it, with the names of their ports, and can be sifted', async () => {
    const row = (text: string): string => `#rows tr[data-text^="${text}"]`;
    await page.waitForSelector(row('in 060 keyboard data'), { state: 'attached' });
    await page.fill('#filter', 'keyboard');
    const seen = await page.$$eval('#rows tr[data-text]:not([hidden])', (rows) =>
      rows.map((one) => one.textContent ?? ''),
    );
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.filter((text) => !text.includes('keyboard'))).toEqual([]);
    await page.fill('#filter', '');
  });

  test('pauses, goes by single instructions, and resumes, by mouse and by key', async () => {
    await page.focus('#stage');
    await page.keyboard.press('Control+]');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('run');
    const before = await boxes();
    await page.keyboard.press('p');
    await phase('paused');
    await says('run-word', 'Resume');
    const at = await count();
    await page.click('#step');
    await says('instructions', (at + 1).toLocaleString('en'));
    await page.keyboard.press('s');
    await says('instructions', (at + 2).toLocaleString('en'));
    expect(await page.textContent('#registers')).toMatch(/CS:IP[0-9A-F]{4}:[0-9A-F]{4}/);
    expect(await boxes()).toBe(before);
    await page.click('#run');
    await phase('running');
    await page.waitForFunction(
      (least) =>
        Number(document.getElementById('instructions')?.textContent?.replaceAll(',', '')) > least,
      at + 2,
    );
  });

  test('there is no way back without a checkpoint, and the machine says so', async () => {
    expect(await isOff('restore')).toBe(true);
    // As somebody does whose page has not yet heard that the checkpoint is not there.
    await page.evaluate(() => {
      const button = document.getElementById('restore');
      button?.removeAttribute('aria-disabled');
      button?.click();
    });
    await says('trouble', 'there is no checkpoint yet');
    await page.fill('#line', '{Nothing}');
    await page.click('#typing button');
    await says('trouble', "'{Nothing}' cannot be typed");
  });

  test('goes back to a checkpoint, as often as asked', async () => {
    await page.click('#checkpoint');
    await says('kept', 'at ');
    expect(await isOff('restore')).toBe(false);
    expect(await page.textContent('#trouble')).toBe('');
    for (const typed of ['abc', 'xyz']) {
      await page.focus('#stage');
      await page.keyboard.type(typed);
      await shows(`Hi {x}\\${typed}\n`);
      await page.click('#restore');
      await shows('Hi {x}\\\n');
    }
    await page.fill('#line', 'by line');
    await page.press('#line', 'Enter');
    await shows('Hi {x}\\by line\n');
    await page.click('#restore');
    await shows('Hi {x}\\\n');
  });

  test.each(['light', 'dark'] as const)(
    'is readable and fits in %s, wide and narrow',
    async (colorScheme) => {
      await page.emulateMedia({ colorScheme });
      for (const [width, height] of [
        [1440, 900],
        [820, 1180],
        [390, 844],
      ] as const) {
        await page.setViewportSize({ width, height });
        expect(await page.evaluate(faintTexts), `${width}`).toEqual([]);
        expect(await page.evaluate(tooWide), `${width}`).toBeLessThanOrEqual(0);
        const { stage, io } = await page.evaluate(() => ({
          stage: document.getElementById('stage')?.getBoundingClientRect().toJSON() as DOMRect,
          io: document.getElementById('io')?.getBoundingClientRect().toJSON() as DOMRect,
        }));
        // Beside each other, or one above the other.
        if (width > 1060) expect(io.left).toBeGreaterThan(stage.right);
        else expect(io.top).toBeGreaterThan(stage.bottom);
      }
      expect(problems.filter((text) => !text.includes('400'))).toEqual([]);
    },
  );

  test.each([
    [1440, 900, 1, 1],
    [1920, 1080, 1, 2],
    [1440, 900, 1.5, 4 / 3],
    [820, 1180, 2, 1],
  ])('a pixel is a whole number of dots in %d by %d at %d', async (width, height, dots, scale) => {
    const other = await browser.newPage({ viewport: { width, height }, deviceScaleFactor: dots });
    await other.goto(address);
    await other.waitForFunction(
      () => (document.getElementById('screen') as HTMLImageElement).naturalWidth > 0,
    );
    await other.waitForFunction((wanted) => {
      const screen = document.getElementById('screen') as HTMLImageElement;
      return Math.abs(screen.width / screen.naturalWidth - wanted) < 0.01;
    }, scale);
    expect(await other.evaluate(() => document.getElementById('screen')?.className)).toBe('');
    await other.close();
  });

  test('nobody gets in without the token, and a key that is none is refused', async () => {
    const { origin, searchParams } = new URL(address);
    const token = searchParams.get('token') ?? '';
    for (const path of ['/', '/events', '/?token=', `/?token=${'0'.repeat(32)}`]) {
      expect((await fetch(origin + path)).status).toBe(403);
    }
    const post = (path: string, body: string): Promise<Response> =>
      fetch(`${origin}${path}?token=${token}`, { method: 'POST', body });
    expect((await post('/key', '{NoKey}')).status).toBe(400);
    expect((await post('/button', 'no-button')).status).toBe(400);
    expect((await post('/other', '')).status).toBe(404);
    expect((await fetch(`${origin}/other?token=${token}`)).status).toBe(404);
  });

  test('SIGTERM ends it, and the page says that the machine is gone', async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe(143);
    await phase('no contact');
    expect(await isOff('step')).toBe(true);
    await page.fill('#line', 'x');
    await page.press('#line', 'Enter');
    await says('trouble', 'cannot be reached');
  });
});
