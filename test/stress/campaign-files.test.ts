// SPDX-License-Identifier: GPL-2.0-only
// State files and reports that are damaged, of another campaign, or contradict each other; and how a campaign ends.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCampaign } from '../../src/toolstack/campaign/campaign.ts';
import { buildIdentity, identityOf } from '../../src/toolstack/campaign/identity.ts';
import { type CampaignSource, mergeCampaigns } from '../../src/toolstack/campaign/merge.ts';
import { campaignReport } from '../../src/toolstack/campaign/report.ts';
import { seedResult } from '../../src/toolstack/campaign/result.ts';
import type { CampaignDocument, SeedResult } from '../../src/toolstack/campaign/shapes.ts';
import { readSource } from '../../src/toolstack/campaign/sources.ts';
import { StateFile } from '../../src/toolstack/campaign/state-file.ts';
import { stateLine } from '../../src/toolstack/campaign/state-format.ts';
import type { StressReport } from '../../src/toolstack/stress.ts';
import { ManualClock } from '../../src/util/clock.ts';
import { type HvmErrorCode, isHvmError } from '../../src/util/errors.ts';
import {
  BUILD,
  campaign,
  header,
  identity,
  linesOf,
  memory,
  type Part,
  resume,
  runSeed,
  SMALL,
  UNFIXED,
  watchOf,
} from '../helpers/campaign.ts';

