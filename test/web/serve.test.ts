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
  const state = async (what: string): Promise<string> => {
    await page.waitForFunction(
      (wanted) => document.getElementById('state')?.textContent?.startsWith(wanted) ?? false,
      what,
    );
    return (await page.textContent('#state')) ?? '';
  };
  const count = (text: string): number => Number(/(\d+) instructions/.exec(text)?.[1]);

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

  test('the accesses scroll beside it', async () => {
    await page.waitForFunction(() =>
      /^in {2}060 {2}[0-9a-f]{2}$/m.test(document.getElementById('events')?.textContent ?? ''),
    );
  });

  test('pauses, goes by single instructions, and resumes', async () => {
    await page.click('#pause');
    const before = count(await state('paused'));
    await page.click('#step');
    await page.waitForFunction(
      (text) => document.getElementById('state')?.textContent?.includes(text) ?? false,
      ` ${before + 1} instructions`,
    );
    await page.click('#resume');
    expect(count(await state('running'))).toBeGreaterThan(before);
  });

  test('goes back to a checkpoint, as often as asked', async () => {
    await page.click('#checkpoint');
    await page.waitForFunction(() =>
      document.getElementById('state')?.textContent?.includes('checkpoint at'),
    );
    for (const typed of ['abc', 'xyz']) {
      await page.focus('#screen');
      await page.keyboard.type(typed);
      await shows(`Hi {x}\\${typed}\n`);
      await page.click('#restore');
      await shows('Hi {x}\\\n');
    }
  });

  test('is readable, wide and narrow, and without errors', async () => {
    expect(await page.evaluate(faintTexts)).toEqual([]);
    expect(await page.evaluate(tooWide)).toBeLessThanOrEqual(0);
    await page.setViewportSize({ width: 400, height: 700 });
    expect(await page.evaluate(tooWide)).toBeLessThanOrEqual(0);
    expect(problems).toEqual([]);
    if (process.env.TRAPLINE_KEEP_PICTURES !== undefined) {
      await page.setViewportSize({ width: 1200, height: 800 });
      await page.screenshot({ path: join(process.env.TRAPLINE_KEEP_PICTURES, 'serve.png') });
    }
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
    expect((await post('/button', 'no-button')).status).toBe(200);
    expect((await fetch(`${origin}/other?token=${token}`)).status).toBe(404);
  });

  test('SIGTERM ends it', async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    expect(await ended).toBe(143);
  });
});
