// SPDX-License-Identifier: GPL-2.0-only
// The page of a benchmark, from invented figures: what is drawn, what is said of peers that were not there.
import { expect, it } from 'vitest';
import { type BenchPageData, benchPage } from '../../../src/report/bench-page.ts';

const row = (name: string, median: number) => ({ name, median, low: median / 2, high: median * 2 });

const data: BenchPageData = {
  environment: { node: '20', platform: 'linux-x64', cpu: 'a <b>cpu</b>', cores: 2, load: 0.5 },
  method: 'ns',
  results: [row('in/server', 600)],
  stages: [row('switch', 20), row('select', -3)],
  peers: [
    {
      name: 'v86',
      state: 'measured',
      version: '0.5',
      answeredBy: 'f()',
      reason: null,
      install: null,
    },
    {
      name: 'kvm',
      state: 'failed',
      version: '6',
      answeredBy: 'c',
      reason: 'in: hung',
      install: null,
    },
    {
      name: 'qemu',
      state: 'absent',
      version: null,
      answeredBy: null,
      reason: 'none',
      install: 'apt',
    },
  ],
  table: {
    who: ['trapline', 'v86', 'kvm'],
    loops: [
      {
        loop: 'in',
        cells: [
          { ns: row('in/trapline', 600), ratio: null },
          { ns: row('in/v86', 24), ratio: row('in/v86', 25) },
          { ns: row('in/kvm', 6600), ratio: row('in/kvm', 0.09) },
        ],
      },
      {
        loop: 'loop/all',
        cells: [
          { ns: null, ratio: null },
          { ns: null, ratio: row('loop/v86', 0.4) },
          { ns: null, ratio: null },
        ],
      },
    ],
  },
  durationMs: 1000,
};

it('draws each loop once, a dot for each monitor, and no chart for a mean', () => {
  const page = benchPage(data);
  const titles = [...page.matchAll(/<h3>(.*?)<\/h3>/g)].map(([, title]) => title);
  expect(titles).toEqual(['Ours divided by theirs', 'in', 'Stages']);
  // Three monitors, and the one stage above 0.
  expect(page.match(/<circle /g)).toHaveLength(4);
  expect(page).toContain('aria-label="in: trapline 600 ns, v86 24.0 ns, kvm 6.60 µs"');
});

it('colours ratios by who is faster', () => {
  const page = benchPage(data);
  expect(page).toContain('<td class="bad" title="12.5 to 50.0">25.0</td>');
  expect(page).toContain('<td class="good" title="0.045 to 0.18">0.090</td>');
});

it('says who was there, who failed and who was not, and how to get it', () => {
  const page = benchPage(data);
  expect(page).toContain('<b>v86</b> 0.5: f()</li>');
  expect(page).toContain('<b>kvm</b> 6: c – failed: in: hung</li>');
  expect(page).toContain('<b>qemu</b> absent: none. To have it: <code>apt</code></li>');
});

it('is text where it was given text, and fetches nothing', () => {
  const page = benchPage(data);
  expect(page).toContain('a &lt;b&gt;cpu&lt;/b&gt;');
  expect(page).not.toMatch(/<script|https?:\/\//);
});

it('without peers it is our own table', () => {
  const page = benchPage({ ...data, peers: [], stages: [], table: { who: [], loops: [] } });
  expect(page).toContain('<td>in/server</td>');
  expect(page).not.toContain('<circle');
});
