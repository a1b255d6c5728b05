// SPDX-License-Identifier: GPL-2.0-only
// Escaping by construction: whatever stands in the data, the page has the same elements and none besides.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { clip, escapeText, html, page } from '../../../src/report/html.ts';
import { racePage } from '../../../src/report/race-page.ts';
import { stressPage } from '../../../src/report/stress-page.ts';
import { STYLE } from '../../../src/report/style.ts';
import { raced, stressed } from './data.ts';

const HOSTILE = [
  '"><script>alert(1)</script>',
  "' onmouseover='alert(1)",
  '</style><style>*{background:url(http://example.org/)}</style>',
  '<img src=x onerror=alert(1)>',
  '&lt;b&gt; & ]]> --> <!--',
  '\u202egnp.exe\u2066',
  `a${'\ud800'}b${'\0'}c\u001b[31m`,
  'x'.repeat(10_000),
];

/** Tags with the names of their attributes, without any value or text. */
function skeleton(text: string): string[] {
  return [...text.matchAll(/<[^<>]*>/g)].map(([tag]) => tag.replaceAll(/"[^"]*"/g, '""'));
}

/** The same data with `text` in place of every string but those of `keep`. */
function spoiled<T>(data: T, text: string, keep: ReadonlySet<string>): T {
  return JSON.parse(
    JSON.stringify(data, (key, value: unknown) =>
      typeof value === 'string' && !keep.has(key) ? text : value,
    ),
  ) as T;
}

// Words of a closed list, which the schema checks.
const CLOSED = new Set(['from', 'to', 'mark', 'about', 'slot', 'latch', 'stage', 'outcome']);

describe('html', () => {
  it('escapes text, numbers and lists, and leaves finished HTML alone', () => {
    const inner = html`<b>${'<&>'}</b>`;
    expect(String(html`<p class="${'"x\''}">${inner}${[1, null, false, '<']}</p>`)).toBe(
      '<p class="&quot;x&#39;"><b>&lt;&amp;&gt;</b>1&lt;</p>',
    );
  });

  it('refuses an attribute without quotes', () => {
    expect(() => html`<p class=${'x'}>`).toThrow('quotes');
  });

  it('takes objects that only look like HTML for what they are', () => {
    const fake = { toString: () => '<b>' } as unknown as string;
    expect(() => String(html`<p>${fake}</p>`)).toThrow();
  });

  it('replaces what cannot be shown', () => {
    expect(escapeText('a\0\u202e\ud800\u2028b\n\tc')).toBe('a\ufffd\ufffd\ufffd\ufffdb\n\tc');
    expect(escapeText('😀 é µ')).toBe('😀 é µ');
  });

  it('clips by characters, not by halves of them', () => {
    expect(clip('abcdef', 4)).toBe('abc…');
    expect(clip('😀😀', 2)).toBe('😀😀');
    expect(clip('😀😀😀', 2)).toBe('😀…');
  });
});

describe('a page', () => {
  it('allows its own style and nothing else', () => {
    const text = page('t', html`<main></main>`);
    const hash = createHash('sha256').update(STYLE).digest('base64');
    expect(text).toContain(`style-src &#39;sha256-${hash}&#39;`);
    expect(text).toContain('default-src &#39;none&#39;');
    expect(/<style>([\s\S]*)<\/style>/.exec(text)?.[1]).toBe(STYLE);
    // Nothing to fetch, nothing to run.
    const fetching =
      /<(script|iframe|object|embed|img|video|audio|source|base|form)\b|\son[a-z]+=|url\(|@import/i;
    expect(stressPage(stressed)).not.toMatch(fetching);
    expect(stressPage(stressed)).not.toMatch(/\sstyle="/);
  });

  it.each(HOSTILE)('has the same elements with hostile text, %#', (text) => {
    expect(skeleton(stressPage(spoiled(stressed, text, CLOSED)))).toEqual(
      skeleton(stressPage(spoiled(stressed, 'harmless', CLOSED))),
    );
    expect(skeleton(racePage(spoiled(raced, text, CLOSED), true))).toEqual(
      skeleton(racePage(spoiled(raced, 'harmless', CLOSED), true)),
    );
  });

  it('has the same elements with hostile names of windows', () => {
    const named = (name: string): string =>
      stressPage({ ...stressed, windows: { [name]: 1, b: 2 } });
    for (const text of HOSTILE) expect(skeleton(named(text))).toEqual(skeleton(named('a')));
  });

  it('survives figures that make no sense', () => {
    for (const n of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      const rate = { bucketMs: n, counts: [n, n], elapsedMs: n };
      const latency = { total: n, minNs: n, maxNs: n, buckets: [{ fromNs: n, toNs: n, count: n }] };
      const text = stressPage({ ...stressed, windows: { a: n }, measured: { rate, latency } });
      expect(text.endsWith('</html>\n')).toBe(true);
      expect(text.length).toBeLessThan(100_000);
    }
  });
});
