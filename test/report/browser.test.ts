// SPDX-License-Identifier: GPL-2.0-only
// The pages in a real browser, as they are written by the built program: quiet, self-contained, readable, wide and
// narrow, light and dark; and the access that went twice is there to be seen. Needs dist/ and Chromium.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stressPage } from '../../src/report/stress-page.ts';
import { ROOT } from '../helpers/markdown.ts';
import { measured, stressed, told } from '../unit/report/data.ts';
import { brokenFigures, faintTexts, misplacedTexts, tooWide } from './look.ts';

/** `npm test` installs it. */
const CHROMIUM =
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((bin) => join(bin, 'chromium'))
    .find((path) => existsSync(path)) ?? '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const UNFIXED = ['stress', 'counter', '--revision', 'before-b7e0d8978810', '--seed'];

/** Pages, the command that writes each, and how it ends. */
const RUNS: Record<string, [args: string[], status: number]> = {
  'a clean run': [['stress', 'counter', '--checkpoints', '20000', '--seed', '1'], 0],
  'a violation': [[...UNFIXED, '1'], 1],
  'a violation in the second window': [[...UNFIXED, '156'], 1],
  'a write that went twice': [['stress', 'write-ledger', ...UNFIXED.slice(2), '1'], 1],
  'a batch that went twice': [['stress', 'rep-counter', ...UNFIXED.slice(2), '1'], 1],
  'two accesses in one instruction': [['stress', 'rmw-ledger', '--revision', 'fixed'], 1],
  'a search that found the race': [['explore', 'counter', ...UNFIXED.slice(2, 4)], 1],
  'a search that found what the fix left open': [
    ['explore', 'rmw-ledger', '--revision', 'fixed'],
    1,
  ],
  'a search in which a device model died': [
    ['explore', 'counter', '--revision', 'fixed', '--kills', '1', '--preemptions', '1'],
    1,
  ],
  'a search that found nothing': [['explore', 'counter', '--ios', '1', '--checkpoints', '1'], 0],
  'the race': [['race'], 0],
  'a benchmark': [['bench', 'in/v86', '--time', '50ms'], 0],
  'a benchmark without peers': [['bench', 's', '--time', '5ms', '--peers', 'none'], 0],
  'the other race': [['race', '--seed', '156'], 0],
};

let folder: string;
let browser: Browser;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'trapline-pages-'));
  browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}, 60_000);
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

const written = new Map<string, string>();

/** The file of a page; the program runs once for each. */
function fileOf(name: string): string {
  const known = written.get(name);
  if (known !== undefined) return known;
  const [args, status] = RUNS[name] as (typeof RUNS)[string];
  const file = join(folder, `${written.size}.html`);
  const main = join(ROOT, 'dist', 'cli', 'main.js');
  const run = spawnSync(process.execPath, [main, ...args, '--report', file], { encoding: 'utf8' });
  expect({ stderr: run.stderr, status: run.status }).toEqual({ stderr: '', status });
  written.set(name, file);
  return file;
}

/** Opens a file, gives the page to `body`, and wants it to have been quiet. */
async function open(
  file: string,
  look: { width: number; dark?: boolean },
  body: (page: Page) => Promise<void>,
): Promise<void> {
  const page = await browser.newPage({
    viewport: { width: look.width, height: 900 },
    colorScheme: look.dark === true ? 'dark' : 'light',
  });
  const noise: string[] = [];
  page.on('console', (message) => noise.push(message.text()));
  page.on('pageerror', (error) => noise.push(String(error)));
  page.on('dialog', (dialog) => noise.push(dialog.message()));
  const url = pathToFileURL(file).href;
  page.on('request', (request) => {
    if (request.url() !== url && !request.url().startsWith('data:')) noise.push(request.url());
  });
  try {
    await page.goto(url);
    await body(page);
    if (noise.length > 0) throw new Error(`the page was not quiet: ${noise.join(', ')}`);
  } finally {
    await page.close();
  }
}