const folder = mkdtempSync(join(tmpdir(), 'trapline-campaign-files-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string): string => join(folder, name);

const PART: Part = { seeds: { first: 1, last: 8 }, shard: { index: 2, count: 2 } };
const state = file('state');
beforeAll(async () => {
  await resume(state, PART);
});

function refusal(action: () => unknown): { code: HvmErrorCode; message: string } {
  try {
    action();
  } catch (error) {
    if (!isHvmError(error)) throw error;
    expect(error.message).not.toContain('\n');
    return { code: error.code, message: error.message };
  }
  throw new Error('nothing was refused');
}

/** Opens a state file made of `text`, and reads it for a merge; both have to refuse it alike. */
function refused(text: string | Buffer): string {
  const path = file('damaged');
  writeFileSync(path, text);
  const opened = refusal(() => new StateFile(path, header(PART)));
  expect(opened.code).toBe('HVM_CAMPAIGN');
  expect(refusal(() => readSource(path))).toEqual(opened);
  // Refused means: not touched.
  expect(readFileSync(path).equals(Buffer.from(text))).toBe(true);
  return opened.message.slice(path.length);
}

/** The lines of a file with proper hashes. */
function chained(contents: readonly unknown[]): string {
  let head: string | undefined;
  return contents
    .map((content) => {
      const next = stateLine(content as SeedResult, head);
      head = next.head;
      return next.line;
    })
    .join('');
}

describe('a damaged state file is refused by its line', () => {
  it('with a changed byte in any line', () => {
    const bytes = readFileSync(state);
    let line = 1;
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (bytes[at] ?? 0) ^ 1;
      // The first bytes say what it is; a changed line end makes one line of two.
      if (at > 30 && bytes[at] !== 10 && at % 29 === 0) {
        expect(refused(changed), `byte ${at}`).toMatch(new RegExp(`^:${line}: `));
      }
      if (bytes[at] === 10) line++;
    }
    expect(line).toBe(6);
  }, 60_000);

  it('with a line missing, twice, in another order, or empty', () => {
    const [first, a, b, ...rest] = linesOf(state);
    const text = (lines: (string | undefined)[]): string => `${lines.join('\n')}\n`;
    expect(refused(text([first, b, ...rest]))).toMatch(/^:2: expected hash/);
    expect(refused(text([first, a, a, b, ...rest]))).toMatch(/^:3: expected hash/);
    expect(refused(text([first, b, a, ...rest]))).toMatch(/^:2: expected hash/);
    expect(refused(text([first, '', a, b, ...rest]))).toMatch(/^:2: expected a line that ends/);
  });

  it('with proper hashes over something else', () => {
    const [first, a] = linesOf(state).map((line) => {
      const { h: _, ...content } = JSON.parse(line) as Record<string, unknown>;
      return content;
    });
    const one = a as SeedResult;
    expect(refused(chained([first, { ...one, seed: 3 }]))).toBe(
      ":2: seed 3 does not belong to this file's seeds",
    );
    expect(refused(chained([first, one, one]))).toBe(':3: seed 2 is there for the second time');
    expect(refused(chained([first, { ...one, lost: -1 }]))).toMatch(/^:2: field 'lost': /);
    expect(refused(chained([first, { ...one, more: 1 }]))).toMatch(/^:2: field '': Unrecognized/);
    expect(refused(chained([{ ...first, version: 2 }]))).toMatch(/^:1: field 'version': /);
  });

  it('or when it is something else altogether', () => {
    for (const text of ['hello\n', '{}\n', Buffer.from([0xff, 0xfe, 10])]) {
      const path = file('other');
      writeFileSync(path, text);
      const { code, message } = refusal(() => new StateFile(path, header(PART)));
      expect(code).toBe('HVM_CAMPAIGN');
      expect(message).toContain(':1: expected the first line of a trapline-campaign file');
    }
    // Without a line end it could be taken for a torn line.
    const notes = file('notes');
    writeFileSync(notes, 'my notes');
    expect(refusal(() => new StateFile(notes, header(PART))).code).toBe('HVM_CAMPAIGN');
    expect(readFileSync(notes, 'utf8')).toBe('my notes');
  });
});

describe('a state file of another campaign is refused', () => {
  it.each([
    [
      'build',
      { ...identity(), build: { ...BUILD, digest: 'c'.repeat(64) } },
      /build 0\.0\.0 \(bbb/,
    ],
    ['revision', identity(UNFIXED), /--revision exact/],
    ['number of checkpoints', identity({ ...SMALL, checkpoints: 21 }), /--checkpoints 20'/],
    ['memory', identity({ ...SMALL, load: { memoryBytes: 2 ** 21 } }), /counter --revision/],
    ['runner', { ...identity(), repeatable: false }, /of another campaign/],
  ])('of another %s', (_what, other, message) => {
    const refused = refusal(() => new StateFile(state, { ...header(PART), campaign: other }));
    expect(refused.code).toBe('HVM_CAMPAIGN_OTHER');
    expect(refused.message).toMatch(message);
  });

  it('of another guest under the same name', () => {
    const guest = file('guest.bin');
    const path = file('guest-state');
    const options = { ...SMALL, guest };
    writeFileSync(guest, Uint8Array.from([0xeb, 0xfe]));
    using _first = new StateFile(path, header(PART, options));
    writeFileSync(guest, Uint8Array.from([0xeb, 0xfd]));
    _first[Symbol.dispose]();
    const { code, message } = refusal(() => new StateFile(path, header(PART, options)));
    expect(code).toBe('HVM_CAMPAIGN_OTHER');
    expect(message).toContain('guest guest (');
  });

  it('of another range or shard', () => {
    for (const other of [
      { ...PART, shard: { index: 1, count: 2 } },
      { ...PART, shard: null },
      { ...PART, seeds: { first: 1, last: 9 } },
    ]) {
      const { code, message } = refusal(() => new StateFile(state, header(other)));
      expect(code).toBe('HVM_CAMPAIGN_OTHER');
      expect(message).toContain('it is of seeds 1-8, shard 2/2, expected seeds 1-');
    }
  });
});

describe('a state file', () => {
  it('has one writer, and is free again when that is done', () => {
    const path = file('locked');
    const first = new StateFile(path, header(PART));
    expect(refusal(() => new StateFile(path, header(PART))).code).toBe('HVM_CAMPAIGN_BUSY');
    first[Symbol.dispose]();
    new StateFile(path, header(PART))[Symbol.dispose]();
  });

  it('is a regular file', () => {
    mkdirSync(file('a-folder'));
    symlinkSync('/dev/null', file('nowhere'));
    for (const path of [file('a-folder'), file('nowhere'), file('none/x')]) {
      expect(refusal(() => new StateFile(path, header(PART))).code).toBe('HVM_OUTPUT');
    }
  });
});

it('a build is told apart by any file of the program and by its addon', () => {
  const program = file('program');
  mkdirSync(join(program, 'cli'), { recursive: true });
  const addon = file('addon.node');
  const put = (path: string, text: string): string => {
    writeFileSync(path, text);
    return buildIdentity({ version: '1', program, addon }).digest;
  };
  writeFileSync(addon, 'a');
  const digests = [
    put(join(program, 'a.js'), '1'),
    put(join(program, 'a.js'), '2'),
    put(join(program, 'cli', 'b.js'), '3'),
    put(join(program, 'c.js'), '3'),
    put(addon, 'b'),
  ];
  expect(new Set(digests).size).toBe(5);
  // What does not run does not count.
  expect(put(join(program, 'a.d.ts'), 'x')).toBe(digests[4]);
  expect(put(join(program, 'a.js.map'), 'x')).toBe(digests[4]);
});

describe('a merge', () => {
  const source = async (seeds: Part['seeds'], name: string, options = SMALL) => {
    const { determined } = await campaign({ seeds, shard: null }, memory(), options);
    const { results } = determined;
    const one: CampaignSource = {
      file: name,
      campaign: identity(options),
      seeds: [seeds],
      results,
      contradictions: [],
    };
    return one;
  };

  it('names what is missing, and has no verdict without it', async () => {
    const first = await source({ first: 1, last: 4 }, 'a');
    const later = await source({ first: 9, last: 10 }, 'b');
    const gap = { ...later, results: later.results.slice(1) };
    const { determined, outcome, notDetermined } = mergeCampaigns([gap, first]);
    expect(outcome).toBe('limit');
    expect(determined.seeds).toEqual([
      { first: 1, last: 4 },
      { first: 9, last: 10 },
    ]);
    expect(determined.missing).toEqual({ count: 1, ranges: [{ first: 9, last: 9 }] });
    expect(notDetermined).toEqual([expect.stringContaining('which seeds are missing')]);
  });

  it('names a seed with two results, in whatever order it comes, and stays a failure', async () => {
    const a = await source({ first: 1, last: 4 }, 'a');
    const bad = seedResult({ ...(await runSeed(SMALL, 3)), outcome: 'failure', lost: 1 });
    const b: CampaignSource = { ...a, file: 'b', results: [bad as SeedResult] };
    const both = mergeCampaigns([a, b]);
    expect(both.outcome).toBe('failure');
    expect(both.contradictions).toHaveLength(1);
    expect(both.contradictions[0]?.seed).toBe(3);
    expect(
      both.contradictions[0]?.results.map((one) => `${one.file} ${one.outcome}`).sort(),
    ).toEqual(['a success', 'b failure']);
    expect(both.determined.totals).toMatchObject({ seeds: 4, lost: 1 });
    expect(mergeCampaigns([b, a])).toEqual(both);
    // Merged once more with the good one alone, it is not forgotten.
    const path = file('contradicting');
    writeFileSync(path, JSON.stringify(both));
    expect(mergeCampaigns([readSource(path), a])).toEqual(both);
  });

  it('takes the worse result of a seed that cannot be repeated', async () => {
    const a = await source({ first: 1, last: 4 }, 'a');
    const bad = seedResult({ ...(await runSeed(SMALL, 3)), outcome: 'crashed' }) as SeedResult;
    const threads = { ...a.campaign, repeatable: false };
    const sources = [
      { ...a, campaign: threads },
      { ...a, campaign: threads, results: [bad] },
    ];
    const report = mergeCampaigns(sources);
    expect(report).toMatchObject({ outcome: 'crashed', contradictions: [] });
    expect(report.notDetermined).toEqual([expect.stringContaining('the result of a seed')]);
    expect(mergeCampaigns([...sources].reverse())).toEqual(report);
  });

  it('refuses other builds, guests and commands', async () => {
    const a = await source({ first: 1, last: 1 }, 'a');
    const build = { ...a.campaign, build: { ...BUILD, version: '0.0.1' } };
    const others = [{ ...a, campaign: build }, await source({ first: 1, last: 1 }, 'b', UNFIXED)];
    for (const other of others) {
      const { code, message } = refusal(() => mergeCampaigns([a, other]));
      expect(code).toBe('HVM_CAMPAIGN_OTHER');
      expect(message).toContain(`cannot merge '${other.file}': it is of`);
    }
  });

  it('refuses a report that was changed, and what is no report', async () => {
    const report = await campaign({ seeds: { first: 1, last: 3 }, shard: null }, memory());
    const read = (document: unknown): string => {
      const path = file('report.json');
      writeFileSync(path, typeof document === 'string' ? document : JSON.stringify(document));
      const { code, message } = refusal(() => readSource(path));
      expect(code).toBe('HVM_CAMPAIGN');
      return message;
    };
    const change = (edit: (document: CampaignDocument) => void): CampaignDocument => {
      const copy = structuredClone(report);
      edit(copy);
      return copy;
    };
    const first = (document: CampaignDocument): SeedResult =>
      document.determined.results[0] as SeedResult;
    expect(read(change((d) => (first(d).lost = 1)))).toContain('do not agree with its digest');
    expect(read(change((d) => d.determined.results.pop()))).toContain('do not agree');
    expect(read(change((d) => (first(d).seed = 7)))).toContain('seed 7 is there twice, out of');
    expect(read(change((d) => d.determined.results.push(first(d))))).toContain('seed 1 is there');
    expect(read({ ...report, outcome: 'fine' })).toContain("field 'outcome'");
    expect(read({ schema: 'trapline.stress/1' })).toContain('got "trapline.stress/1"');
    expect(read('null')).toContain('got none');
    expect(read('')).toContain('expected a campaign report');
    expect(read(`${linesOf(state)[0]}`)).toContain('its first line was never finished');
    expect(refusal(() => readSource(file('nothing'))).message).toContain('no such file');
    expect(refusal(() => readSource(folder)).code).toBe('HVM_CAMPAIGN');
  });

  it('gives the fields of a result one order, whoever made them', async () => {
    const report = await runSeed(UNFIXED, 1);
    const shuffled = Object.fromEntries(
      Object.entries(report).reverse(),
    ) as unknown as StressReport;
    shuffled.windows = Object.fromEntries(Object.entries(report.windows).reverse());
    shuffled.violations = report.violations.map(
      (one) => Object.fromEntries(Object.entries(one).reverse()) as typeof one,
    );
    const [a, b] = [seedResult(report), seedResult(shuffled)];
    expect(JSON.stringify({ ...a, digest: '' })).toBe(JSON.stringify({ ...b, digest: '' }));
  });
});

describe('a campaign ends', () => {
  const clock = new ManualClock();
  const asked = {
    campaign: identity(),
    seeds: { first: 1, last: 10 },
    shard: null,
    durationMs: null,
    failFast: false,
  };
  let good: StressReport;
  beforeAll(async () => {
    good = await runSeed(SMALL, 1);
  });
  const of = (seed: number, more: Partial<StressReport> = {}): StressReport => ({
    ...good,
    seed,
    ...more,
  });
  const watch = { ...watchOf(), clock, progress: () => {} };

  it('when the time is over, with the seed under way', async () => {
    const run = (seed: number): StressReport => {
      clock.advance(400);
      return of(seed);
    };
    const report = await runCampaign({ ...asked, durationMs: 1000 }, run, memory(), watch);
    expect(report).toMatchObject({
      outcome: 'limit',
      measured: { ended: 'time', seedsRun: 3, durationMs: 1200, seedsPerSecond: 2.5 },
    });
    const endless = { ...asked, seeds: { first: 1, last: null }, durationMs: 1000 };
    const open = await runCampaign(endless, run, memory(), watch);
    expect(open).toMatchObject({ outcome: 'success', determined: { missing: { count: 0 } } });
    expect(open.notDetermined).toContain('how many seeds were run: as many as the time allowed');
  });

  it('with the first bad seed, if asked to; else with the last seed', async () => {
    const run = (seed: number): StressReport => of(seed, seed === 4 ? { outcome: 'crashed' } : {});
    const fast = await runCampaign({ ...asked, failFast: true }, run, memory(), watch);
    expect(fast).toMatchObject({
      outcome: 'crashed',
      measured: { ended: 'fail-fast', seedsRun: 4 },
    });
    const all = await runCampaign(asked, run, memory(), watch);
    expect(all).toMatchObject({ outcome: 'crashed', measured: { ended: 'done', seedsRun: 10 } });
    // What failed before it was resumed counts, too.
    const store = { results: fast.determined.results, append: () => {} };
    const again = await runCampaign({ ...asked, failFast: true }, run, store, watch);
    expect(again).toMatchObject({ measured: { ended: 'fail-fast', seedsRun: 0, seedsBefore: 4 } });
  });

  it('when interrupted: an interrupted seed has no result', async () => {
    const run = (seed: number): StressReport =>
      of(seed, seed === 4 ? { outcome: 'interrupted' } : {});
    const report = await runCampaign(asked, run, memory(), watch);
    expect(report).toMatchObject({ outcome: 'interrupted', measured: { seedsRun: 3 } });
    const signal = AbortSignal.abort();
    const none = await runCampaign(asked, run, memory(), { ...watch, signal });
    expect(none).toMatchObject({ outcome: 'interrupted', measured: { seedsRun: 0 } });
  });

  it('with the error of a seed, and keeps those before it', async () => {
    const path = file('throwing');
    const part = { seeds: asked.seeds, shard: null };
    const run = (seed: number): StressReport => {
      if (seed === 3) throw new Error('out of memory');
      return of(seed);
    };
    await expect(resume(path, part, SMALL, run)).rejects.toThrow('out of memory');
    expect(readSource(path).results.map(({ seed }) => seed)).toEqual([1, 2]);
  });

  it.each([
    [['success', 'failure', 'crashed'], 'failure'],
    [['crashed', 'error', 'limit'], 'crashed'],
    [['limit', 'skip', 'error'], 'error'],
    [['success', 'limit', 'skip'], 'skip'],
    [['success', 'limit'], 'limit'],
    [['success', 'success'], 'success'],
  ] as const)('as the worst of %j', (outcomes, worst) => {
    const results = outcomes.map((outcome, i) => seedResult(of(i + 1, { outcome })) as SeedResult);
    const seeds = [{ first: 1, last: outcomes.length }];
    const facts = { campaign: identity(), seeds, shard: null, results, measured: null };
    expect(campaignReport(facts).outcome).toBe(worst);
  });
});

it('the identity of a guest covers what is loaded with it', () => {
  const digest = (load: object): string => identityOf(BUILD, { ...SMALL, load }, true).guest.digest;
  const loads = [{}, { memoryBytes: 2 ** 21 }, { iterations: 5 }, { parameter: 3 }];
  expect(new Set(loads.map(digest)).size).toBe(4);
});