/** What is wanted of every page. */
async function readable(page: Page, dark: boolean): Promise<void> {
  expect(await page.evaluate(tooWide)).toBe(0);
  expect(await page.evaluate(misplacedTexts)).toEqual([]);
  expect(await page.evaluate(brokenFigures)).toEqual([]);
  expect(await page.evaluate(faintTexts)).toEqual([]);
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const [red = 0] = (ground.match(/\d+/g) ?? []).map(Number);
  expect(red < 64).toBe(dark);
  expect(red > 192).toBe(!dark);
}

describe.each(Object.keys(RUNS))('%s', (name) => {
  it.each([
    [1280, false],
    [400, true],
  ])('can be read at %d pixels, dark: %s', async (width, dark) => {
    await open(fileOf(name), { width, dark }, (page) => readable(page, dark));
  });
});

describe('what is on the pages', () => {
  it('a clean run: verdict, three charts with data, no lanes', async () => {
    await open(fileOf('a clean run'), { width: 1280 }, async (page) => {
      expect(await page.locator('h1').textContent()).toBe(
        'counter: every access happened exactly once',
      );
      const names = await page.locator('figure h3').allTextContents();
      expect(names).toEqual(['Checkpoints over time', 'Hits per window', 'Round trip of an ioreq']);
      const labels = await page
        .locator('figure svg')
        .evaluateAll((all) => all.map((svg) => svg.getAttribute('aria-label') ?? ''));
      expect(labels[0]).toMatch(/[1-9][\d,]* per second on average/);
      expect(labels[1]).toMatch(/before-writeback [1-9]/);
      expect(labels[2]).toMatch(/[1-9][\d,]+ in all, half below [\d.]+ [nµm]s/);
      expect(await page.locator('.lanes').count()).toBe(0);
    });
  });

  it.each([1280, 400])(
    'a violation at %d pixels: the access that went twice is seen and named',
    async (width) => {
      await open(fileOf('a violation'), { width }, async (page) => {
        expect(await page.locator('h1').textContent()).toContain('1 lost, 1 happened twice');
        const first = page.locator('.mark-first', {
          hasText: 'Device counter is read and gives 1',
        });
        const again = page.locator('.mark-again', {
          hasText: 'Device counter is read and gives 2',
        });
        for (const [row, badge] of [
          [first, 'first time'],
          [again, 'again'],
        ] as const) {
          expect(await row.count()).toBe(1);
          expect(await row.locator('.badge').textContent()).toMatch(new RegExp(badge, 'i'));
          // Larger than a hair, and its arrow's label too.
          expect((await row.boundingBox())?.height).toBeGreaterThan(30);
          expect((await row.locator('svg text').boundingBox())?.width).toBeGreaterThan(20);
        }
        const parts = page.locator('.mark-parts');
        expect(await parts.locator('dd').allTextContents()).toEqual([
          'Nothing was sent; the instruction will run again.',
          'The request is in the slot; the device model will serve it.',
        ]);
        expect(await page.locator('.mark-lost').textContent()).toContain('1 is lost');
        const functions = await page.locator('.event code').allTextContents();
        for (const xen of [
          'hvm_send_ioreq',
          'hvmemul_do_io',
          'hvm_wait_for_io',
          'domain_shutdown',
        ]) {
          expect(functions).toContain(xen);
        }
        expect(await page.locator('pre').textContent()).toContain('--seed 1 --checkpoints');
      });
    },
  );

  it('the lanes have an arrow in every row that says so, and it ends on a lane', async () => {
    await open(fileOf('a violation'), { width: 1280 }, async (page) => {
      const ends = await page.locator('.event .arrow').evaluateAll((lines) =>
        lines.map((line) => {
          const at = line.getBoundingClientRect();
          const svg = line.closest('svg')?.getBoundingClientRect() as DOMRect;
          const share = (x: number): number => Math.round((1000 * (x - svg.left)) / svg.width);
          return [share(at.left), share(at.right)];
        }),
      );
      expect(ends.length).toBeGreaterThan(8);
      for (const share of ends.flat()) expect([125, 375, 625, 875]).toContain(share);
    });
  });

  it('the race: both sides beside each other when there is room', async () => {
    for (const [width, beside] of [
      [1280, true],
      [400, false],
    ] as const) {
      await open(fileOf('the race'), { width }, async (page) => {
        const sides = await page.locator('.sides > section').all();
        const [left, right] = await Promise.all(sides.map((side) => side.boundingBox()));
        expect(sides).toHaveLength(2);
        expect((left?.y ?? 0) === (right?.y ?? 0)).toBe(beside);
        expect(await sides[0]?.locator('.mark-again').count()).toBe(2);
        expect(await sides[0]?.locator('.mark-parts').count()).toBe(1);
        expect(await sides[1]?.locator('.mark-again, .mark-parts, .mark-lost').count()).toBe(0);
        expect(await sides[1]?.locator('.mark-decides').count()).toBeGreaterThan(0);
      });
    }
  });

  it('a counterexample: numbered events, and lanes beside those of the fix', async () => {
    await open(fileOf('a search that found the race'), { width: 1280 }, async (page) => {
      expect(await page.locator('h1').textContent()).toContain('exactly-once');
      const events = await page.locator('.card > ol > li').allTextContents();
      expect(events.length).toBeLessThanOrEqual(8);
      expect(events.join()).toContain('toolstack: domain_shutdown(SUSPEND)');
      const [left, right] = await page.locator('.sides > section').all();
      expect((await left?.boundingBox())?.y).toBe((await right?.boundingBox())?.y);
      expect(await left?.locator('.mark-parts').count()).toBe(1);
      expect(await left?.locator('.mark-again').count()).toBeGreaterThan(0);
      expect(await right?.locator('.mark-again, .mark-parts, .mark-lost').count()).toBe(0);
      expect(await page.locator('pre').textContent()).toContain('trapline replay t1:counter:');
    });
  });

  it('goes on paper', async () => {
    await open(fileOf('a violation'), { width: 1280, dark: true }, async (page) => {
      await page.emulateMedia({ media: 'print' });
      expect(await page.evaluate(faintTexts)).toEqual([]);
      expect((await page.pdf()).length).toBeGreaterThan(20_000);
    });
  });
});

describe('a page made of hostile data', () => {
  const evil =
    '"><script>alert(1)</script><img src="http://127.0.0.1:1/x" onerror=alert(2)><style>*{display:none}</style>';

  it.each([1280, 400])('is quiet and can be read at %d pixels', async (width) => {
    const file = join(folder, 'hostile.html');
    const events = told.events.map((e) => ({ ...e, label: evil, text: evil, xen: evil }));
    const windows = { [evil]: 3, [`${'w'.repeat(300)}`]: 2 ** 53 };
    writeFileSync(
      file,
      stressPage({
        ...stressed,
        guest: evil,
        revision: 'r'.repeat(500),
        reproduce: `${evil} ${'x'.repeat(500)}`,
        violations: [{ kind: evil, message: `${evil}${'y'.repeat(500)}`, checkpoint: null }],
        windows,
        story: { ...told, access: evil, events },
        measured,
      }),
    );
    await open(file, { width }, async (page) => {
      await readable(page, false);
      expect(await page.locator('script, img, style >> nth=1').count()).toBe(0);
      expect(await page.locator('h1').textContent()).toContain('<script>alert(1)</script>');
    });
  });
});

describe('the checks themselves', () => {
  it('see a request, an overlap, a faint text and a page that is too wide', async () => {
    const file = join(folder, 'bad.html');
    writeFileSync(
      file,
      `<!doctype html><body style="margin:0"><p style="color:#bbb;width:3000px">faint</p>
<svg width="200" height="40"><text x="5" y="20">one</text><text x="10" y="22">two</text><text x="190" y="35">outside</text></svg>`,
    );
    await open(file, { width: 400 }, async (page) => {
      expect(await page.evaluate(tooWide)).toBe(2600);
      expect(await page.evaluate(misplacedTexts)).toEqual([
        'one | two',
        'outside leaves its drawing',
      ]);
      expect(await page.evaluate(faintTexts)).toEqual([expect.stringMatching(/^1\.\d+: faint$/)]);
    });
    writeFileSync(file, '<!doctype html><img src="missing.png">');
    await expect(open(file, { width: 400 }, async () => {})).rejects.toThrow('missing.png');
  });
});
